#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "ktls/alert.hpp"
#include "ktls/record.hpp"
#include "ktls/statistics.hpp"
#include "tests/support/carried_pair.hpp"
#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"

using namespace keysluice;
using namespace keysluice::ktls;
using namespace keysluice::test;
using ktls::Record;

TEST_SUITE("kernel") {
    TEST_CASE("data, then an alert, then the end, in this order and both ways") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const Version version : kVersions) {
            const TcpPair pair = carried_pair(version, Cipher::aes128_gcm);
            const std::array<std::array<int, 2>, 2> ways{
                {{pair.client.get(), pair.server.get()}, {pair.server.get(), pair.client.get()}}};
            for (const auto [from, to] : ways) {
                REQUIRE(::send(from, "last words", 10, 0) == 10);
                send_alert(from, AlertDescription::close_notify);
                ::shutdown(from, SHUT_WR);
                Reading reading{to};
                wait_for(to);
                CHECK(reading.next() == Record{Data{10}});
                CHECK(as_text(reading.bytes(10)) == "last words");
                CHECK(reading.next() == Record{Control{ContentType::alert, 2}});
                CHECK(parse_alert(reading.bytes(2)).value().description == AlertDescription::close_notify);
                CHECK(reading.next() == Record{EndOfStream{}});
            }
        }
    }

    TEST_CASE("an alert waits for room and then goes out once") {
        if (!kernel_has_ktls()) {
            return;
        }
        const TcpPair pair = carried_pair(Version::tls13, Cipher::chacha20_poly1305);
        const std::array<std::uint8_t, 16384> bulk{};
        std::size_t queued = 0;
        for (ssize_t sent = 0; sent >= 0; sent = ::send(pair.client.get(), bulk.data(), bulk.size(), MSG_DONTWAIT)) {
            queued += static_cast<std::size_t>(sent);
        }
        const auto alert = encode_alert(AlertDescription::close_notify);
        CHECK(send_control(pair.client.get(), ContentType::alert, alert).value() == Sent::would_block);

        Reading reading{pair.server.get()};
        for (std::size_t received = 0; received < queued;) {
            wait_for(pair.server.get());
            const Record record = reading.next();
            REQUIRE(std::holds_alternative<Data>(record));
            received += std::get<Data>(record).size;
        }
        send_alert(pair.client.get(), AlertDescription::close_notify);
        wait_for(pair.server.get());
        CHECK(reading.next() == Record{Control{ContentType::alert, 2}});
        CHECK(reading.next() == Record{WouldBlock{}});
    }

    TEST_CASE_TEMPLATE("a record that does not decrypt ends both directions", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        const Statistics before = read_statistics().value();
        HandmadePeer peer{V::version};
        Reading reading{peer.server()};
        SUBCASE("because it was changed") {
            peer.send(peer.sealer.seal_with_bad_mac(ContentType::application_data, as_bytes("forged")));
        }
        SUBCASE("because its key is another") {
            RecordSealer stranger{peer.keys.server};
            peer.send(stranger.seal(ContentType::application_data, as_bytes("whose?")));
        }
        SUBCASE("because one before it is missing") {
            static_cast<void>(peer.sealer.seal(ContentType::application_data, as_bytes("lost")));
            peer.send_sealed(ContentType::application_data, as_bytes("out of order"));
        }
        wait_for(peer.server());
        CHECK(reading.failure() == "bad-record-mac");
        const auto alert = encode_alert(AlertDescription::bad_record_mac);
        const auto sent = send_control(peer.server(), ContentType::alert, alert);
        REQUIRE_FALSE(sent);
        CHECK(sent.error().reason == "record-send-failed");
        CHECK(read_statistics().value().decrypt_errors == before.decrypt_errors + 1);
    }

    TEST_CASE("a control record that is larger than the buffer comes in pieces of the same type") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        peer.send_sealed(ContentType::handshake, std::vector<std::uint8_t>(300, 4));
        peer.send_sealed(ContentType::alert, encode_alert(AlertDescription::close_notify));
        wait_for(peer.server());
        std::array<std::uint8_t, 200> small{};
        CHECK(receive_record(peer.server(), small).value() == Record{Control{ContentType::handshake, 200}});
        CHECK(receive_record(peer.server(), small).value() == Record{Control{ContentType::handshake, 100}});
        CHECK(receive_record(peer.server(), small).value() == Record{Control{ContentType::alert, 2}});
    }

    TEST_CASE("two alerts are two records") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls12};
        peer.send_sealed(ContentType::alert, encode_alert(AlertDescription::no_renegotiation));
        peer.send_sealed(ContentType::alert, encode_alert(AlertDescription::close_notify));
        wait_for(peer.server());
        Reading reading{peer.server()};
        SUBCASE("read at once") {}
        SUBCASE("read after a peek") {
            CHECK(reading.peek() == Record{Control{ContentType::alert, 1}});
        }
        CHECK(reading.next() == Record{Control{ContentType::alert, 2}});
        CHECK(reading.bytes(2)[1] == 100);
        CHECK(reading.next() == Record{Control{ContentType::alert, 2}});
        CHECK(reading.bytes(2)[1] == 0);
    }

    TEST_CASE("a peer that resets the connection") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        REQUIRE(::setsockopt(peer.pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
        peer.pair.client.reset();
        wait_for(peer.server());
        CHECK(Reading{peer.server()}.failure() == "connection-reset");
        CHECK(Reading{peer.server()}.next() == Record{EndOfStream{}});
    }
}
