#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>

#include "tests/support/protected_record.hpp"
#include "tests/support/raw_peer.hpp"
#include "tests/support/suites.hpp"
#include "tests/support/tls_pair.hpp"
#include "tls/session.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;

namespace {

TlsPair established(const Suite& suite) {
    TlsPair pair(server_context(), client_context(only(suite)));
    pair.shake_hands();
    REQUIRE(pair.established());
    return pair;
}

bool same(const DirectionKeys& one, const DirectionKeys& other) {
    return std::ranges::equal(one.key.expose(), other.key.expose()) &&
           std::ranges::equal(one.iv.expose(), other.iv.expose()) && one.sequence == other.sequence;
}

}  // namespace

TEST_CASE("both sides export the same keys, with the sizes and numbers that a kernel wants") {
    for (const Suite& suite : kSuites) {
        CAPTURE(suite.standard_name);
        const TlsPair pair = established(suite);
        const auto server = pair.server->export_keys();
        const auto client = pair.client->export_keys();
        REQUIRE(server);
        REQUIRE(client);
        CHECK(same(server->read, client->write));
        CHECK(same(server->write, client->read));
        CHECK(!std::ranges::equal(server->write.key.expose(), server->read.key.expose()));
        const bool tls12 = suite.version == Version::tls12;
        const bool salted = tls12 && suite.cipher != Cipher::chacha20_poly1305;
        const bool small = suite.cipher == Cipher::aes128_gcm || suite.cipher == Cipher::aes128_ccm;
        for (const SessionKeys* keys : {&*server, &*client}) {
            CHECK(keys->version == suite.version);
            CHECK(keys->cipher == suite.cipher);
            for (const DirectionKeys* direction : {&keys->read, &keys->write}) {
                CHECK(direction->key.size() == (small ? 16 : 32));
                CHECK(direction->iv.size() == (salted ? 4 : 12));
                CHECK(direction->sequence == (tls12 ? 1 : 0));
            }
            CHECK(keys->read.explicit_nonce == 0);
            CHECK((keys->write.explicit_nonce != 0) == salted);
        }
    }
}

TEST_CASE("records made from exported keys alone are what OpenSSL on the other side reads and writes") {
    const std::vector<std::uint8_t> large = pattern(16384);
    for (const Suite& suite : kSuites) {
        for (const bool from_client : {true, false}) {
            CAPTURE(suite.standard_name);
            CAPTURE(from_client);
            const TlsPair pair = established(suite);
            Session& exporter = from_client ? *pair.client : *pair.server;
            Session& userspace = from_client ? *pair.server : *pair.client;
            const auto keys = exporter.export_keys();
            REQUIRE(keys);
            RecordProtection writer(keys->version, keys->cipher, keys->write);
            RecordProtection reader(keys->version, keys->cipher, keys->read);
            std::vector<std::uint8_t> wire = writer.seal(ContentType::application_data, as_bytes("first"));
            std::ranges::copy(writer.seal(ContentType::application_data, large), std::back_inserter(wire));
            const Received received = receive_all(userspace, wire);
            CHECK(received.end == Read::want_more);
            CHECK(as_text(received.data).substr(0, 5) == "first");
            CHECK(std::ranges::equal(Bytes{received.data}.subspan(5), large));
            REQUIRE(userspace.write(large));
            REQUIRE(userspace.close_notify());
            const auto answer = take_output(userspace);
            const auto records = records_in(answer);
            REQUIRE(records.size() == 2);
            auto opened = reader.open(records[0]);
            REQUIRE(opened);
            CHECK(std::ranges::equal(Bytes{*opened}.first(large.size()), large));
            opened = reader.open(records[1]);
            REQUIRE(opened);
            CHECK((*opened)[0] == 1);  // a warning
            CHECK((*opened)[1] == SSL_AD_CLOSE_NOTIFY);
        }
    }
}

TEST_CASE("the explicit nonce that is exported is the one that OpenSSL would have used next") {
    for (const Suite& suite : kSuites) {
        if (suite.version != Version::tls12 || suite.cipher == Cipher::chacha20_poly1305) {
            continue;
        }
        const TlsPair pair = established(suite);
        for (Session* side : {pair.server.get(), pair.client.get()}) {
            const std::uint64_t exported = side->export_keys()->write.explicit_nonce;
            REQUIRE(side->write(as_bytes("x")));
            Reader record(side->output().subspan(kRecordHeaderSize));
            CHECK(record.be<std::uint64_t>() == exported);
        }
    }
}

