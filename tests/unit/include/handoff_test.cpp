#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "include/keysluice/handoff.h"

#include <doctest/doctest.h>

#include <algorithm>
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
    /// The same behind records without data, which may come a moment before.
    std::string receive_behind() {
        std::string what;
        do {
            what = receive();
        } while (what == "EAGAIN");
        return what;
    }
    /// Secrets of which the kernel has not got the keys: good for what comes before keys are changed.
    void have_secrets() { socket.secret_size = 32; }

    HandmadePeer peer;
    keysluice_socket socket{};
};

/// A peer that can change its keys, and an application's socket that knows their secrets: zeros, at first.
struct Changing : Given {
    Changing() { have_secrets(); }

    void change_keys(bool asking = false) {
        Octets update = kKeyUpdate;
        update.back() = asking ? 1 : 0;
        peer.send_sealed(ContentType::handshake, update);
        secret = ktls::after(secret).value();
        peer.sealer = RecordSealer(TestKeys::from(ktls::Cipher::aes128_gcm, secret));
    }

    ktls::TrafficSecret secret{std::array<std::uint8_t, 32>{}};
};

/// The application sends, and the peer takes it from the network.
void download(Given& given, std::size_t size) {
    const std::array<char, 8192> piece{};
    std::array<char, 65536> sink{};
    for (std::size_t sent = 0; sent < size; sent += piece.size()) {
        REQUIRE(keysluice_send(&given.socket, piece.data(), piece.size(), 0) == static_cast<ssize_t>(piece.size()));
        while (::recv(given.peer.pair.client.get(), sink.data(), sink.size(), MSG_DONTWAIT) > 0) {
        }
    }
}

/// Until the peer, who does not read, would have to.
void fill(Given& given) {
    const std::array<char, 8192> piece{};
    while (keysluice_send(&given.socket, piece.data(), piece.size(), MSG_DONTWAIT) > 0) {
    }
    REQUIRE(errno == EAGAIN);
}

void send_tickets(Given& given, int count) {
    for (int i = 0; i < count; ++i) {
        given.peer.send_sealed(ContentType::handshake, kTicket);
    }
}

/// An application's end of a channel, and ours.
struct Channel {
    Channel() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        application.reset(ends[0]);
        ours.reset(ends[1]);
    }
    int submit(const std::string& id) {
        return keysluice_submit_with(application.get(), application.get(), id.c_str(), MSG_DONTWAIT);
    }

    UniqueFd application;
    UniqueFd ours;
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
        if (!kernel_rekeys()) {
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
        send_tickets(given, KEYSLUICE_MOST_IDLE_RECORDS + 1);
        CHECK(given.receive_behind() == "ECONNRESET");
    }

    TEST_CASE("records that carry nothing come back with data, and not with an octet") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const bool much : {true, false}) {
            Given given;
            send_tickets(given, KEYSLUICE_MOST_IDLE_RECORDS);
            given.peer.send_sealed(ContentType::application_data, as_bytes("x"));
            CHECK(given.receive_behind() == "x");
            if (much) {
                download(given, KEYSLUICE_OCTETS_PER_IDLE_RECORD);
            }
            send_tickets(given, 1);
            given.peer.send_sealed(ContentType::application_data, as_bytes("y"));
            CHECK(given.receive_behind() == (much ? "y" : "ECONNRESET"));
        }
    }

    TEST_CASE("changes of keys with an octet in between each are a flood") {
        if (!kernel_rekeys()) {
            return;
        }
        Changing given;
        for (int i = 0; i < KEYSLUICE_MOST_IDLE_RECORDS; ++i) {
            given.change_keys();
            given.peer.send_sealed(ContentType::application_data, as_bytes("x"));
            REQUIRE(given.receive_behind() == "x");
        }
        given.change_keys();
        CHECK(given.receive() == "ECONNRESET");
    }

    TEST_CASE("who downloads may change keys for ever") {
        if (!kernel_rekeys()) {
            return;
        }
        Changing given;
        for (int i = 0; i < 3 * KEYSLUICE_MOST_IDLE_RECORDS; ++i) {
            given.change_keys();
            REQUIRE(given.receive() == "EAGAIN");
            download(given, KEYSLUICE_OCTETS_PER_IDLE_RECORD);
        }
        CHECK(given.socket.idle_records == 0);
    }

    TEST_CASE("a KeyUpdate that was asked for costs nothing, and only one") {
        if (!kernel_rekeys()) {
            return;
        }
        Changing given;
        for (int i = 0; i < 2 * KEYSLUICE_MOST_IDLE_RECORDS; ++i) {
            REQUIRE(keysluice_change_keys(&given.socket, 1) == 0);
            given.change_keys();
            REQUIRE(given.receive() == "EAGAIN");
        }
        CHECK(given.socket.idle_records == 0);
        given.change_keys();
        CHECK(given.receive() == "EAGAIN");
        CHECK(given.socket.idle_records == 1);
    }

    TEST_CASE("a KeyUpdate of a peer that does not read is answered later, and nobody waits") {
        if (!kernel_rekeys()) {
            return;
        }
        Changing given;
        fill(given);
        given.change_keys(true);
        CHECK(given.receive() == "EAGAIN");
        CHECK(given.socket.answer_due == 1);
        CHECK(keysluice_send(&given.socket, "x", 1, MSG_DONTWAIT) == -1);
        CHECK(errno == EAGAIN);
    }

    TEST_CASE("neither an alert nor the end waits for a peer that does not read") {
        if (!kernel_has_ktls()) {
            return;
        }
        Given given;
        fill(given);
        given.peer.send_sealed(ContentType::handshake, Octets{1, 0, 0, 1, 0});
        CHECK(given.receive() == "EIO");
        Given ended;
        fill(ended);
        ended.socket.fd = ::dup(ended.socket.fd);
        CHECK(keysluice_close(&ended.socket) == 0);
        CHECK(ended.socket.fd == -1);
    }
}

TEST_CASE("an id that would end the channel is not submitted") {
    Channel channel;
    for (const char* id : {"", "a\"b", "a\\b", "a\nb", "\xc3\xa9"}) {
        CHECK(channel.submit(id) == -1);
        CHECK(errno == EINVAL);
    }
    CHECK(channel.submit(std::string(65, 'x')) == -1);
    CHECK(errno == EINVAL);
    CHECK(channel.submit(std::string(64, 'x')) == 0);
    CHECK(channel.submit(" ~") == 0);
}

TEST_CASE("who submits need not wait for room") {
    Channel channel;
    int submitted = 0;
    while (submitted < 100'000 && channel.submit("7") == 0) {
        ++submitted;
    }
    CHECK(errno == EAGAIN);
    CHECK(submitted > 0);
}

TEST_CASE("a message that makes no sense leaves no secrets behind") {
    Channel channel;
    const std::string secret(43, 'B');
    const std::string told = R"({"receive_secret":")" + secret + R"(=","send_secret":")" + secret + R"(="})";
    REQUIRE(::send(channel.ours.get(), told.data(), told.size(), 0) == static_cast<ssize_t>(told.size()));
    keysluice_socket socket{};
    std::vector<char> message(KEYSLUICE_MESSAGE_SIZE);
    CHECK(keysluice_answer(channel.application.get(), &socket, message.data(), 0) == -1);
    CHECK(errno == EBADMSG);
    CHECK(socket.fd == -1);
    CHECK(std::ranges::count(socket.receive_secret, 0) == 48);
    CHECK(std::ranges::count(socket.send_secret, 0) == 48);
    CHECK(std::string(message.data()).find('B') == std::string::npos);
}
