#include "daemon/control/ike_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "daemon/shared/log.hpp"
#include "ike/proposal.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::control {
namespace {

std::string subject_of(const ike::Report& report) {
    if (report.connection.empty()) {
        return fmt::format("IKE with {}", report.peer.text());
    }
    const std::string child = report.child.empty() ? "" : fmt::format(", child {}", report.child);
    return fmt::format("connection {}{}, {}", report.connection, child, report.peer.text());
}

std::string suite_of(const ike::Sa* sa) {
    return sa == nullptr ? "" : fmt::format(", {}", ike::print(sa->suite));
}

/// "SPIs c1000000 in, c2000000 out, aes256gcm16" of the newest CHILD SA of that name.
std::string child_of(const ike::Sa* sa, const std::string& name) {
    const ike::ChildSa* found = newest_child(sa, name);
    if (found == nullptr) {
        return "";
    }
    return fmt::format(": SPIs {:08x} in, {:08x} out, {}", found->spec.inbound.value, found->spec.outbound.value,
                       ike::print(found->spec.suite));
}

}  // namespace

const ike::ChildSa* newest_child(const ike::Sa* sa, const std::string& name) {
    if (sa == nullptr) {
        return nullptr;
    }
    const auto found = std::ranges::find_if(sa->children.rbegin(), sa->children.rend(),
                                            [&](const ike::ChildSa& each) { return each.spec.child == name; });
    return found == sa->children.rend() ? nullptr : &*found;
}

void log_report(const ike::Report& report, const ike::Sa* sa) {
    using Kind = ike::Report::Kind;
    if (report.kind != Kind::failed && report.kind != Kind::refused && !logs(LogLevel::info)) {
        return;  // thousands of peers come at once
    }
    const std::string subject = subject_of(report);
    switch (report.kind) {
        case Kind::established:
            log_info("{}: IKE SA {:016x} is established with {}{}", subject, report.sa.value,
                     sa == nullptr ? "the peer" : ike::wire::print(sa->peer_id), suite_of(sa));
            return;
        case Kind::child_established:
            log_info("{}: CHILD SA is established{}", subject, child_of(sa, report.child));
            return;
        case Kind::child_rekeyed:
            log_info("{}: CHILD SA is rekeyed{}", subject, child_of(sa, report.child));
            return;
        case Kind::ike_rekeyed:
            log_info("{}: IKE SA is rekeyed, now {:016x}{}", subject, report.sa.value, suite_of(sa));
            return;
        case Kind::child_closed:
            log_info("{}: CHILD SA is closed", subject);
            return;
        case Kind::closed:
            log_info("{}: IKE SA {:016x} is closed", subject, report.sa.value);
            return;
        case Kind::moved:
            log_info("{}: the peer of IKE SA {:016x} is here now", subject, report.sa.value);
            return;
        case Kind::failed:
        case Kind::refused:
            log_peer_failure(subject, report.error);
            return;
    }
}

}  // namespace keysluice::control
