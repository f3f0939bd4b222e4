#include "daemon/control/reloader.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/control/doubts.hpp"
#include "daemon/control/ike_loading.hpp"
#include "daemon/control/plaintext.hpp"
#include "daemon/control/preparation.hpp"
#include "daemon/control/stapling.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {

Reloader::Reloader(Loop& loop, std::string file, std::string credentials, Use use, Ended ended, KeptTexts kept)
    : file_(std::move(file)),
      credentials_(std::move(credentials)),
      use_(std::move(use)),
      ended_(std::move(ended)),
      save_(std::move(kept.save)),
      added_(std::move(kept.added)),
      peers_(std::move(kept.peers)),
      thread_(loop, 1, 1) {}

void Reloader::reload(Outcome then) {
    // What is under way may have read the files already.
    if (requests_.size() < 2 || requests_.back().change) {
        requests_.push_back({});
    }
    if (then) {
        requests_.back().then.push_back(std::move(then));
    }
    if (requests_.size() == 1) {
        begin();
    }
}

void Reloader::change(ConnectionChange change, Outcome then) {
    Request& request = requests_.emplace_back();
    request.change = std::move(change);
    request.then.push_back(std::move(then));
    if (requests_.size() == 1) {
        begin();
    }
}

std::vector<std::string> Reloader::owned_by(const std::string& owner) const {
    std::vector<std::string> names;
    for (const auto& [name, added] : added_) {
        if (added.owner == owner) {
            names.push_back(name);
        }
    }
    return names;
}

std::set<std::string> Reloader::owners() const {
    std::set<std::string> owners;
    for (const auto& [name, added] : added_) {
        owners.insert(added.owner);
    }
    owners.erase("");
    return owners;
}

std::vector<std::string> Reloader::awaited() const {
    std::vector<std::string> names;
    for (const auto& [name, added] : added_) {
        if (added.awaited) {
            names.push_back(name);
        }
    }
    return names;
}

std::expected<Configuration, Refusal> Reloader::read_now(const std::string& file, const std::string& credentials,
                                                         const AddedTexts& added) {
    return read(file, credentials, added, {}, std::nullopt).configuration;
}

void Reloader::begin() {
    thread_.submit([this, file = file_, credentials = credentials_, added = added_, peers = peers_,
                    change = requests_.front().change]() mutable -> WorkerPool::Done {
        return [this, found = read(file, credentials, std::move(added), std::move(peers), change)]() mutable {
            on_read(std::move(found));
        };
    });
}

Reloader::Read Reloader::read(const std::string& file, const std::string& credentials, AddedTexts added,
                              KnownPeers peers, const std::optional<ConnectionChange>& change) {
    Proposal proposal{.name = {}, .texts = std::move(added), .file = {}, .kept = {}};
    Read read;
    if (change) {
        auto proposed = propose(proposal.texts, file, *change);
        if (!proposed) {
            read.configuration = std::unexpected(std::move(proposed).error());
            return read;
        }
        proposal = *std::move(proposed);
    }
    auto configuration = read_configuration(file, credentials, proposal.overlay());
    if (!configuration) {
        read.configuration = std::unexpected(std::move(configuration).error());
        return read;
    }
    choose_engines(*configuration);
    Diagnostics wrong = load_ike(
        configuration->ike, {.check_private_keys = false, .look_up_peers = true, .known_peers = std::move(peers)},
        std::chrono::system_clock::now(), read.warnings);
    std::ranges::move(doubts_about(*configuration), std::back_inserter(read.warnings));
    std::ranges::move(doubts_about_stapling(*configuration, std::chrono::system_clock::now()),
                      std::back_inserter(read.warnings));
    std::ranges::move(resolve_hosts(*configuration), std::back_inserter(wrong));
    std::ranges::move(check_plaintext(*configuration, own_addresses()), std::back_inserter(wrong));
    const auto kept = wrong.empty() && change ? carry_out(proposal) : Result<void>{};
    if (!wrong.empty()) {
        read.configuration = std::unexpected(std::move(wrong));
    } else if (!kept) {
        read.configuration = std::unexpected(kept.error());
    } else {
        read.configuration = *std::move(configuration);
        read.added = std::move(proposal.texts);
    }
    return read;
}

void Reloader::on_read(Read read) {
    for (const Diagnostic& warning : read.warnings) {
        log_warning("{} ({})", to_string(warning), warning.reason);
    }
    if (read.configuration) {
        for (const std::string& name : awaited()) {
            if (const auto now = read.added.find(name); now != read.added.end() && !now->second.awaited) {
                log_info("connection {}: who had added it to the process before has added it again", in_quotes(name));
            }
        }
        added_ = std::move(read.added);
        peers_ = known_peers(read.configuration->ike);
        save_(added_);  // before there are IKE SAs of it
        use_(*std::move(read.configuration), requests_.front().change ? Occasion::change : Occasion::reload,
             [this](Diagnostics left_out) {
                 for (const Diagnostic& each : left_out) {
                     log_error("{} ({})", to_string(each), each.reason);
                 }
                 if (!requests_.front().change) {
                     log_info("the reload is complete{}", left_out.empty() ? "" : ", but for what is wrong");
                 }
                 conclude(left_out.empty() ? std::expected<void, Refusal>()
                                           : std::unexpected(Refusal(std::move(left_out))));
             });
        return;
    }
    const auto* const wrong = std::get_if<Diagnostics>(&read.configuration.error());
    if (wrong != nullptr && !requests_.front().change) {  // a caller of change() hears it, and nobody else has to
        tell(*wrong);
    }
    conclude(std::unexpected(std::move(read.configuration).error()));
}

void Reloader::conclude(std::expected<void, Refusal> outcome) {
    Request request = std::move(requests_.front());
    for (Outcome& then : request.then) {
        then(outcome);
    }
    requests_.pop_front();
    const bool again = !requests_.empty() && !requests_.front().change;
    if (!request.change && !again) {
        const auto* const wrong = outcome ? nullptr : std::get_if<Diagnostics>(&outcome.error());
        ended_(wrong == nullptr ? Diagnostics{} : *wrong);
    }
    if (!requests_.empty()) {
        begin();
    }
}

void Reloader::tell(const Diagnostics& wrong) const {
    for (const Diagnostic& each : wrong) {
        log_error("{} ({})", to_string(each), each.reason);
    }
    log_event(LogLevel::error,
              {.event = LogEvent::configuration_refused, .fields = {{"PROBLEM", to_string(wrong.front())}}},
              "{} is not used: the configuration stays as it was", file_);
}

}  // namespace keysluice::control
