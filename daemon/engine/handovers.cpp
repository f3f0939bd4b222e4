#include "daemon/engine/handovers.hpp"

namespace keysluice {

bool Handovers::give(const Carried& connection, std::shared_ptr<const TrafficSecrets> secrets, Descriptors sockets,
                     CountedConnection counted) {
    if (waiting_.size() >= kMost) {
        return false;
    }
    const std::uint32_t token = ++last_token_;
    waiting_.insert_or_assign(
        token, Waiting{{.token = token, .again = false, .connection = connection, .secrets = std::move(secrets)},
                       std::move(sockets),
                       std::move(counted)});
    untold_.push_back(token);
    go_on();
    return true;
}

void Handovers::count_anew(const std::function<CountedConnection(const Carried&)>& count) {
    for (auto& [token, waiting] : waiting_) {
        waiting.counted = count(waiting.handover.connection);
    }
}

void Handovers::on_taken(const Taken& taken) {
    for (const std::uint32_t token : taken.tokens) {
        waiting_.erase(token);
    }
    go_on();
}

void Handovers::tell_again() {
    untold_.clear();
    for (const auto& [token, waiting] : waiting_) {
        untold_.push_back(token);
    }
    go_on();
}

void Handovers::go_on() {
    while (keeper_.connected() && !untold_.empty()) {
        const auto found = waiting_.find(untold_.front());
        if (found != waiting_.end()) {
            Descriptors copies;
            for (const UniqueFd& socket : found->second.sockets) {
                copies.push_back(duplicate_fd(socket));
            }
            if (!keeper_.send(found->second.handover, std::move(copies))) {
                return;  // no descriptor is left for a duplicate: the next one that is taken brings some
            }
            found->second.handover.again = true;
        }
        untold_.pop_front();
    }
}

}  // namespace keysluice
