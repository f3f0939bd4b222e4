#include "base/hex.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "base/secret_buffer.hpp"

using namespace keysluice;

TEST_SUITE("hex") {
    TEST_CASE("two digits for each octet, large or small, and back in small ones") {
        std::array<std::uint8_t, 4> octets{};
        REQUIRE(read_hex("00fFA97e", octets));
        std::string text;
        append_hex(text, octets);
        CHECK(text == "00ffa97e");
        SecretBuffer secret;
        append_hex(secret, octets);
        CHECK(as_text(secret) == text);
        CHECK(read_hex("", {}));
    }

    TEST_CASE("anything else is refused") {
        std::array<std::uint8_t, 2> octets{};
        for (const char* wrong : {"", "000", "00000", "000g", "g000", "00 0", "0x00", "/:@G", "`{00"}) {
            CAPTURE(wrong);
            CHECK(!read_hex(wrong, octets));
        }
    }
}
