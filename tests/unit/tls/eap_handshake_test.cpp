#include "tls/eap_handshake.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "eap/tls.hpp"
#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike::testing;
using tls::EapHandshake;
using Octets = EapHandshake::Octets;

namespace {

const Issued& client() {
    return vault().leaf("a.example", KeyType::p256);
}
const Issued& server() {
    return vault().leaf("z.example", KeyType::rsa2048);
}

EapHandshake begin(EapHandshake::Role role) {
    const Issued& own = role == EapHandshake::Role::client ? client() : server();
    const Octets chain = certificate_of(own).der();
    return EapHandshake::begin(role, *own.key, {&chain, 1}).value();
}

/// Somebody else's TLS, with or without a certificate.
struct Stranger {
    Stranger(EapHandshake::Role role, int version, const Issued* own) {
        const bool serves = role == EapHandshake::Role::server;
        const tls::SslContextPtr context{SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method())};
        SSL_CTX_set_max_proto_version(context.get(), version);
        if (own != nullptr) {
            SSL_CTX_use_certificate(context.get(), own->certificate.get());
            SSL_CTX_use_PrivateKey(context.get(), own->key.get());
        }
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
        SSL_CTX_set_num_tickets(context.get(), 0);
        ssl.reset(SSL_new(context.get()));
        SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        serves ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
    }
    Octets hear(Bytes records) {
        BIO_write(SSL_get_rbio(ssl.get()), records.data(), static_cast<int>(records.size()));
        SSL_do_handshake(ssl.get());
        return output();
    }
    [[nodiscard]] Octets output() const {
        BIO* const out = SSL_get_wbio(ssl.get());
        Octets said(BIO_ctrl_pending(out));
        BIO_read(out, said.data(), static_cast<int>(said.size()));
        return said;
    }
    /// The first half of what RFC 5216 section 2.3 and RFC 9190 section 2.3 make of the handshake.
    [[nodiscard]] Octets msk() const {
        Octets both(128);
        const bool tls13 = SSL_version(ssl.get()) == TLS1_3_VERSION;
        const std::string label = tls13 ? "EXPORTER_EAP_TLS_Key_Material" : "client EAP encryption";
        const unsigned char type = 0x0D;
        REQUIRE(SSL_export_keying_material(ssl.get(), both.data(), both.size(), label.data(), label.size(), &type,
                                           tls13 ? 1 : 0, tls13 ? 1 : 0) == 1);
        both.resize(64);
        return both;
    }
    tls::SslPtr ssl;
};

bool same(const Secret<64>& key, const Octets& expected) {
    return std::ranges::equal(key.expose(), expected);
}

}  // namespace

TEST_SUITE_BEGIN("EAP handshake");

TEST_CASE("two ends: TLS 1.3, each other's certificates, the server's zero at the end, one key") {
    EapHandshake a = begin(EapHandshake::Role::client);
    EapHandshake z = begin(EapHandshake::Role::server);
    const auto hello = a.hear({});
    CHECK(hello.chain.empty());
    const auto shown = z.hear(hello.records);
    CHECK(shown.chain.empty());
    CHECK(shown.msk.empty());
    const auto finished = a.hear(shown.records);
    REQUIRE(finished.chain.size() == 1);
    CHECK(finished.chain.front() == certificate_of(server()).der());
    CHECK(finished.msk.empty());  // the server has yet to say that it is content
    const auto content = z.hear(finished.records);
    REQUIRE(content.chain.size() == 1);
    CHECK(content.chain.front() == certificate_of(client()).der());
    CHECK(content.msk.size() == 64);
    const auto end = a.hear(content.records);
    CHECK(end.records.empty());
    CHECK(end.chain.size() == 1);
    CHECK(std::ranges::equal(end.msk.expose(), content.msk.expose()));
}

TEST_CASE("keys are those of the RFCs, with either version") {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        CAPTURE(version);
        SUBCASE("a client of ours") {
            EapHandshake a = begin(EapHandshake::Role::client);
            Stranger z(EapHandshake::Role::server, version, &server());
            const auto shown = a.hear(z.hear(a.hear({}).records));
            Octets last = z.hear(shown.records);
            if (version == TLS1_3_VERSION) {
                CHECK(last.empty());
                SSL_write(z.ssl.get(), "", 1);
                last = z.output();
            }
            CHECK(same(a.hear(last).msk, z.msk()));
        }
        SUBCASE("a server of ours") {
            Stranger a(EapHandshake::Role::client, version, &client());
            EapHandshake z = begin(EapHandshake::Role::server);
            const auto end = z.hear(a.hear(z.hear(a.hear({})).records));
            static_cast<void>(a.hear(end.records));
            CHECK(same(end.msk, a.msk()));
            if (version == TLS1_3_VERSION) {
                char zero = 'x';
                CHECK(SSL_read(a.ssl.get(), &zero, 1) == 1);
                CHECK(zero == '\0');
            }
        }
    }
}

