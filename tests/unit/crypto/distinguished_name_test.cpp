#include "crypto/distinguished_name.hpp"

#include <doctest/doctest.h>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using keysluice::testing::from_hex;

TEST_SUITE_BEGIN("distinguished names");

TEST_CASE("a name as text and as octets") {
    // C=DE and CN=gw, both PrintableStrings
    const auto der = from_hex("301a 310b 3009 0603 550406 1302 4445 310b 3009 0603 550403 1302 6777");
    CHECK(parse_name("C=DE, CN=gw").value() == der);
    CHECK(parse_name("  C = DE,CN=gw ").value() == der);
    CHECK(print_name(der) == "C=DE, CN=gw");
    CHECK(print_name(parse_name("CN=a\\,b, O=Grün").value()) == "CN=a\\,b, O=Gr\\C3\\BCn");
    CHECK(print_name(parse_name("E=joe@a.example").value()) == "emailAddress=joe@a.example");
}

TEST_CASE("neither case nor the kind of string matters, the order does") {
    const auto printable = parse_name("CN=gw").value();
    const auto utf8 = from_hex("300d 310b 3009 0603 550403 0c02 4757");  // GW
    CHECK(same_name(printable, utf8));
    CHECK_FALSE(same_name(printable, parse_name("CN=gw2").value()));
    CHECK_FALSE(same_name(parse_name("C=DE, CN=gw").value(), parse_name("CN=gw, C=DE").value()));
}

TEST_CASE("what is no name") {
    for (const std::string_view text : {"CN", "CN=", "=gw", "NOSUCHTHING=gw", "CN=gw,"}) {
        CAPTURE(text);
        const auto name = parse_name(text);
        REQUIRE_FALSE(name);
        CHECK(name.error().reason == "identity-syntax");
    }
    auto der = parse_name("CN=gw").value();
    der.push_back(0);
    CHECK(print_name(der).empty());
    CHECK_FALSE(same_name(der, der));
    CHECK(print_name({}).empty());
}

TEST_SUITE_END();