TEST_CASE("keys stay inside until everything is ready for the kernel") {
    const Context server = server_context();
    const Context client = client_context();
    const auto refused = [](Session& session) {
        const auto keys = session.export_keys();
        return !keys && keys.error().reason == "keys-unavailable";
    };
    TlsPair pair(server, client);
    CHECK(refused(*pair.server));
    REQUIRE(move_records(*pair.client, *pair.server));
    REQUIRE(move_records(*pair.server, *pair.client));
    REQUIRE(pair.client->established());
    CHECK(refused(*pair.client));  // its Finished is not sent yet
    pair.shake_hands();
    CHECK(pair.client->export_keys());

    SUBCASE("not once this record layer has written") {
        REQUIRE(pair.client->write(as_bytes("x")));
        take_output(*pair.client);
        CHECK(refused(*pair.client));
        CHECK(pair.client->kernel_obstacle() == "plaintext-pending");
    }
    SUBCASE("nor once it has been given bytes to read") {
        pair.server->receive(as_bytes("\x17\x03"));
        CHECK(refused(*pair.server));
    }
    SUBCASE("nor when nobody asked for the export") {
        auto settings = server_settings();
        settings.protocol.export_keys = false;
        TlsPair closed(server_context(settings), client);
        closed.shake_hands();
        REQUIRE(closed.established());
        CHECK(refused(*closed.server));
    }
}

TEST_CASE("a smaller maximum fragment length stands in the kernel's way") {
    const Context server = server_context();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const auto session = Session::accept(server).value();
        RawPeer peer(Role::client, [version](SSL_CTX* context) {
            SSL_CTX_set_tlsext_max_fragment_length(context, TLSEXT_max_fragment_length_1024);
            SSL_CTX_set_max_proto_version(context, version);
        });
        REQUIRE(peer.shake_hands(*session));
        REQUIRE(session->established());
        CHECK(session->kernel_obstacle() == "max-fragment-length");
        CHECK(!session->export_keys());
        // Here it is kept.
        REQUIRE(session->write(pattern(5000)));
        const auto output = take_output(*session);
        CHECK(records_in(output).size() == 5);
        CHECK(peer.read(output) == pattern(5000));
    }
}

TEST_CASE("a cipher that no kernel has stays here") {
    auto settings = server_settings();
    settings.protocol.max_version = Version::tls12;
    settings.protocol.tls12_ciphers = {"ECDHE-ECDSA-AES256-CCM"};
    const auto session = Session::accept(server_context(settings)).value();
    RawPeer peer(Role::client, [](SSL_CTX* context) { SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES256-CCM"); });
    REQUIRE(peer.shake_hands(*session));
    REQUIRE(session->established());
    CHECK(session->summary().cipher == Cipher::other);
    CHECK(session->kernel_obstacle() == "cipher-not-in-kernel");
    CHECK(!session->export_keys());
}

TEST_CASE("records that go out with the end of the handshake are counted") {
    for (const std::size_t tickets : {0UL, 1UL, 2UL, 5UL}) {
        const Context server = server_context();
        SSL_CTX_set_num_tickets(server.get(), tickets);
        TlsPair pair(server, client_context());
        REQUIRE(move_records(*pair.client, *pair.server));
        REQUIRE(move_records(*pair.server, *pair.client));
        REQUIRE(move_records(*pair.client, *pair.server));
        const auto output = take_output(*pair.server);
        REQUIRE(records_in(output).size() == tickets);
        const auto keys = pair.server->export_keys().value();
        CHECK(keys.write.sequence == tickets);
        CHECK(keys.read.sequence == 0);
        // And the client, which reads them here, can follow from there.
        RecordProtection writer(keys.version, keys.cipher, keys.write);
        CHECK(receive_all(*pair.client, output).end == Read::want_more);
        const Received received =
            receive_all(*pair.client, writer.seal(ContentType::application_data, as_bytes("after")));
        CHECK(as_text(received.data) == "after");
    }
}
