#include "netlink/features.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;

TEST_SUITE_BEGIN("features");

TEST_CASE("features of a device, by their names") {
    const test::NetworkNamespace there;
    there.shell("ip link add one type veth peer name other");
    static constexpr std::array<std::string_view, 4> kNames{"tx-checksum-ip-generic", kEspFeature, "rx-gro-list",
                                                            "nonsense"};
    const auto features = there.run([] { return features_of("one", kNames); });
    REQUIRE(features);
    CHECK(*features == std::vector{Feature::on, Feature::missing, Feature::off, Feature::missing});
    CHECK_FALSE(there.run([] { return features_of("none", kNames); }));
    CHECK_FALSE(there.run([] { return features_of("", kNames); }));
}

TEST_SUITE_END();
