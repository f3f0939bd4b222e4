#include <doctest/doctest.h>

#include "tests/support/fake_surroundings.hpp"

using namespace keysluice;
using namespace keysluice::importer;

TEST_SUITE("import: kind") {
    TEST_CASE("by name") {
        const auto kind = [](const char* path) { return guess_kind(*source_of(path, "")).value(); };
        CHECK(kind("/etc/stunnel/stunnel.conf") == Kind::stunnel);
        CHECK(kind("/etc/swanctl/swanctl.conf") == Kind::swanctl);
        CHECK(kind("/etc/ipsec.conf") == Kind::ipsec);
        CHECK(kind("/etc/ipsec-tools.conf") == Kind::setkey);
        CHECK(kind("/etc/setkey.conf") == Kind::setkey);
    }

    TEST_CASE("by what stands in it") {
        const auto kind = [](const char* text) { return guess_kind(*source_of("/x", text)).value(); };
        CHECK(kind("; x\n[a]\naccept = 1\n") == Kind::stunnel);
        CHECK(kind("connections {\n}\n") == Kind::swanctl);
        CHECK(kind("conn a\n\tleft=1\n") == Kind::ipsec);
        CHECK(kind("spdflush;\n") == Kind::setkey);
        CHECK(kind("add 1.2.3.4 5.6.7.8 esp 1 -E null;\n") == Kind::setkey);
    }

    TEST_CASE("or not at all") {
        for (const char* text : {"", "hello\n", "conn a\nspdflush;\n"}) {
            const auto kind = guess_kind(*source_of("/x", text));
            REQUIRE(!kind);
            CHECK(kind.error().reason == "import-ambiguous");
        }
    }
}
