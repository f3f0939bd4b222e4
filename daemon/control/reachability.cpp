#include "daemon/control/reachability.hpp"

namespace keysluice::control {

Reachability::Turn Reachability::look_at(const ike::Report& report) {
    using Kind = ike::Report::Kind;
    auto peer = std::pair(report.connection, report.peer.address);
    if (report.kind == Kind::established) {
        return silent_.erase(peer) == 0 ? Turn::none : Turn::back;
    }
    if (report.kind != Kind::failed || report.error.reason != "peer-silent" || silent_.size() >= kMostSilent) {
        return Turn::none;
    }
    return silent_.insert(std::move(peer)).second ? Turn::unreachable : Turn::none;
}

}  // namespace keysluice::control
