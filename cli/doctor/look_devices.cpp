#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "cli/doctor/look.hpp"
#include "netlink/features.hpp"

namespace keysluice::doctor {
namespace {

void look_at_features(DeviceFacts& device) {
    static constexpr std::array<std::string_view, 4> kNames{netlink::kEspFeature, "esp-tx-csum-hw-offload",
                                                            "tls-hw-tx-offload", "tls-hw-rx-offload"};
    const std::array<Feature*, kNames.size()> places{&device.esp, &device.esp_checksum, &device.tls_sending,
                                                     &device.tls_receiving};
    if (const auto features = netlink::features_of(device.name, kNames)) {
        for (std::size_t i = 0; i < places.size(); ++i) {
            *places[i] = (*features)[i];
        }
    }
}

}  // namespace

std::vector<DeviceFacts> look_at_devices() {
    std::vector<DeviceFacts> devices;
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const std::unique_ptr<struct if_nameindex, decltype(&if_freenameindex)> all(if_nameindex(), &if_freenameindex);
    for (const struct if_nameindex* each = all.get(); each != nullptr && each->if_index != 0; ++each) {
        DeviceFacts device{.name = each->if_name};
        ifreq request{};
        std::ranges::copy(device.name, std::begin(request.ifr_name));
        if (ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) {
            continue;  // it has just gone
        }
        device.up = (request.ifr_flags & IFF_UP) != 0;
        device.loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
        if (ioctl(socket.get(), SIOCGIFMTU, &request) == 0) {
            device.mtu = static_cast<std::uint32_t>(request.ifr_mtu);
        }
        look_at_features(device);
        devices.push_back(std::move(device));
    }
    return devices;
}

std::map<std::string, std::int64_t, std::less<>> look_at_sysctls(const std::vector<DeviceFacts>& devices) {
    std::vector<std::string> keys{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/ip_no_pmtu_disc",
                                  "net/core/xfrm_larval_drop"};
    const auto add = [&keys](std::string_view device) {
        for (const char* key : {"rp_filter", "accept_redirects", "send_redirects"}) {
            keys.push_back(fmt::format("net/ipv4/conf/{}/{}", device, key));
        }
    };
    add("all");
    for (const DeviceFacts& device : devices) {
        add(device.name);
    }
    std::map<std::string, std::int64_t, std::less<>> values;
    for (const std::string& key : keys) {
        std::ifstream stream("/proc/sys/" + key);
        if (std::int64_t value = 0; stream >> value) {
            values.emplace(key, value);
        }
    }
    return values;
}

}  // namespace keysluice::doctor
