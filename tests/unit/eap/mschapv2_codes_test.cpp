#include "eap/mschapv2_codes.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::eap;
using keysluice::testing::from_hex;
using keysluice::testing::to_hex;

namespace {

/// RFC 2759 section 9.2.
struct Vector {
    Vector() {
        std::ranges::copy(from_hex("5B5D7C7D7B3F2F3E3C2C602132262628"), known.server.begin());
        std::ranges::copy(from_hex("21402324255E262A28295F2B3A337C7E"), known.peer.begin());
        std::ranges::copy(from_hex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"), known.response.begin());
    }
    crypto::LegacyAlgorithms legacy;
    Exchanged known;
    NtHash hash = nt_hash(legacy, as_bytes("clientPass")).value();
};

std::string hash_of(std::string_view password) {
    crypto::LegacyAlgorithms legacy;
    const auto hash = nt_hash(legacy, as_bytes(password));
    return hash ? to_hex(hash->expose()) : std::string(hash.error().reason);
}

}  // namespace

TEST_SUITE("eap: codes of MS-CHAP-V2") {
    TEST_CASE_FIXTURE(Vector, "RFC 2759 section 9.2") {
        CHECK(to_hex(hash.expose()) == "44ebba8d5312b8d611474411f56989ae");
        CHECK(nt_response(legacy, hash, known, "User") == known.response);
        CHECK(nt_response(legacy, hash, known, "DOMAIN\\User") == known.response);
        CHECK(nt_response(legacy, hash, known, "user") != known.response);
        CHECK(authenticator_response(legacy, hash, known, "User") == "S=407A5589115FD0D6209F510FE9C04566932CDA56");
    }

    TEST_CASE_FIXTURE(Vector, "RFC 3079 section 3.5.3") {
        const auto msk = msk_of(legacy, hash, known.response);
        REQUIRE(msk);
        // There the server's key for sending is told; the other one is for the other direction.
        CHECK(to_hex(msk->expose().subspan(16, 16)) == "8b7cdc149b993a1ba118cb153f56dccb");
        CHECK(to_hex(msk->expose().first(16)) != to_hex(msk->expose().subspan(16, 16)));
        CHECK(to_hex(msk->expose().subspan(32)) == std::string(64, '0'));
    }

    TEST_CASE("passwords beyond ASCII are UTF-16, and what is no UTF-8 is refused") {
        crypto::LegacyAlgorithms legacy;
        CHECK(hash_of("") == to_hex(legacy.md4({})->expose()));
        CHECK(hash_of("\xC3\xA4\xE2\x82\xAC") == to_hex(legacy.md4(from_hex("e400ac20"))->expose()));
        CHECK(hash_of("\xF0\x9F\x98\x80") == to_hex(legacy.md4(from_hex("3dd800de"))->expose()));
        for (const char* wrong : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                                  "\xF4\x90\x80\x80", "\xFF", "a\xC3"}) {
            CHECK(hash_of(wrong) == "password-encoding");
        }
    }
}
