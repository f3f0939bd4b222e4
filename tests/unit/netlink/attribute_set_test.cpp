#include "netlink/attribute_set.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/hex.hpp"

using namespace keysluice;
using keysluice::testing::from_hex;
using keysluice::testing::to_hex;
using netlink::AttributeSet;

namespace {

constexpr auto kRules = std::to_array<netlink::AttributeRule>({{1, 4}, {2, 1}});

}  // namespace

TEST_CASE("attributes are found by their type, the later one of two") {
    const auto bytes = from_hex("08000100 01000000  05000200 aa000000  08000100 02000000  08000900 ffffffff");
    const auto set = AttributeSet::parse(bytes, kRules, "a message");
    REQUIRE(set);
    CHECK(set->get<std::uint32_t>(1) == 2);
    CHECK(to_hex(*set->find(2)) == "aa");
    CHECK(set->get<std::uint8_t>(2) == 0xaa);
    // Longer than the table promises is fine, shorter than the structure is nothing.
    CHECK(set->get<std::uint8_t>(1) == 2);
    CHECK_FALSE(set->get<std::uint64_t>(1));
    CHECK_FALSE(set->find(9));
    CHECK_FALSE(set->find(3));
    CHECK(AttributeSet::parse({}, kRules, "a message"));
}

TEST_CASE("an attribute that is too short spoils the set") {
    const auto set = AttributeSet::parse(from_hex("07000100 010000"), kRules, "a message");
    REQUIRE_FALSE(set);
    CHECK(set.error().reason == "netlink-malformed");
    CHECK(set.error().sentence == "attribute 1 of a message has 3 bytes, expected at least 4");
    CHECK_FALSE(AttributeSet::parse(from_hex("04000200"), kRules, "a message"));
}

TEST_CASE("bytes that are no attribute spoil the set") {
    const auto set = AttributeSet::parse(from_hex("08000100 01000000 0900"), kRules, "a message");
    REQUIRE_FALSE(set);
    CHECK(set.error().sentence == "a message ends with 2 bytes that are no attribute");
    CHECK_FALSE(AttributeSet::parse(from_hex("08000100 010000"), kRules, "a message"));
    CHECK_FALSE(AttributeSet::parse(from_hex("03000100"), kRules, "a message"));
}
