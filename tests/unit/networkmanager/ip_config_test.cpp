#include "dbus/networkmanager/ip_config.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstring>

using namespace keysluice;
using namespace keysluice::networkmanager;

namespace {

const Standing kWithout{.gateway = "192.0.2.2", .interface = {}, .addresses = {}, .dns = {}, .domains = {}};
const Standing kWith{.gateway = "2001:db8::2",
                     .interface = "nm-1ba5e8c4",
                     .addresses = {"10.9.0.5", "fd00:9::5"},
                     .dns = {"10.1.0.53", "10.1.0.54", "fd00:1::53"},
                     .domains = {"corp.example"}};

std::array<std::uint8_t, 4> octets_of(std::uint32_t number) {
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &number, sizeof(number));
    return octets;
}

template <typename Value>
Value at(const bus::Dictionary& config, const char* key) {
    REQUIRE(config.contains(key));
    return config.at(key).get<Value>();
}

}  // namespace

TEST_SUITE("networkmanager: IP configuration") {
    TEST_CASE("a tunnel without an address has no device") {
        const bus::Dictionary config = config_for(kWithout);
        CHECK(at<std::string>(config, "tundev") == "_none_");
        CHECK(octets_of(at<std::uint32_t>(config, "gateway")) == std::array<std::uint8_t, 4>{192, 0, 2, 2});
        CHECK_FALSE(at<bool>(config, "has-ip4"));
        CHECK_FALSE(at<bool>(config, "has-ip6"));
        CHECK_FALSE(ip_config_for(kWithout, Family::ipv4));
        CHECK_FALSE(ip_config_for(kWithout, Family::ipv6));
        Standing behind = kWithout;
        behind.interface = "ks-office";  // configured by its administrator
        CHECK(at<std::string>(config_for(behind), "tundev") == "_none_");
    }

    TEST_CASE("one with addresses of both families, and the resolvers of each") {
        const bus::Dictionary config = config_for(kWith);
        CHECK(at<std::string>(config, "tundev") == "nm-1ba5e8c4");
        CHECK(at<std::vector<std::uint8_t>>(config, "gateway").size() == 16);
        CHECK(at<bool>(config, "has-ip4"));
        CHECK(at<bool>(config, "has-ip6"));
        const auto ipv4 = ip_config_for(kWith, Family::ipv4);
        REQUIRE(ipv4);
        CHECK(octets_of(at<std::uint32_t>(*ipv4, "address")) == std::array<std::uint8_t, 4>{10, 9, 0, 5});
        CHECK(at<std::uint32_t>(*ipv4, "prefix") == 32);
        CHECK(at<std::vector<std::uint32_t>>(*ipv4, "dns").size() == 2);
        CHECK(at<std::vector<std::string>>(*ipv4, "domains") == std::vector<std::string>{"corp.example"});
        CHECK(at<bool>(*ipv4, "never-default"));
        const auto ipv6 = ip_config_for(kWith, Family::ipv6);
        REQUIRE(ipv6);
        CHECK(at<std::vector<std::uint8_t>>(*ipv6, "address").back() == 5);
        CHECK(at<std::uint32_t>(*ipv6, "prefix") == 128);
        CHECK(at<std::vector<std::vector<std::uint8_t>>>(*ipv6, "dns").size() == 1);
    }
}
