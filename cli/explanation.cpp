#include "cli/explanation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/reasons.hpp"
#include "daemon/shared/counters.hpp"

namespace keysluice::cli {
namespace {

std::string meaning_of(std::string_view code) {
    const Reason* reason = find_reason(code);
    return reason == nullptr ? "" : std::string(reason->meaning);
}

Explanation about_missing(const Connection& connection) {
    Explanation text{.about = connection.name, .is = "there is no IKE SA", .because = {}, .change = {}};
    if (connection.start == "on-load") {
        text.because = "it starts on load: the last attempt failed, or it was brought down";
        text.change = fmt::format(
            "keysluice up {0}; the journal says what the attempts came to: "
            "journalctl -u keysluiced -g {0}",
            connection.name);
    } else if (connection.start == "on-traffic") {
        text.because = "it starts with the first packet that needs it";
        text.change = fmt::format("keysluice up {}, or traffic", connection.name);
    } else {
        text.because = "start is \"manual\": the peer has not begun, and nobody here has";
        text.change =
            connection.remote == "any" ? "the peer has to begin" : fmt::format("keysluice up {}", connection.name);
    }
    return text;
}

Explanation about_gateways(const Connection& connection) {
    const bool first = connection.gateway == connection.gateways.front();
    return {
        .about = connection.name,
        .is = fmt::format("{} of its gateways ({}) is in turn", connection.gateway,
                          fmt::join(connection.gateways, ", ")),
        .because = first ? "it is the first of them" : "those in front of it did not answer, refused or were left",
        .change = first ? ""
                        : fmt::format("keysluice monitor and the journal have each change and its reason: "
                                      "journalctl -u keysluiced -g {}",
                                      connection.name)};
}

Explanation about(const std::string& connection, const RefusedChild& refused) {
    return {.about = fmt::format("{}/{}", connection, refused.child),
            .is = "it can't be negotiated",
            .because = refused.sentence,
            .change = meaning_of(refused.reason),
            .reason = refused.reason};
}

Explanation about(const IkeSa& sa) {
    Explanation text{.about = fmt::format("{} {:016x}", sa.connection, sa.spi),
                     .is = fmt::format("the IKE SA is {}", sa.state),
                     .because = {},
                     .change = {}};
    if (sa.state == "init-sent" || sa.state == "auth-sent") {
        text.because = fmt::format("{} has not answered yet", sa.remote);
        text.change = meaning_of("peer-silent");
    } else if (sa.state == "half-open") {
        text.because = fmt::format("{} has begun and not authenticated yet", sa.remote);
        text.change = meaning_of("half-open-timeout");
    } else if (sa.state == "replaced") {
        text.because = "it was rekeyed: its successor stands, and this one goes";
    } else if (sa.state == "established" && sa.children.empty()) {
        text.because = "it has no CHILD SA, so it protects no packet";
        text.change = fmt::format("keysluice up {}", sa.connection);
    }
    return text;
}

Explanation about_nobody(const IkeSa& sa, const ChildSa& child) {
    return {
        .about = fmt::format("{}/{} {:08x}", sa.connection, child.name, child.spi_in),
        .is = "nobody does ESP",
        .because = "keysluiced runs with --null-kernel, for benchmarks: nothing is installed, no packet is protected",
        .change = "start it without --null-kernel"};
}

Explanation about(const IkeSa& sa, const ChildSa& child) {
    Explanation text{.about = fmt::format("{}/{} {:08x}", sa.connection, child.name, child.spi_in),
                     .is = child.offload == "none"
                               ? "the kernel does ESP"
                               : fmt::format("{} does ESP (offload {})", child.offload_device, child.offload),
                     .because = {},
                     .change = {}};
    if (child.offload_requested == "off") {
        text.because = "the child says offload = \"off\"";
        text.change = "offload = \"auto\" in the child, if a device here can do it: keysluice doctor";
    } else if (child.offload == "none" && !child.offload_reason.empty()) {
        text.because = fmt::format("offload = \"{}\", and {}", child.offload_requested, child.offload_reason);
        text.change = child.offload_device.empty()
                          ? "a network device with esp-hw-offload: keysluice doctor"
                          : fmt::format(
                                "ethtool -k {} | grep esp: where it says \"off\" and not \"[fixed]\", "
                                "ethtool -K {} esp-hw-offload on; then keysluice rekey {} --child {}",
                                child.offload_device, child.offload_device, sa.connection, child.name);
    } else if (child.offload == "none") {
        text.because = fmt::format(
            "offload = \"{}\", and no network device was asked: none is on the way to {} that "
            "takes over ESP, or nothing is installed in the kernel",
            child.offload_requested, sa.remote);
        text.change = "keysluice doctor says which device could, and why not";
    } else if (child.offload == "crypto" && !child.offload_reason.empty()) {
        text.because = child.offload_reason;
    }
    return text;
}

/// One for each reason that was counted.
void add(const TlsService& service, std::vector<Explanation>& all) {
    const auto count = [&service](std::string_view name) {
        const auto found = service.counters.find(std::string(name));
        return found == service.counters.end() ? 0 : found->second;
    };
    Explanation& whole = all.emplace_back(
        Explanation{.about = service.name,
                    .is = fmt::format("{} connections are with the kernel, {} in userspace",
                                      count(counter::kActiveKernel), count(counter::kActiveUserspace)),
                    .because = {},
                    .change = {}});
    if (service.silent > 0) {
        whole.because =
            fmt::format("{} engines or relays have not answered: what they carry is missing", service.silent);
    }
    for (const auto& [name, value] : service.counters) {
        const bool failed = name.starts_with(counter::kFailed);
        if (value == 0 || (!failed && !name.starts_with(counter::kWhyUserspace))) {
            continue;
        }
        const std::string code = name.substr(name.find(':') + 1);
        all.push_back(
            {.about = service.name,
             .is = fmt::format("{} connections have {} so far", value, failed ? "failed" : "stayed in userspace"),
             .because = code,
             .change = meaning_of(code),
             .reason = code});
    }
}

}  // namespace

std::vector<Explanation> explain(const Target& target, bool null_kernel) {
    std::vector<Explanation> all;
    for (const Connection& connection : target.connections) {
        if (std::ranges::none_of(target.sas, [&](const IkeSa& sa) { return sa.connection == connection.name; })) {
            all.push_back(about_missing(connection));
        }
        if (!connection.gateways.empty()) {
            all.push_back(about_gateways(connection));
        }
        for (const RefusedChild& each : connection.refused) {
            all.push_back(about(connection.name, each));
        }
    }
    for (const IkeSa& sa : target.sas) {
        all.push_back(about(sa));
        for (const ChildSa& child : sa.children) {
            all.push_back(null_kernel ? about_nobody(sa, child) : about(sa, child));
        }
    }
    for (const TlsService& service : target.services) {
        add(service, all);
    }
    return all;
}

}  // namespace keysluice::cli
