#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "cli/doctor/look.hpp"

namespace keysluice::doctor {
namespace {

/// The kernel has some 60 features.
constexpr std::uint32_t kMostFeatures = 1024;

/// SIOCETHTOOL for one device.
class Ethtool {
   public:
    Ethtool(int socket, std::string_view device) : socket_(socket), device_(device) {}

    /// Of the features, in their order; empty where the device tells none.
    [[nodiscard]] std::vector<std::string> names() const {
        const ethtool_sset_info question{
            .cmd = ETHTOOL_GSSET_INFO, .reserved = 0, .sset_mask = 1ULL << ETH_SS_FEATURES};
        std::uint32_t size = 0;
        if (const auto answer = ask(question, sizeof(size)); !answer.empty()) {
            std::memcpy(&size, answer.data(), sizeof(size));
        }
        const ethtool_gstrings wanted{.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = size};
        const auto texts =
            size > kMostFeatures ? std::vector<char>{} : ask(wanted, std::size_t{size} * ETH_GSTRING_LEN);
        std::vector<std::string> names;
        for (std::size_t at = 0; at + ETH_GSTRING_LEN <= texts.size(); at += ETH_GSTRING_LEN) {
            names.emplace_back(texts.data() + at, strnlen(texts.data() + at, ETH_GSTRING_LEN));
        }
        return names;
    }

    [[nodiscard]] std::vector<ethtool_get_features_block> blocks(std::size_t features) const {
        std::vector<ethtool_get_features_block> blocks((features + 31) / 32);
        // An ethtool_gfeatures, which ends in an array of no elements: C++ knows none.
        const std::array question{std::uint32_t{ETHTOOL_GFEATURES}, static_cast<std::uint32_t>(blocks.size())};
        const auto answer = ask(question, blocks.size() * sizeof(ethtool_get_features_block));
        if (answer.empty()) {
            return {};
        }
        std::memcpy(blocks.data(), answer.data(), answer.size());
        return blocks;
    }

   private:
    /// What the kernel writes behind the question's fixed part, so many bytes; empty where it refuses.
    template <typename Question>
    [[nodiscard]] std::vector<char> ask(const Question& question, std::size_t size) const {
        std::vector<char> bytes(sizeof(question) + size);
        std::memcpy(bytes.data(), &question, sizeof(question));
        ifreq request{};
        std::ranges::copy(device_.substr(0, IF_NAMESIZE - 1), std::begin(request.ifr_name));
        request.ifr_data = bytes.data();
        if (ioctl(socket_, SIOCETHTOOL, &request) != 0) {
            return {};
        }
        bytes.erase(bytes.begin(), bytes.begin() + sizeof(question));
        return bytes;
    }

    int socket_;
    std::string_view device_;
};

Feature feature_in(const ethtool_get_features_block& block, std::uint32_t bit) {
    if ((block.active & bit) != 0) {
        return Feature::on;
    }
    if ((block.available & bit) == 0) {
        return Feature::missing;
    }
    return (block.never_changed & bit) != 0 ? Feature::locked : Feature::off;
}

void look_at_features(const Ethtool& ethtool, DeviceFacts& device) {
    const std::vector<std::string> names = ethtool.names();
    const auto blocks = ethtool.blocks(names.size());
    const std::array<std::pair<std::string_view, Feature*>, 4> wanted{
        std::pair{"esp-hw-offload", &device.esp}, std::pair{"esp-tx-csum-hw-offload", &device.esp_checksum},
        std::pair{"tls-hw-tx-offload", &device.tls_sending}, std::pair{"tls-hw-rx-offload", &device.tls_receiving}};
    for (const auto& [name, feature] : wanted) {
        const auto place = static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
        if (place / 32 < blocks.size() && place < names.size()) {
            *feature = feature_in(blocks[place / 32], std::uint32_t{1} << (place % 32));
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
        look_at_features(Ethtool(socket.get(), device.name), device);
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
