#include "ktls/loopback.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::ktls;
using namespace keysluice::test;

TEST_CASE("a connection over the loopback interface, or the advice to bring it up") {
    const NetworkNamespace there;
    const auto pair = there.run([] { return connect_loopback(); });
    REQUIRE(pair);
    CHECK(pair->client);
    CHECK(pair->server);
    there.shell("ip link set lo down");
    const auto down = there.run([] { return connect_loopback(); });
    REQUIRE_FALSE(down);
    CHECK(down.error().reason == "loopback-unavailable");
    CHECK(down.error().sentence.contains("is `lo` up?"));
}
