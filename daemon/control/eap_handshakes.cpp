#include "daemon/control/eap_handshakes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/shared/clock.hpp"

namespace keysluice::control {
namespace {

Error gone() {
    return {"eap-tls-gone", "the process that had the handshake is no more; it has to begin anew"};
}

}  // namespace

void EapHandshakes::hear(TlsTurnHeard turn, Done done) {
    if (jobs_.size() >= kMostWaiting) {
        refuse(std::move(done),
               {"signing-busy", fmt::format("{} handshakes of EAP-TLS wait for an engine already", kMostWaiting)});
        return;
    }
    if (!turn.begins && !places_.contains(turn.handshake)) {
        refuse(std::move(done), gone());
        return;
    }
    turn.token = ++next_token_;
    jobs_.push_back({.turn = std::move(turn), .done = std::move(done), .until = now() + patience_});
    assign_waiting();
    arm();
}

void EapHandshakes::refuse(Done done, Error error) {
    loop_.defer([done = std::move(done), error = std::move(error)] { done(std::unexpected(error)); });
}

bool EapHandshakes::send(Job& job) {
    const auto place = places_.find(job.turn.handshake);
    Channel* const engine = place != places_.end() ? place->second : find_(job.turn.key);
    if (engine == nullptr || !engine->send(job.turn)) {
        return false;
    }
    places_[job.turn.handshake] = engine;
    return true;
}

void EapHandshakes::assign_waiting() {
    for (Job& job : jobs_) {
        job.assigned = job.assigned || send(job);
    }
}

void EapHandshakes::forget(std::uint64_t handshake) {
    std::erase_if(jobs_, [&](const Job& job) { return job.turn.handshake == handshake; });
    const auto place = places_.find(handshake);
    if (place != places_.end()) {
        static_cast<void>(place->second->send(TlsHandshakeOver{handshake}));
        places_.erase(place);
    }
}

void EapHandshakes::left(const Channel& engine) {
    const auto was_there = [&](const Job& job) {
        const auto place = places_.find(job.turn.handshake);
        return place != places_.end() && place->second == &engine;
    };
    Jobs over;
    for (auto job = jobs_.begin(); job != jobs_.end();) {
        const auto next = std::next(job);
        if (was_there(*job) && job->turn.begins) {
            job->assigned = false;  // the peer has heard nothing yet: another engine can begin it
        } else if (was_there(*job)) {
            over.splice(over.end(), jobs_, job);
        }
        job = next;
    }
    std::erase_if(places_, [&](const auto& each) { return each.second == &engine; });
    assign_waiting();
    fail_all(over, gone());
    arm();
}

void EapHandshakes::on_message(const Channel& engine, TlsTurnAnswered answer) {
    const auto job = std::ranges::find_if(jobs_, [&](const Job& each) { return each.turn.token == answer.token; });
    const auto place = job == jobs_.end() ? places_.end() : places_.find(job->turn.handshake);
    if (place == places_.end() || place->second != &engine) {
        return;  // it took too long, or nobody needs it any more
    }
    const Done done = std::move(job->done);
    if (answer.msk || !answer.sentence.empty()) {
        places_.erase(place);  // and the engine has forgotten it as well
    }
    jobs_.erase(job);
    arm();
    done(std::move(answer));
}

std::size_t EapHandshakes::in(const Channel& engine) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(places_, [&](const auto& each) { return each.second == &engine; }));
}

void EapHandshakes::fail_all(const Jobs& over, const Error& why) {
    for (const Job& job : over) {
        job.done(std::unexpected(why));
    }
}

void EapHandshakes::give_up_late() {
    Jobs over;
    while (!jobs_.empty() && jobs_.front().until <= now()) {
        over.splice(over.end(), jobs_, jobs_.begin());
    }
    arm();
    fail_all(over, {"no-engine", fmt::format("no engine answered for EAP-TLS within {} s: none with the key "
                                             "is running, or those that run are overloaded",
                                             std::chrono::duration_cast<std::chrono::seconds>(patience_).count())});
}

void EapHandshakes::arm() {
    jobs_.empty() ? deadline_.disarm() : deadline_.arm(jobs_.front().until);
}

}  // namespace keysluice::control
