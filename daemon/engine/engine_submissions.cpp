// The part of Engine that takes sockets from applications.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "daemon/engine/application.hpp"
#include "daemon/engine/description.hpp"
#include "daemon/engine/engine.hpp"
#include "daemon/shared/enclosures.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

Error not_permitted(uid_t user) {
    return {"application-not-permitted",
            fmt::format("a process of user {} submits sockets, who is none of application_users", user)};
}

std::string describe_user(uid_t user) {
    return fmt::format("a process of user {}", user);
}

}  // namespace

void Engine::admit_submitter(const std::shared_ptr<ServedService>& service, UniqueFd channel) {
    const uid_t user = user_at_other_end(channel.get());
    if (!is_among(service->settings.application_users, user)) {
        count_failure(*service, describe_user(user), not_permitted(user));
        return;
    }
    submitters_.push_back(std::make_shared<Submitter>(loop_, *this, service->id, std::move(channel)));
}

Result<Accepted> Engine::take_submitted(const Submitter& submitter, UniqueFd socket) const {
    // A reload may have changed the users meanwhile.
    if (!is_among(offers_.at(submitter.service()).service->settings.application_users, submitter.user())) {
        return std::unexpected(not_permitted(submitter.user()));
    }
    if (in_use() >= capacity_) {
        return fail("descriptors-exhausted",
                    fmt::format("this engine has {} connections and descriptors for no more; raise LimitNOFILE",
                                connections_.size()));
    }
    return accept_submitted(std::move(socket));
}

void Engine::on_submitted(Submitter& submitter, const std::string& id, UniqueFd socket) {
    // close_service() leaves none that would read.
    const auto service = offers_.at(submitter.service()).service;
    auto accepted = take_submitted(submitter, std::move(socket));
    if (accepted) {
        begin(service, *std::move(accepted), submitter.shared_from_this(), id);
        return;
    }
    count_failure(*service, describe_user(submitter.user()), accepted.error());
    submitter.answer(describe_refusal(id, accepted.error()));
}

void Engine::on_ended(Submitter& submitter, const Error* error) {
    const auto owned = submitter.shared_from_this();
    submitters_.remove(owned);
    if (const auto offer = offers_.find(submitter.service()); error != nullptr && offer != offers_.end()) {
        count_failure(*offer->second.service, describe_user(submitter.user()), *error);
    }
    for (auto next = connections_.begin(); next != connections_.end();) {
        Connection& connection = **next++;  // it leaves the list
        if (connection.submitter() == owned.get()) {
            connection.cut_off({"application-gone", "the application that submitted the connection is gone"});
        }
    }
    end_if_drained();
}

void Engine::finish_submitters(std::optional<ServiceId> of) {
    for (const auto& submitter : submitters_) {
        if (!of || submitter->service() == *of) {
            submitter->finish();
        }
    }
}

bool Engine::answers_due() const {
    return std::ranges::any_of(submitters_, [](const auto& each) { return each->under_way() > 0; });
}

void Engine::count_failure(const ServedService& service, std::string_view peer, const Error& error) {
    counters_.add(service.id, fmt::format("{}{}", counter::kFailed, error.reason));
    log_peer_failure(fmt::format("{}: {}", service.settings.name, peer), error);
    failures_.add({.service = service.id,
                   .peer = std::string(peer),
                   .reason = std::string(error.reason),
                   .sentence = error.sentence});
}

}  // namespace keysluice
