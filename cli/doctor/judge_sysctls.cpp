#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "cli/doctor/judge.hpp"

namespace keysluice::doctor {
namespace {

using Sysctls = std::map<std::string, std::int64_t, std::less<>>;

/// 0 where there is no such switch: IPv6 is off, or the device is just gone.
std::int64_t value_of(const Sysctls& sysctls, std::string_view key) {
    const auto found = sysctls.find(key);
    return found == sysctls.end() ? 0 : found->second;
}

/// For now and for later. sysctl(8) takes "/" as it takes ".", and names of devices may have a "." in them.
void set(std::vector<std::string>& remedy, std::string_view key, int value) {
    remedy.push_back(fmt::format("sysctl -w {}={}", key, value));
    remedy.push_back(fmt::format("echo '{} = {}' >> /etc/sysctl.d/90-keysluice.conf", key, value));
}

struct Switch {
    std::string_view check;
    std::string_view all;  ///< key
    std::string_view devices;
};

void judge_forwarding(const Facts& facts, const Switch& forwarding, const std::string& connection,
                      Findings& findings) {
    if (connection.empty()) {
        return;
    }
    Finding finding{forwarding.check, Verdict::ok, fmt::format("{} is on", forwarding.all), {}, {}};
    if (value_of(facts.sysctls, forwarding.all) == 0) {
        finding.verdict = Verdict::wrong;
        finding.found = fmt::format(
            "{} is 0, so nothing goes from the networks in local_ts of connection {} into the tunnel, or back",
            forwarding.all, connection);
        set(finding.remedy, forwarding.all, 1);
    }
    findings.push_back(std::move(finding));
}

/// The kernel takes the larger value of "all" and of the device (Documentation/networking/ip-sysctl.rst).
void judge_reverse_path(const Facts& facts, Findings& findings) {
    std::vector<std::string> strict;
    for (const DeviceFacts& device : facts.devices) {
        const auto own = value_of(facts.sysctls, fmt::format("net/ipv4/conf/{}/rp_filter", device.name));
        if (!device.loopback && std::max(own, value_of(facts.sysctls, "net/ipv4/conf/all/rp_filter")) == 1) {
            strict.push_back(device.name);
        }
    }
    Finding finding{"reverse-path", Verdict::ok, "no device filters by the strict reverse path", {}, {}};
    if (!strict.empty()) {
        finding.verdict = Verdict::warning;
        finding.found = fmt::format(
            "rp_filter is strict on {}: packets out of a tunnel are dropped where the route back to their source "
            "leads elsewhere",
            fmt::join(strict, ", "));
        set(finding.remedy, "net/ipv4/conf/all/rp_filter", 2);
    }
    findings.push_back(std::move(finding));
}

/// `all_off`: that "all" is 0 is enough for the kernel.
void judge_redirects(const Facts& facts, const Switch& redirects, bool all_off, std::string_view why,
                     Findings& findings) {
    const bool all = value_of(facts.sysctls, redirects.all) != 0;
    std::vector<std::string> on;
    Finding finding{redirects.check, Verdict::ok, fmt::format("{} is off", redirects.devices), {}, {}};
    if (all) {
        set(finding.remedy, redirects.all, 0);
    }
    for (const DeviceFacts& device : facts.devices) {
        const std::string key = fmt::format("net/ipv4/conf/{}/{}", device.name, redirects.devices);
        const bool own = value_of(facts.sysctls, key) != 0;
        if (device.loopback || !(all_off ? all && own : all || own)) {
            continue;
        }
        on.push_back(device.name);
        if (own && !all_off) {
            set(finding.remedy, key, 0);
        }
    }
    if (on.empty()) {
        finding.remedy.clear();
    } else {
        finding.verdict = Verdict::warning;
        finding.found = fmt::format("{} is on at {}: {}", redirects.devices, fmt::join(on, ", "), why);
    }
    findings.push_back(std::move(finding));
}

}  // namespace

void judge_sysctls(const Facts& facts, const Wants& wants, Findings& findings) {
    judge_forwarding(facts, {"forwarding-ipv4", "net/ipv4/ip_forward", {}}, wants.forwards_ipv4, findings);
    judge_forwarding(facts, {"forwarding-ipv6", "net/ipv6/conf/all/forwarding", {}}, wants.forwards_ipv6, findings);
    if (wants.tunnels) {
        const bool forwards = value_of(facts.sysctls, "net/ipv4/ip_forward") != 0;
        judge_reverse_path(facts, findings);
        judge_redirects(facts, {"redirects-accepted", "net/ipv4/conf/all/accept_redirects", "accept_redirects"},
                        forwards, "somebody in the same network can lead packets past the way to the peer", findings);
        if (forwards) {
            judge_redirects(facts, {"redirects-sent", "net/ipv4/conf/all/send_redirects", "send_redirects"}, false,
                            "hosts that send through the tunnel are told to go around it", findings);
        }
        if (value_of(facts.sysctls, "net/ipv4/ip_no_pmtu_disc") != 0) {
            Finding finding{
                "path-mtu",
                Verdict::warning,
                "the path MTU is not discovered, so large packets through a tunnel are fragmented or lost",
                {},
                {}};
            set(finding.remedy, "net/ipv4/ip_no_pmtu_disc", 0);
            findings.push_back(std::move(finding));
        }
    }
    if (wants.on_traffic) {
        const bool drops = value_of(facts.sysctls, "net/core/xfrm_larval_drop") != 0;
        findings.push_back({"first-packet",
                            Verdict::ok,
                            drops ? "the first packets of a connection with start = \"on-traffic\" are dropped; "
                                    "net.core.xfrm_larval_drop = 0 would hold them until the tunnel is there"
                                  : "packets wait until their tunnel is there",
                            {},
                            {}});
    }
}

}  // namespace keysluice::doctor
