#include "tls/server_name.hpp"

#include <doctest/doctest.h>

using namespace keysluice::tls;

TEST_CASE("a wildcard covers exactly one label") {
    CHECK(fits("shop.example", "shop.example"));
    CHECK_FALSE(fits("shop.example", "a.shop.example"));
    CHECK(fits("*.shop.example", "a.shop.example"));
    CHECK_FALSE(fits("*.shop.example", "shop.example"));
    CHECK_FALSE(fits("*.shop.example", "a.b.shop.example"));
    CHECK_FALSE(fits("*.shop.example", ".shop.example"));
    CHECK_FALSE(fits("*.shop.example", ""));
    CHECK_FALSE(fits("shop.example", ""));
    CHECK(wildcard_for("localhost").empty());
}

TEST_CASE("what may stand in a list of names") {
    for (const auto* good : {"shop.example", "*.shop.example", "*.example", "localhost", "xn--bcher-kva.example"}) {
        CHECK(is_name_pattern(good));
    }
    for (const auto* bad : {"", "*", "*.", "a.*.example", "f*.example", "*.*.example", ".example", "example.", "a..b",
                            "b\xc3\xbc"
                            "cher.example",
                            "a b"}) {
        CHECK_FALSE(is_name_pattern(bad));
    }
    CHECK_FALSE(is_name_pattern(std::string(254, 'a')));
}

TEST_CASE("letters of ASCII only have two cases") {
    CHECK(lower_case("ShoP.EXAMPLE-9_\xc3\x9c") == "shop.example-9_\xc3\x9c");
}
