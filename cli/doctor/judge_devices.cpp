#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/doctor/judge.hpp"

namespace keysluice::doctor {
namespace {

constexpr std::uint32_t kLeastIpv6Mtu = 1280;

struct DeviceList {
    std::vector<std::string> on;
    std::vector<std::string> off;  ///< it can be switched on
};
DeviceList sort_out(const std::vector<DeviceFacts>& devices, Feature DeviceFacts::* feature) {
    DeviceList list;
    for (const DeviceFacts& device : devices) {
        if (device.*feature == Feature::on) {
            list.on.push_back(device.name);
        } else if (device.*feature == Feature::off) {
            list.off.push_back(device.name);
        }
    }
    return list;
}

std::vector<std::string> switch_on(const std::vector<std::string>& devices, std::string_view feature) {
    std::vector<std::string> lines;
    lines.reserve(devices.size());
    for (const std::string& name : devices) {
        lines.push_back(fmt::format("ethtool -K {} {} on", name, feature));
    }
    return lines;
}

void judge_esp_offload(const Facts& facts, const Wants& wants, Findings& findings) {
    if (wants.offloads.empty()) {
        return;
    }
    const DeviceList esp = sort_out(facts.devices, &DeviceFacts::esp);
    for (const Wants::Offload& each : wants.offloads) {
        if (each.wanted == ike::Offload::automatic || !esp.on.empty()) {
            continue;
        }
        const auto word = control::kEspOffloadNames.at(static_cast<std::size_t>(each.wanted));
        findings.push_back(
            {"device-esp", Verdict::wrong,
             fmt::format("child {} demands offload = \"{}\", and no network device here {}", each.child, word,
                         esp.off.empty() ? "has esp-hw-offload" : "has esp-hw-offload on"),
             esp.off.empty() ? std::vector<std::string>{"offload = \"auto\"   # in the child: takes what there is"}
                             : switch_on(esp.off, "esp-hw-offload"),
             "offload-declined"});
    }
    if (!esp.off.empty()) {
        findings.push_back(
            {"device-esp",
             Verdict::warning,
             fmt::format("{} could take over ESP, and esp-hw-offload is off", fmt::join(esp.off, ", ")),
             switch_on(esp.off, "esp-hw-offload"),
             {}});
    } else {
        findings.push_back({"device-esp",
                            Verdict::ok,
                            esp.on.empty() ? "no network device takes over ESP: the kernel does it"
                                           : fmt::format("{} can take over ESP", fmt::join(esp.on, ", ")),
                            {},
                            {}});
    }
    const DeviceList checksums = sort_out(facts.devices, &DeviceFacts::esp_checksum);
    if (!checksums.off.empty()) {
        findings.push_back({"device-esp-checksum",
                            Verdict::warning,
                            fmt::format("{} could compute checksums inside ESP, and esp-tx-csum-hw-offload is off",
                                        fmt::join(checksums.off, ", ")),
                            switch_on(checksums.off, "esp-tx-csum-hw-offload"),
                            {}});
    }
}

void judge_tls_offload(const Facts& facts, Feature DeviceFacts::* feature, std::string_view name,
                       Findings& findings) {
    const DeviceList list = sort_out(facts.devices, feature);
    if (!list.off.empty()) {
        findings.push_back(
            {"device-tls",
             Verdict::warning,
             fmt::format("{} could take over the records of TLS, and {} is off", fmt::join(list.off, ", "), name),
             switch_on(list.off, name),
             {}});
    } else {
        findings.push_back({"device-tls",
                            Verdict::ok,
                            list.on.empty() ? fmt::format("no network device has {}: the kernel does it", name)
                                            : fmt::format("{} has {}", fmt::join(list.on, ", "), name),
                            {},
                            {}});
    }
}

}  // namespace

void judge_devices(const Facts& facts, const Wants& wants, Findings& findings) {
    judge_esp_offload(facts, wants, findings);
    if (wants.tls_kernel) {
        judge_tls_offload(facts, &DeviceFacts::tls_sending, "tls-hw-tx-offload", findings);
        judge_tls_offload(facts, &DeviceFacts::tls_receiving, "tls-hw-rx-offload", findings);
    }
    for (const DeviceFacts& device : facts.devices) {
        if (device.up && !device.loopback && device.mtu < kLeastIpv6Mtu) {
            findings.push_back({"mtu",
                                Verdict::warning,
                                fmt::format("{} has an MTU of {}: IPv6 needs {}, and tunnels leave less", device.name,
                                            device.mtu, kLeastIpv6Mtu),
                                {fmt::format("ip link set dev {} mtu 1500", device.name)},
                                {}});
        }
    }
}

}  // namespace keysluice::doctor
