#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "include/keysluice/handoff.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/support/carried_pair.hpp"
#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"

using namespace keysluice;
using namespace keysluice::test;
using ktls::ContentType;
using ktls::Version;

namespace {

using Octets = std::vector<std::uint8_t>;

const Octets kCloseNotify{1, 0};
const Octets kTicket{4, 0, 0, 5, 1, 2, 3, 4, 5};
const Octets kKeyUpdate{24, 0, 0, 1, 0};

/// An application's socket, and a peer that is the test.
struct Given {
    explicit Given(Version version = Version::tls13) : peer(version) {
        socket.fd = peer.server();
        socket.tls13 = version == Version::tls13;
    }

    /// What keysluice_recv() says once something has come: a text, "end", or the name of an error.
    std::string receive() {
        wait_for(socket.fd);
        std::array<char, 100> buffer{};
        const ssize_t size = keysluice_recv(&socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
        return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size))
                        : (size == 0 ? "end" : strerrorname_np(errno));
    }
    /// Secrets of which the kernel has not got the keys: good for what comes before keys are changed.
    void have_secrets() { socket.secret_size = 32; }

    HandmadePeer peer;
    keysluice_socket socket{};
};

Octets both(Octets first, const Octets& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE_TEMPLATE("an application receives data, and close_notify is the end of file", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        Given given(V::version);
        given.peer.send_sealed(ContentType::handshake, kTicket);
        given.peer.send_sealed(ContentType::application_data, as_bytes("data"));
        CHECK(given.receive() == "data");
        given.peer.send_sealed(ContentType::alert, kCloseNotify);
        CHECK(given.receive() == "end");
        given.peer.send_fin();
        CHECK(given.receive() == "end");
    }

    TEST_CASE("a FIN without close_notify is no end of file, and neither is another alert") {
        if (!kernel_has_ktls()) {
            return;
        }
        Given cut_off;
        cut_off.peer.send_fin();
        CHECK(cut_off.receive() == "ECONNRESET");
        Given alerted;
        alerted.peer.send_sealed(ContentType::alert, Octets{2, 80});
        CHECK(alerted.receive() == "ECONNRESET");
        CHECK(keysluice_send(&alerted.socket, "x", 1, 0) == -1);
        CHECK(errno == EPIPE);
    }

    TEST_CASE("what has no place after the handshake is an error") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const Octets& message : {Octets{1, 0, 0, 1, 0}, Octets{13, 0, 0, 1, 0}, Octets{24, 0, 0, 1, 2},
                                      Octets{24, 0, 0, 2, 0, 0}, both(kTicket, Octets{20, 0, 0, 0})}) {
            Given given;
            given.have_secrets();
            given.peer.send_sealed(ContentType::handshake, message);
            CHECK(given.receive() == "EIO");
            CHECK(given.socket.closed == 1);
        }
    }

    TEST_CASE("a KeyUpdate is an error where keys can't be changed") {
        if (!kernel_has_ktls()) {
            return;
        }
        Given given;
        given.peer.send_sealed(ContentType::handshake, kKeyUpdate);
        CHECK(given.receive() == "EIO");
    }

    TEST_CASE("behind a KeyUpdate nothing may stand in its record") {
        if (!kernel_has_ktls()) {
            return;
        }
        if (!kernel_capabilities().rekeys_receiving) {
            MESSAGE("skipped: this kernel can't change keys; Linux 6.14 can");
            return;
        }
        Given alone;
        alone.have_secrets();
        alone.peer.send_sealed(ContentType::handshake, kKeyUpdate);
        CHECK(alone.receive() == "EAGAIN");
        Given followed;
        followed.have_secrets();
        followed.peer.send_sealed(ContentType::handshake, both(kKeyUpdate, kTicket));
        CHECK(followed.receive() == "EIO");
    }

    TEST_CASE("records that carry nothing, one after the other, are a flood") {
        if (!kernel_has_ktls()) {
            return;
        }
        Given given;
        for (int i = 0; i <= KEYSLUICE_MOST_IDLE_RECORDS; ++i) {
            given.peer.send_sealed(ContentType::handshake, kTicket);
        }
        CHECK(given.receive() == "ECONNRESET");
    }
}
