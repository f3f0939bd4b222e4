#include "netlink/features.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "base/unique_fd.hpp"

namespace keysluice::netlink {
namespace {

/// The kernel has some 60 features.
constexpr std::uint32_t kMostFeatures = 1024;

/// SIOCETHTOOL for one device.
class Ethtool {
   public:
    explicit Ethtool(std::string_view device)
        : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), device_(device) {}

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
        if (ioctl(socket_.get(), SIOCETHTOOL, &request) != 0) {
            return {};
        }
        bytes.erase(bytes.begin(), bytes.begin() + sizeof(question));
        return bytes;
    }

    UniqueFd socket_;
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

}  // namespace

std::optional<std::vector<Feature>> features_of(std::string_view device, std::span<const std::string_view> names) {
    const Ethtool ethtool(device);
    const std::vector<std::string> all = ethtool.names();
    const auto blocks = ethtool.blocks(all.size());
    if (blocks.empty()) {
        return std::nullopt;
    }
    std::vector<Feature> features;
    for (const std::string_view name : names) {
        const auto place = static_cast<std::size_t>(std::ranges::find(all, name) - all.begin());
        features.push_back(place == all.size() ? Feature::missing
                                               : feature_in(blocks[place / 32], std::uint32_t{1} << (place % 32)));
    }
    return features;
}

}  // namespace keysluice::netlink
