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

LogEvent event_of(ike::Report::Kind kind) {
    using Kind = ike::Report::Kind;
    switch (kind) {
        case Kind::established:
            return LogEvent::ike_established;
        case Kind::child_established:
            return LogEvent::child_established;
        case Kind::child_rekeyed:
            return LogEvent::child_rekeyed;
        case Kind::ike_rekeyed:
            return LogEvent::ike_rekeyed;
        case Kind::child_closed:
            return LogEvent::child_closed;
        case Kind::closed:
            return LogEvent::ike_closed;
        case Kind::moved:
            return LogEvent::peer_moved;
        case Kind::path_changed:
            return LogEvent::path_changed;
        case Kind::offload_lost:
            return LogEvent::offload_lost;
        case Kind::offload_regained:
            return LogEvent::offload_regained;
        case Kind::offload_moved:
            return LogEvent::offload_moved;
        case Kind::assigned:
            return LogEvent::addresses_assigned;
        case Kind::failed:
            return LogEvent::failed;
        case Kind::gateway_changed:
            return LogEvent::gateway_changed;
        case Kind::reauthenticated:
            return LogEvent::reauthenticated;
        case Kind::reauth_failed:
            return LogEvent::reauth_failed;
        case Kind::refused:
            break;
    }
    return LogEvent::refused;
}

LogDetails details_of(const ike::Report& report, const ike::Sa* sa) {
    LogDetails details{.event = event_of(report.kind), .fields = {{"PEER", report.peer.text()}}};
    const auto add = [&](std::string_view name, std::string value) {
        details.fields.push_back({name, std::move(value)});
    };
    if (!report.connection.empty()) {
        add("CONNECTION", report.connection);
    }
    if (report.sa.value != 0) {
        add("IKE_SPI", fmt::format("{:016x}", report.sa.value));
    }
    if (!report.child.empty()) {
        add("CHILD", report.child);
    }
    if (const ike::ChildSa* child = report.child.empty() ? nullptr : newest_child(sa, report.child)) {
        add("SPI_IN", fmt::format("{:08x}", child->spec.inbound.value));
        add("SPI_OUT", fmt::format("{:08x}", child->spec.outbound.value));
    }
    if (report.from) {
        add("FROM", report.from->text());
    }
    if (report.from_sa) {
        add("FROM", fmt::format("{:016x}", report.from_sa->value));
    }
    if (report.devices) {
        add("FROM", report.devices->first);
        add("TO", report.devices->second);
    }
    if (!report.error.reason.empty()) {
        add("REASON", std::string(report.error.reason));
    }
    return details;
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
    if (report.error.reason.empty() && !logs(LogLevel::info)) {
        return;  // thousands of peers come at once
    }
    const std::string subject = subject_of(report);
    const LogDetails details = details_of(report, sa);
    const auto say = [&](std::string_view text) { log_event(LogLevel::info, details, "{}: {}", subject, text); };
    switch (report.kind) {
        case Kind::established:
            say(fmt::format("IKE SA {:016x} is established with {}{}", report.sa.value,
                            sa == nullptr ? "the peer" : ike::wire::print(sa->peer_id), suite_of(sa)));
            return;
        case Kind::child_established:
            say(fmt::format("CHILD SA is established{}", child_of(sa, report.child)));
            return;
        case Kind::child_rekeyed:
            say(fmt::format("CHILD SA is rekeyed{}", child_of(sa, report.child)));
            return;
        case Kind::ike_rekeyed:
            say(fmt::format("IKE SA is rekeyed, now {:016x}{}", report.sa.value, suite_of(sa)));
            return;
        case Kind::child_closed:
            say("CHILD SA is closed");
            return;
        case Kind::closed:
            say(fmt::format("IKE SA {:016x} is closed", report.sa.value));
            return;
        case Kind::moved:
            say(fmt::format("the peer of IKE SA {:016x} is here now", report.sa.value));
            return;
        case Kind::path_changed:
        case Kind::offload_moved:
            say(fmt::format("{} ({})", report.error.sentence, report.error.reason));
            return;
        case Kind::offload_regained:
            say(fmt::format("the network device does its part again{}", child_of(sa, report.child)));
            return;
        case Kind::assigned:
            say(report.error.sentence);
            return;
        case Kind::gateway_changed:
            say(fmt::format("the gateway from now on, after {}: {} ({})", report.from.value_or(UdpEndpoint()).text(),
                            report.error.sentence, report.error.reason));
            return;
        case Kind::reauthenticated:
            say(fmt::format("IKE SA {:016x} is in the place of {:016x}: {} ({})", report.sa.value,
                            report.from_sa.value_or(ike::IkeSpi{}).value, report.error.sentence,
                            report.error.reason));
            return;
        case Kind::reauth_failed:
            say(fmt::format("nothing has come in the place of IKE SA {:016x} yet: {} ({})",
                            report.from_sa.value_or(ike::IkeSpi{}).value, report.error.sentence,
                            report.error.reason));
            return;
        case Kind::offload_lost:
        case Kind::failed:
        case Kind::refused:
            log_peer_failure(subject, report.error, &details);
            return;
    }
}

}  // namespace keysluice::control
