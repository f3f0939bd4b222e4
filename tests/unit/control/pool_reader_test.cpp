#include "daemon/control/pool_reader.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "daemon/control/configuration.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

constexpr std::string_view kConnection = R"(
[[ike.connection]]
name = "laptops"
local = "192.0.2.1"
psk = "file:/etc/keysluice/hq.psk"
{}
[[ike.connection.child]]
name = "net"
local_ts = ["10.2.0.0/16"]
{}
)";

ConfigurationResult parse(std::string_view rest, std::string_view keys = "", std::string_view of_child = "") {
    return parse_configuration(fmt::format("{}{}", rest, fmt::format(kConnection, keys, of_child)), "test.toml", "");
}

void refused(const ConfigurationResult& result, std::string_view reason, std::string_view words) {
    REQUIRE_FALSE(result);
    CAPTURE(result.error().front().sentence);
    CHECK(result.error().front().reason == reason);
    CHECK(result.error().front().sentence.contains(words));
}

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

constexpr std::string_view kPools = R"(
[[ike.pool]]
name = "v4"
addresses = "10.9.0.0/24"
dns = ["10.2.0.53"]
domains = ["corp.example"]
subnets = ["10.2.0.0/16"]
[[ike.pool]]
name = "v6"
addresses = "fd00:9::/64"
)";

}  // namespace

TEST_CASE("pools: a connection has those that it names, wherever they stand") {
    const auto read = parse(kPools, "pools = [\"v6\", \"v4\"]");
    REQUIRE_MESSAGE(read, (read ? "" : read.error().front().sentence));
    const auto& pools = read->ike.connections.front().rules->pools;
    REQUIRE(pools.size() == 2);
    CHECK(pools[0]->first == address("fd00:9::1"));
    CHECK(pools[0]->last == address("fd00:9::ffff:ffff:ffff:ffff"));
    CHECK(pools[1]->first == address("10.9.0.1"));
    CHECK(pools[1]->last == address("10.9.0.254"));
    CHECK(pools[1]->dns == std::vector{address("10.2.0.53")});
    CHECK(pools[1]->domains == std::vector<std::string>{"corp.example"});
    CHECK(pools[1]->subnets == std::vector{*Prefix::parse("10.2.0.0/16")});
}

TEST_CASE("pools: ranges, and prefixes so small that each address is a host's") {
    const auto range_of = [](std::string_view text) {
        const auto read = parse(fmt::format("[[ike.pool]]\nname = \"p\"\naddresses = \"{}\"\n", text));
        REQUIRE_MESSAGE(read, (read ? "" : read.error().front().sentence));
        const ike::AddressPool& pool = *read->ike.pools.front().rules;
        return fmt::format("{}-{}", pool.first.text(), pool.last.text());
    };
    CHECK(range_of("10.9.0.10-10.9.0.99") == "10.9.0.10-10.9.0.99");
    CHECK(range_of("10.9.0.0/30") == "10.9.0.1-10.9.0.2");
    CHECK(range_of("10.9.0.0/31") == "10.9.0.0-10.9.0.1");
    CHECK(range_of("10.9.0.7") == "10.9.0.7-10.9.0.7");
    CHECK(range_of("fd00::/127") == "fd00::-fd00::1");
    CHECK(range_of("fd00::/126") == "fd00::1-fd00::3");
}

TEST_CASE("pools: what is wrong with one") {
    for (const char* text : {"10.9.0.1/24", "10.9.0.9-10.9.0.1", "10.9.0.1-fd00::1", "many", "10.9.0.1-"}) {
        refused(parse(fmt::format("[[ike.pool]]\nname = \"p\"\naddresses = \"{}\"\n", text)), "bad-address",
                "expected a prefix such as");
    }
    refused(parse("[[ike.pool]]\nname = \"p\"\n"), "key-missing", "addresses");
    refused(parse("[[ike.pool]]\naddresses = \"10.9.0.0/24\"\n"), "key-missing", "name");
    const std::string pool = "[[ike.pool]]\nname = \"p\"\naddresses = \"10.9.0.0/24\"\n";
    refused(parse(pool + "dns = [\"0.0.0.0\"]\n"), "bad-address", "dns: \"0.0.0.0\": expected an address");
    refused(parse(pool + "dns = [\"10.2.0.53\"]\ndomains = [\"a b\"]\n"), "bad-address", "expected a domain");
    refused(parse(pool + "subnets = [\"10.2.0.1/16\"]\n"), "bad-address", "expected a prefix");
    refused(parse(pool + "domains = [\"corp.example\"]\n"), "key-missing", "which server");
    refused(parse(pool + pool), "duplicate-name", "a pool with the name \"p\" stands already at test.toml:1");
    refused(parse(pool + "[[ike.pool]]\nname = \"q\"\naddresses = \"10.8.0.0-10.9.0.1\"\n"), "duplicate-addresses",
            "pool \"q\" has addresses that pool \"p\" at test.toml:1");
    refused(parse(pool, "pools = [\"P\"]"), "unknown-pool", "there is no [[ike.pool]] with the name \"P\"");
}

TEST_CASE("pools: virtual addresses to ask for") {
    const auto read = parse("", "virtual_addresses = [\"0.0.0.0\", \"fd00:9::7\"]");
    REQUIRE(read);
    CHECK(read->ike.connections.front().rules->virtual_addresses ==
          std::vector{address("0.0.0.0"), address("fd00:9::7")});
    refused(parse("", "virtual_addresses = [\"any\"]"), "bad-address", "an address to ask for");
    refused(parse("", "virtual_addresses = [\"::\"]", "mode = \"transport\""), "mode-refused",
            "virtual_addresses: a");
    refused(parse(kPools, "pools = [\"v4\"]", "mode = \"transport\""), "mode-refused", "pools: a child");
}
