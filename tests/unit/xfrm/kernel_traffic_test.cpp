#include <doctest/doctest.h>

#include <string>

#include "tests/support/protected_pair.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using namespace keysluice::test;

namespace {

SaState state_of(ProtectedEnd& end, const SaId& id) {
    auto state = end.kernel.sa(id);
    REQUIRE_MESSAGE(state, (state ? "" : state.error().sentence));
    return *std::move(state);
}

/// Both kinds of payload both ways; the SAs have counted it, and the kernel has noticed nothing that should not be.
void check_traffic(const Protection& protection) {
    ProtectedPair pair{protection};
    pair.protect();
    const auto small = key_of(3, 1000);
    const auto fragmented = key_of(4, 4000);
    const auto stream = key_of(5, 100'000);
    for (const auto& [from, to] : {std::pair(&pair.left, &pair.right), std::pair(&pair.right, &pair.left)}) {
        CHECK(send_datagram(*from, *to, small) == small);
        CHECK(send_datagram(*from, *to, fragmented) == fragmented);
        CHECK((send_stream(*from, *to, stream) == stream));

        const SaState sent = state_of(*from, from->sending);
        const SaState received = state_of(*to, from->sending);
        CHECK(sent.bytes > small.size() + fragmented.size() + stream.size());
        CHECK(sent.packets > 4);
        // A large segment counts as one packet and is cut into several.
        CHECK(sent.sent >= sent.packets);
        CHECK(received.bytes > small.size() + fragmented.size() + stream.size());
        CHECK(received.received >= received.packets);
        CHECK(received.integrity_failed == 0);
        CHECK(received.replayed == 0);
        CHECK(received.esn == protection.esn);
        CHECK(received.replay_window == protection.replay_window);
        CHECK(received.mode == protection.mode);
        CHECK(received.encapsulation.has_value() == protection.encapsulated);
        CHECK(received.used_at >= received.added_at);
        if (to->kernel.dialect().sa_direction) {
            CHECK(received.direction == Direction::in);
            CHECK(sent.direction == Direction::out);
            CHECK(sent.replay_window == 0);
        }
    }
    CHECK(pair.left.statistics().find("XfrmInError") == 0);
    CHECK(noticed(pair.left) == "");
    CHECK(noticed(pair.right) == "");
}

Algorithms chacha(std::uint8_t seed) {
    return Aead{.name = algorithms::kChaCha20Poly1305, .key = Secret<36>(key_of(seed, 36))};
}

Algorithms aes_ccm(std::uint8_t seed) {
    return Aead{.name = algorithms::kAesCcm, .key = Secret<36>(key_of(seed, 19))};
}

Algorithms aes_gcm_256(std::uint8_t seed) {
    return Aead{.name = algorithms::kAesGcm, .key = Secret<36>(key_of(seed, 36))};
}

Authentication hmac_sha256(std::uint8_t seed) {
    return {.name = algorithms::kHmacSha256, .key = Secret<64>(key_of(seed, 32)), .trunc_bits = 128};
}

Algorithms cbc_sha256(std::uint8_t seed) {
    return Classic{.cipher = {.name = algorithms::kAesCbc, .key = Secret<36>(key_of(seed, 16))},
                   .auth = hmac_sha256(seed)};
}

Algorithms ctr_xcbc(std::uint8_t seed) {
    return Classic{.cipher = {.name = algorithms::kAesCtr, .key = Secret<36>(key_of(seed, 36))},
                   .auth = {.name = algorithms::kAesXcbc, .key = Secret<64>(key_of(seed, 16)), .trunc_bits = 96}};
}

Algorithms null_sha512(std::uint8_t seed) {
    return Classic{.cipher = {.name = algorithms::kNullCipher, .key = {}},
                   .auth = {.name = algorithms::kHmacSha512, .key = Secret<64>(key_of(seed, 64)), .trunc_bits = 256}};
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("xfrm: tunnels carry datagrams and streams of either family over either family") {
        if (!kernel_has_esp()) {
            return;
        }
        for (const Family outer : {Family::ipv4, Family::ipv6}) {
            for (const Family inner : {Family::ipv4, Family::ipv6}) {
                CAPTURE(outer == Family::ipv6);
                CAPTURE(inner == Family::ipv6);
                check_traffic({.algorithms = aes_gcm, .outer = outer, .inner = inner});
            }
        }
    }

    TEST_CASE("xfrm: transport mode, both families, with and without ESN") {
        if (!kernel_has_esp()) {
            return;
        }
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            CAPTURE(family == Family::ipv6);
            check_traffic(
                {.algorithms = cbc_sha256, .mode = Mode::transport, .outer = family, .inner = family, .esn = true});
        }
        check_traffic({.algorithms = chacha, .mode = Mode::transport, .replay_window = 32});
    }

    TEST_CASE("xfrm: every algorithm, with the largest window") {
        if (!kernel_has_esp()) {
            return;
        }
        for (const auto algorithms : {chacha, aes_ccm, aes_gcm_256, cbc_sha256, ctr_xcbc, null_sha512}) {
            check_traffic({.algorithms = algorithms, .esn = true, .replay_window = 4096});
        }
    }

    TEST_CASE("xfrm: AH, which this program can install though IKE does not negotiate it") {
        if (kernel_has_esp()) {
            check_traffic({.algorithms = [](std::uint8_t seed) -> Algorithms { return hmac_sha256(seed); },
                           .mode = Mode::transport,
                           .protocol = Protocol::ah});
        }
    }

    TEST_CASE("xfrm: ESP in UDP comes in through a socket that bypasses the policies") {
        if (!kernel_has_esp()) {
            return;
        }
        check_traffic({.algorithms = aes_gcm, .encapsulated = true});
        check_traffic({.algorithms = cbc_sha256, .mode = Mode::transport, .esn = true, .encapsulated = true});
        check_traffic(
            {.algorithms = chacha, .outer = Family::ipv6, .inner = Family::ipv4, .esn = true, .encapsulated = true});
    }

    TEST_CASE("xfrm: a wrong key lets nothing through, and the SA counts it") {
        if (!kernel_has_esp()) {
            return;
        }
        ProtectedPair pair{{.algorithms = aes_gcm}};
        REQUIRE(pair.left.kernel.apply(pair.changes(pair.left)));
        REQUIRE(pair.right.kernel.apply(pair.changes(pair.right, [](Sa& sa) { sa.algorithms = aes_gcm(9); })));
        CHECK(send_datagram(pair.left, pair.right, key_of(1, 100), 300) == std::nullopt);
        CHECK(state_of(pair.right, pair.right.receiving).integrity_failed == 1);
        CHECK(noticed(pair.right) == "XfrmInStateProtoError ");
    }

    TEST_CASE("xfrm: without the other side's SA a policy holds packets back") {
        if (!kernel_has_esp()) {
            return;
        }
        ProtectedPair pair{{.algorithms = aes_gcm}};
        REQUIRE(pair.left.kernel.apply(pair.changes(pair.left)));
        CHECK(send_datagram(pair.left, pair.right, key_of(1, 100), 300) == std::nullopt);
        CHECK(noticed(pair.right) == "XfrmInNoStates ");
        // In the clear, what comes back meets a policy that wants protection.
        CHECK(send_datagram(pair.right, pair.left, key_of(1, 100), 300) == std::nullopt);
        CHECK(noticed(pair.left) == "XfrmInTmplMismatch ");
    }
}