TEST_CASE("a whole chain is shown, and seen") {
    const Issued& middle =
        vault().make("middle", {.subject = "middle", .names = "", .issuer = &vault().authority(), .authority = true});
    const Issued& leaf = vault().make("under middle", {.names = "DNS:a.example", .issuer = &middle});
    const std::vector<Octets> chain{certificate_of(leaf).der(), certificate_of(middle).der()};
    EapHandshake a = EapHandshake::begin(EapHandshake::Role::client, *leaf.key, chain).value();
    EapHandshake z = begin(EapHandshake::Role::server);
    CHECK(z.hear(a.hear(z.hear(a.hear({}).records).records).records).chain == chain);
}

TEST_CASE("a client without a certificate, and one with somebody else's, get nowhere") {
    SUBCASE("without") {
        Stranger a(EapHandshake::Role::client, TLS1_3_VERSION, nullptr);
        EapHandshake z = begin(EapHandshake::Role::server);
        const auto end = z.hear(a.hear(z.hear(a.hear({})).records));
        CHECK(end.why.reason == "eap-tls-failed");
        CHECK_FALSE(end.records.empty());  // an alert
        CHECK(end.msk.empty());
    }
    SUBCASE("our own, with a key that does not belong to it") {
        const Octets chain = certificate_of(server()).der();
        const auto begun = EapHandshake::begin(EapHandshake::Role::client, *client().key, {&chain, 1});
        REQUIRE_FALSE(begun);
        CHECK(begun.error().reason == "eap-tls-failed");
    }
    SUBCASE("what is no certificate") {
        const Octets chain{0x30, 0};
        CHECK_FALSE(EapHandshake::begin(EapHandshake::Role::client, *client().key, {&chain, 1}));
    }
}

TEST_CASE("octets that were changed on the way, and none of TLS") {
    EapHandshake a = begin(EapHandshake::Role::client);
    EapHandshake z = begin(EapHandshake::Role::server);
    auto shown = z.hear(a.hear({}).records);
    SUBCASE("changed") {
        auto finished = a.hear(shown.records);
        finished.records.back() ^= 1U;
        const auto end = z.hear(finished.records);
        CHECK(end.why.reason == "eap-tls-failed");
        CHECK(end.msk.empty());
    }
    SUBCASE("none of TLS") {
        const auto end = a.hear(as_bytes("HTTP/1.1 200 OK\r\n\r\n"));
        CHECK(end.why.reason == "eap-tls-failed");
    }
}

TEST_CASE("an alert of somebody who has looked at the certificate is heard, where nothing is encrypted yet") {
    Stranger a(EapHandshake::Role::client, TLS1_2_VERSION, &client());
    EapHandshake z = begin(EapHandshake::Role::server);
    const auto shown = z.hear(a.hear({}));
    const auto end = z.hear(eap::alert_to(shown.records, 44));
    CHECK(end.why.reason == "eap-tls-failed");
    CHECK(end.why.sentence.contains("certificate revoked"));
    CHECK(end.records.empty());
    EapHandshake newer = begin(EapHandshake::Role::client);
    EapHandshake other = begin(EapHandshake::Role::server);
    CHECK(eap::alert_to(other.hear(newer.hear({}).records).records, 44).empty());
}

TEST_CASE("a server that is not content at the end, or says more than that, is not believed") {
    EapHandshake a = begin(EapHandshake::Role::client);
    Stranger z(EapHandshake::Role::server, TLS1_3_VERSION, &server());
    static_cast<void>(z.hear(a.hear(z.hear(a.hear({}).records)).records));
    SUBCASE("another octet") {
        SSL_write(z.ssl.get(), "x", 1);
    }
    SUBCASE("more of them") {
        SSL_write(z.ssl.get(), "\0\0", 2);
    }
    SUBCASE("more records") {
        SSL_write(z.ssl.get(), "\0", 1);
        SSL_write(z.ssl.get(), "\0", 1);
    }
    const auto end = a.hear(z.output());
    CHECK(end.why.reason == "eap-tls-failed");
    CHECK(end.msk.empty());
}

TEST_CASE("old versions are refused") {
    Stranger a(EapHandshake::Role::client, TLS1_1_VERSION, &client());
    SSL_set_security_level(a.ssl.get(), 0);
    EapHandshake z = begin(EapHandshake::Role::server);
    CHECK(z.hear(a.hear({})).why.reason == "eap-tls-failed");
}

TEST_SUITE_END();
