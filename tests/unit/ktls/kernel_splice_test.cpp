// The traps of splice(2) on a socket that the kernel decrypts, each with a peer that is written by hand.

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "ktls/alert.hpp"
#include "ktls/handshake.hpp"
#include "ktls/record.hpp"
#include "tests/support/carried_pair.hpp"
#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"

using namespace keysluice;
using namespace keysluice::ktls;
using namespace keysluice::test;
using ktls::Record;

namespace {

const std::array<std::uint8_t, 5> kUpdateMessage{24, 0, 0, 1, 0};
const std::array<std::uint8_t, 9> kTicketAndKeyUpdate{4, 0, 0, 0, 24, 0, 0, 1, 1};

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("nothing there is neither an end nor an error") {
        if (!kernel_has_ktls()) {
            return;
        }
        const TcpPair pair = carried_pair(Version::tls13, Cipher::aes128_gcm);
        CHECK(Pipe{}.take_from(pair.server.get()) == -EAGAIN);
        CHECK(Reading{pair.server.get()}.next() == Record{WouldBlock{}});
    }

    TEST_CASE_TEMPLATE("trap: an empty record makes splice return 0 as if the stream had ended", V, Tls12, Tls13) {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{V::version};
        const Pipe pipe;
        Reading reading{peer.server()};
        SUBCASE("alone") {
            peer.send_sealed(ContentType::application_data, {});
            wait_for(peer.server());
            CHECK(pipe.take_from(peer.server()) == 0);
            CHECK(reading.next(Splice::returned_zero) == Record{EmptyRecord{}});
            CHECK(pipe.take_from(peer.server()) == -EAGAIN);
        }
        SUBCASE("before data, which can stay in the kernel") {
            peer.send_sealed(ContentType::application_data, {});
            peer.send_sealed(ContentType::application_data, as_bytes("more"));
            wait_for(peer.server());
            CHECK(pipe.take_from(peer.server()) == 0);
            CHECK(reading.peek(Splice::returned_zero) == Record{Data{1}});
            CHECK(pipe.take_from(peer.server()) == 4);
        }
        SUBCASE("before the real end") {
            peer.send_sealed(ContentType::application_data, {});
            peer.send_fin();
            wait_for(peer.server());
            CHECK(pipe.take_from(peer.server()) == 0);
            CHECK(reading.next(Splice::returned_zero) == Record{EndOfStream{}});
        }
        SUBCASE("twice, before an alert") {
            peer.send_sealed(ContentType::application_data, {});
            peer.send_sealed(ContentType::application_data, {});
            peer.send_sealed(ContentType::alert, encode_alert(AlertDescription::close_notify));
            wait_for(peer.server());
            CHECK(pipe.take_from(peer.server()) == 0);
            CHECK(reading.next(Splice::returned_zero) == Record{EmptyRecord{}});
            CHECK(reading.next() == Record{Control{ContentType::alert, 2}});
        }
    }

