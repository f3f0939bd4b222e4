#include "ike/connection.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace keysluice;
using namespace keysluice::ike;

namespace {

wire::Identity id(std::string_view text) {
    return parse_identity(text).value();
}

std::string_view key_of(const SharedKeys& keys, std::string_view peer) {
    const SharedKey* found = keys.find(id(peer));
    return found == nullptr ? "none" : as_text(found->expose());
}

}  // namespace

TEST_CASE("each peer has its own key, names in any case") {
    SharedKeys keys;
    for (int i = 0; i < 1000; ++i) {
        keys.set(id(fmt::format("gw{}.example", i)), SharedKey(as_bytes(fmt::format("key {}", i))));
    }
    keys.set(id("keyid:Road"), SharedKey(as_bytes("a road's")));
    CHECK(key_of(keys, "gw7.example") == "key 7");
    CHECK(key_of(keys, "GW999.Example") == "key 999");
    CHECK(key_of(keys, "keyid:Road") == "a road's");
    CHECK(key_of(keys, "keyid:road") == "none");
    CHECK(key_of(keys, "gw1000.example") == "none");
}

TEST_CASE("the key for all is for those who have none of their own; the first key of a peer holds") {
    SharedKeys keys;
    keys.set_for_all(SharedKey(as_bytes("all")));
    keys.set(id("gw.example"), SharedKey(as_bytes("first")));
    keys.set(id("GW.example"), SharedKey(as_bytes("second")));
    CHECK(key_of(keys, "gw.example") == "first");
    CHECK(key_of(keys, "gw@example") == "all");
}

TEST_CASE("pauses between attempts grow up to the longest") {
    using namespace std::chrono_literals;
    using enum RetryPauses::Growth;
    const auto all = [](const RetryPauses& pauses) {
        std::string text;
        Duration pause{};
        for (int i = 0; i < 7; ++i) {
            pause = pauses.after(pause);
            text += fmt::format("{} ", std::chrono::duration_cast<std::chrono::seconds>(pause).count());
        }
        return text;
    };
    CHECK(all({}) == "2 4 8 16 32 60 60 ");
    CHECK(all({.first = 5s, .most = 30s, .growth = linear}) == "5 10 15 20 25 30 30 ");
    CHECK(all({.first = 10s, .most = 10s, .growth = exponential}) == "10 10 10 10 10 10 10 ");
}
