// Peers that our rules turn away: each gets the right alert, and we know why.
#include <doctest/doctest.h>
#include <openssl/err.h>

#include "tests/support/hex.hpp"
#include "tests/support/raw_peer.hpp"
#include "tests/support/tls_pair.hpp"
#include "tls/record.hpp"
#include "tls/session.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;

namespace {

struct Case {
    std::string_view what;
    std::function<void(SSL_CTX*)> peer;
    std::string_view reason;
    int alert;
};

void limit_to_tls12(SSL_CTX* context) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
}

void leave_out_extended_master_secret(SSL_CTX* context) {
    limit_to_tls12(context);
    SSL_CTX_set_options(context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
}

}  // namespace

TEST_CASE("a server turns away what it must not speak") {
    const Case kCases[] = {
        {"no extended master secret", leave_out_extended_master_secret, "no-extended-master-secret",
         SSL_AD_HANDSHAKE_FAILURE},
        {"TLS 1.1", [](SSL_CTX* c) { SSL_CTX_set_max_proto_version(c, TLS1_1_VERSION); }, "version-too-old",
         SSL_AD_PROTOCOL_VERSION},
        {"CBC only",
         [](SSL_CTX* c) {
             limit_to_tls12(c);
             SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-SHA256");
         },
         "no-shared-cipher", SSL_AD_HANDSHAKE_FAILURE},
        {"no forward secrecy",
         [](SSL_CTX* c) {
             limit_to_tls12(c);
             SSL_CTX_set_cipher_list(c, "AES128-GCM-SHA256");
         },
         "no-shared-cipher", SSL_AD_HANDSHAKE_FAILURE},
        {"TLS 1.3 with an unknown cipher",
         [](SSL_CTX* c) {
             SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
             SSL_CTX_set_ciphersuites(c, "TLS_AES_128_CCM_8_SHA256");
         },
         "no-shared-cipher", SSL_AD_HANDSHAKE_FAILURE},
    };
    const Context context = server_context();
    for (const Case& each : kCases) {
        CAPTURE(each.what);
        const auto session = Session::accept(context).value();
        RawPeer peer(Role::client, each.peer);
        const auto verdict = peer.shake_hands(*session);
        REQUIRE(!verdict);
        CAPTURE(verdict.error().sentence);
        CHECK(verdict.error().reason == each.reason);
        CHECK(!verdict.error().sentence.empty());
        CHECK(peer.alert() == each.alert);
        CHECK(!session->established());
        CHECK(!session->export_keys());
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("a client turns away what it must not speak") {
    const Case kCases[] = {
        {"no extended master secret", leave_out_extended_master_secret, "no-extended-master-secret",
         SSL_AD_HANDSHAKE_FAILURE},
        {"TLS 1.1", [](SSL_CTX* c) { SSL_CTX_set_max_proto_version(c, TLS1_1_VERSION); }, "peer-alert", -1},
        {"CBC only",
         [](SSL_CTX* c) {
             limit_to_tls12(c);
             SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-SHA256");
         },
         "peer-alert", -1},
    };
    const Context context = client_context();
    for (const Case& each : kCases) {
        CAPTURE(each.what);
        const auto session = Session::connect(context).value();
        RawPeer peer(Role::server, each.peer);
        const auto verdict = peer.shake_hands(*session);
        REQUIRE(!verdict);
        CHECK(verdict.error().reason == each.reason);
        CHECK(peer.alert() == each.alert);
        CHECK(!session->established());
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("min_version 1.3 turns TLS 1.2 away") {
    auto settings = server_settings();
    settings.protocol.min_version = Version::tls13;
    const auto session = Session::accept(server_context(settings)).value();
    RawPeer peer(Role::client, limit_to_tls12);
    const auto verdict = peer.shake_hands(*session);
    REQUIRE(!verdict);
    CHECK(peer.alert() == SSL_AD_PROTOCOL_VERSION);
}

TEST_CASE("without the extended master secret a peer is still welcome when it speaks TLS 1.3") {
    const auto leave_out = [](SSL_CTX* c) { SSL_CTX_set_options(c, SSL_OP_NO_EXTENDED_MASTER_SECRET); };
    const auto server = Session::accept(server_context()).value();
    RawPeer client(Role::client, leave_out);
    CHECK(client.shake_hands(*server));
    CHECK(server->established());
    const auto session = Session::connect(client_context()).value();
    RawPeer peer(Role::server, leave_out);
    CHECK(peer.shake_hands(*session));
    CHECK(session->established());
}

TEST_CASE("but not when the service itself stops at TLS 1.2") {
    auto settings = server_settings();
    settings.protocol.max_version = Version::tls12;
    const auto session = Session::accept(server_context(settings)).value();
    RawPeer peer(Role::client, [](SSL_CTX* c) { SSL_CTX_set_options(c, SSL_OP_NO_EXTENDED_MASTER_SECRET); });
    const auto verdict = peer.shake_hands(*session);
    REQUIRE(!verdict);
    CHECK(verdict.error().reason == "no-extended-master-secret");
}

TEST_CASE("bytes that are no TLS, fed all the same, are answered with an alert") {
    struct Garbage {
        std::string_view header;
        std::string_view reason;
        std::string_view alert;  ///< in hexadecimal
    };
    const Garbage kCases[] = {
        {"474554202f", "plain-http", ""},
        {"1603 05ffff", "record-overflow", "0216"},
        {"0000000000", "not-tls", ""},
        {"1703030010 00000000000000000000000000000000", "handshake-failed", ""},
        {"1603010004 02000000", "handshake-failed", ""},
    };
    const Context context = server_context();
    for (const Garbage& each : kCases) {
        CAPTURE(each.header);
        const auto session = Session::accept(context).value();
        const auto fed = session->feed(from_hex(each.header));
        REQUIRE(!fed);
        CAPTURE(fed.error().sentence);
        CHECK(fed.error().reason == each.reason);
        if (!each.alert.empty()) {
            REQUIRE(session->output().size() == kRecordHeaderSize + 2);
            CHECK(to_hex(session->output().subspan(kRecordHeaderSize)) == each.alert);
        }
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("no cut and no changed byte of a handshake gets anything established") {
    const Context server = server_context();
    TlsPair reference(server, client_context());
    const auto hello = take_output(*reference.client);
    for (std::size_t index = 0; index < hello.size(); ++index) {
        auto changed = hello;
        changed[index] ^= 0x55U;
        const auto session = Session::accept(server).value();
        static_cast<void>(session->feed(changed));
        CHECK(!session->established());
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("what a client sends as its server name can't forge a log line") {
    const auto session = Session::accept(server_context()).value();
    RawPeer peer(Role::client, [](SSL_CTX*) {});
    std::string name = "evil\n\x1b[31mname";
    SSL_ctrl(peer.ssl(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    REQUIRE(peer.shake_hands(*session));
    CHECK(session->summary().server_name == "evil??[31mname");
}