    TEST_CASE("recvmsg alone tells an empty record from the end as well") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        Reading reading{peer.server()};
        peer.send_sealed(ContentType::application_data, {});
        wait_for(peer.server());
        CHECK(reading.next() == Record{WouldBlock{}});
        peer.send_sealed(ContentType::application_data, {});
        peer.send_fin();
        wait_for(peer.server());
        CHECK(reading.next() == Record{EmptyRecord{}});
        CHECK(reading.next() == Record{EndOfStream{}});
    }

    TEST_CASE("trap: the real end makes splice return 0 too") {
        if (!kernel_has_ktls()) {
            return;
        }
        const HandmadePeer peer{Version::tls13};
        peer.send_fin();
        wait_for(peer.server());
        CHECK(Pipe{}.take_from(peer.server()) == 0);
        CHECK(Reading{peer.server()}.next(Splice::returned_zero) == Record{EndOfStream{}});
    }

    TEST_CASE("an empty handshake record is a control record") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        Reading reading{peer.server()};
        peer.send_sealed(ContentType::handshake, {});
        wait_for(peer.server());
        CHECK(Pipe{}.take_from(peer.server()) == -EINVAL);
        CHECK(reading.next(Splice::said_einval) == Record{Control{ContentType::handshake, 0}});
    }

    TEST_CASE("trap: EINVAL from splice is a control record") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const Version version : kVersions) {
            HandmadePeer peer{version};
            const Pipe pipe;
            Reading reading{peer.server()};
            peer.send_sealed(ContentType::application_data, as_bytes("before"));
            peer.send_sealed(ContentType::alert, encode_alert(AlertDescription::user_canceled));
            peer.send_sealed(ContentType::application_data, as_bytes("behind it"));
            wait_for(peer.server());
            CHECK(pipe.take_from(peer.server()) == 6);
            CHECK(pipe.take_from(peer.server()) == -EINVAL);
            CHECK(reading.peek(Splice::said_einval) == Record{Control{ContentType::alert, 1}});
            CHECK(reading.next(Splice::said_einval) == Record{Control{ContentType::alert, 2}});
            CHECK(parse_alert(reading.bytes(2)).value().description == AlertDescription::user_canceled);
            CHECK(pipe.take_from(peer.server()) == 9);
        }
    }

    TEST_CASE("trap: EINVAL from splice is garbage, and no later read tells") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        peer.send(garbage_header());
        wait_for(peer.server());
        CHECK(Pipe{}.take_from(peer.server()) == -EINVAL);
        Reading reading{peer.server()};
        SUBCASE("but EINVAL and then EAGAIN do") {
            CHECK(reading.failure(Splice::said_einval) == "bad-record");
        }
        SUBCASE("which is the same for a peek") {
            const auto peeked = peek_record(peer.server(), reading.buffer, Splice::said_einval);
            REQUIRE_FALSE(peeked);
            CHECK(peeked.error().reason == "bad-record");
        }
        SUBCASE("and an alert can still be sent") {
            send_alert(peer.server(), AlertDescription::unexpected_message);
            std::array<std::uint8_t, 100> wire{};
            // Header, alert, inner content type, tag.
            CHECK(::recv(peer.pair.client.get(), wire.data(), wire.size(), 0) == 5 + 2 + 1 + 16);
        }
    }

    TEST_CASE("headers that are no record's are told by recvmsg as well") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const auto& header : {garbage_header(), oversized_header()}) {
            const HandmadePeer peer{Version::tls13};
            peer.send(header);
            wait_for(peer.server());
            CHECK(Reading{peer.server()}.failure() == "bad-record");
        }
    }

    TEST_CASE("splice tells of a record that does not decrypt as well") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        peer.send(peer.sealer.seal_with_bad_mac(ContentType::application_data, as_bytes("forged")));
        wait_for(peer.server());
        CHECK(Pipe{}.take_from(peer.server()) == -EBADMSG);
    }

    TEST_CASE("trap: a KeyUpdate behind a ticket does not make the kernel stop, so look at all messages first") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        const TestKeys next = TestKeys::make(Version::tls13, Cipher::aes128_gcm, 150);
        RecordSealer sealer{next};
        peer.send_sealed(ContentType::handshake, kTicketAndKeyUpdate);
        peer.send(sealer.seal(ContentType::application_data, as_bytes("under new keys")));
        wait_for(peer.server());
        Reading reading{peer.server()};
        REQUIRE(reading.next() == Record{Control{ContentType::handshake, kTicketAndKeyUpdate.size()}});
        HandshakeMessages messages{Version::tls13, reading.bytes(kTicketAndKeyUpdate.size())};
        CHECK(messages.next() == HandshakeMessage{NewSessionTicket{}});
        CHECK(messages.next() == HandshakeMessage{KeyUpdate{true}});
        if (kernel_capabilities().rekeys_receiving) {
            require_ok(install(peer.server(), next.for_kernel<Rx>()));
            CHECK(reading.next() == Record{Data{14}});
        } else {
            CHECK(reading.failure() == "bad-record-mac");
        }
    }

    TEST_CASE("a KeyUpdate alone pauses a kernel that can rekey") {
        if (!kernel_has_ktls()) {
            return;
        }
        HandmadePeer peer{Version::tls13};
        const TestKeys next = TestKeys::make(Version::tls13, Cipher::aes128_gcm, 150);
        RecordSealer sealer{next};
        peer.send_sealed(ContentType::handshake, kUpdateMessage);
        peer.send(sealer.seal(ContentType::application_data, as_bytes("new")));
        wait_for(peer.server());
        Reading reading{peer.server()};
        REQUIRE(reading.next() == Record{Control{ContentType::handshake, kUpdateMessage.size()}});
        if (kernel_capabilities().rekeys_receiving) {
            CHECK(reading.failure() == "rekey-pending");
            require_ok(install(peer.server(), next.for_kernel<Rx>()));
            CHECK(reading.next() == Record{Data{3}});
        } else {
            CHECK(reading.failure() == "bad-record-mac");
        }
    }
}
