#include <doctest/doctest.h>
#include <openssl/err.h>

#include "tests/support/suites.hpp"
#include "tests/support/tls_pair.hpp"
#include "tls/session.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;

TEST_CASE("every suite that a client insists on is negotiated, and both sides say the same of it") {
    const Context server = server_context();
    for (const Suite& suite : kSuites) {
        CAPTURE(suite.standard_name);
        TlsPair pair(server, client_context(only(suite)));
        pair.shake_hands();
        REQUIRE(pair.established());
        for (const Session* side : {pair.server.get(), pair.client.get()}) {
            const Summary summary = side->summary();
            CHECK(summary.version == suite.version);
            CHECK(summary.cipher == suite.cipher);
            CHECK(summary.cipher_suite == suite.standard_name);
            CHECK(summary.server_name == "shop.example");
            CHECK(!side->kernel_obstacle());
        }
        CHECK(pair.server->summary().peer_certificate.empty());
        CHECK(pair.client->summary().peer_certificate == "CN=shop.example");
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("left to themselves, they speak TLS 1.3 with AES-128-GCM") {
    TlsPair pair(server_context(), client_context());
    pair.shake_hands();
    REQUIRE(pair.established());
    CHECK(pair.client->summary().cipher_suite == "TLS_AES_128_GCM_SHA256");
    CHECK(name_of(pair.client->summary().version) == "TLS 1.3");
    CHECK(name_of(pair.client->summary().cipher) == "AES-128-GCM");
}

TEST_CASE("an RSA certificate works with both versions") {
    const Pki& pki = Pki::shared();
    auto settings = server_settings();
    settings.certificate = pki.rsa_server.certificate_file;
    settings.private_key = pki.rsa_server.key_file;
    const Context server = server_context(settings);
    for (const Version version : {Version::tls12, Version::tls13}) {
        auto client = client_settings();
        client.protocol.max_version = version;
        TlsPair pair(server, client_context(client));
        pair.shake_hands();
        REQUIRE(pair.established());
        CHECK(pair.server->summary().version == version);
    }
}

TEST_CASE("a server reads three records of a TLS 1.3 handshake, four of TLS 1.2, and writes no tickets behind") {
    for (const Version version : {Version::tls13, Version::tls12}) {
        auto settings = client_settings();
        settings.protocol.max_version = version;
        TlsPair pair(server_context(), client_context(settings));
        std::size_t read = 0;
        while (!pair.established()) {
            const auto flight = take_output(*pair.client);
            for (const Bytes record : records_in(flight)) {
                REQUIRE(pair.server->feed(record));
                ++read;
            }
            REQUIRE(move_records(*pair.server, *pair.client));
        }
        CHECK(read == (version == Version::tls13 ? 3 : 4));
        CHECK(pair.server->output().empty());
    }
}

TEST_CASE("client certificates: none, optional, required") {
    const Pki& pki = Pki::shared();
    const auto run = [&](ClientCertificate wanted, const Issued* shown, Version version) {
        auto settings = server_settings();
        settings.client_certificate = wanted;
        settings.ca = pki.authority.certificate_file;
        auto client = client_settings();
        client.protocol.max_version = version;
        if (shown != nullptr) {
            client.certificate = shown->certificate_file;
            client.private_key = shown->key_file;
        }
        TlsPair pair(server_context(settings), client_context(client));
        pair.shake_hands();
        return pair;
    };
    CertificateFolder folder;
    const Issued unknown = folder.make({.subject = "mallory\nroot", .names = "", .issuer = &pki.stranger});
    for (const Version version : {Version::tls12, Version::tls13}) {
        CHECK(run(ClientCertificate::none, &pki.client, version).server->summary().peer_certificate.empty());
        CHECK(run(ClientCertificate::optional, nullptr, version).established());
        CHECK(run(ClientCertificate::optional, &pki.client, version).server->summary().peer_certificate ==
              "CN=client 7");
        CHECK(run(ClientCertificate::required, &pki.client, version).established());
        const TlsPair missing = run(ClientCertificate::required, nullptr, version);
        REQUIRE(!missing.server_result);
        CHECK(missing.server_result.error().reason == "client-certificate-missing");
        for (const ClientCertificate wanted : {ClientCertificate::optional, ClientCertificate::required}) {
            const TlsPair rejected = run(wanted, &unknown, version);
            REQUIRE(!rejected.server_result);
            CHECK(rejected.server_result.error().reason == "certificate-rejected");
            CHECK(rejected.server_result.error().sentence.contains("unable to get local issuer certificate"));
            CHECK(!rejected.server_result.error().sentence.contains('\n'));
        }
    }
}

TEST_CASE("a client refuses a certificate for another name, from a stranger, or out of date, and says why") {
    struct Case {
        CertificateRequest request;
        std::string expected_name;
        std::string_view in_sentence;
    };
    const Pki& pki = Pki::shared();
    using std::chrono::hours;
    const Case kCases[] = {
        {{.issuer = &pki.authority}, "bank.example", "hostname mismatch"},
        {{.issuer = &pki.authority}, "192.0.2.2", "IP address mismatch"},
        {{.names = "", .issuer = &pki.authority}, "shop.example", "hostname mismatch"},
        {{.names = "DNS:*.example", .issuer = &pki.authority}, "a.b.example", "hostname mismatch"},
        {{.issuer = &pki.stranger}, "shop.example", "unable to get local issuer certificate"},
        {{}, "shop.example", "self-signed certificate"},
    };
    for (const Case& each : kCases) {
        CAPTURE(each.in_sentence);
        CertificateFolder folder;
        const Issued issued = folder.make(each.request);
        auto server = server_settings();
        server.certificate = issued.certificate_file;
        server.private_key = issued.key_file;
        auto client = client_settings();
        client.server_name = each.expected_name;
        TlsPair pair(server_context(server), client_context(client));
        pair.shake_hands();
        REQUIRE(!pair.client_result);
        CHECK(pair.client_result.error().reason == "certificate-rejected");
        CAPTURE(pair.client_result.error().sentence);
        CHECK(pair.client_result.error().sentence.contains(each.in_sentence));
        CHECK(pair.client_result.error().sentence.contains("CN=shop.example"));
        CHECK(pair.client_result.error().sentence.contains("expected was a certificate for " + each.expected_name));
        // The alert reaches the server.
        CHECK(!pair.client->established());
        const auto told = move_records(*pair.client, *pair.server);
        REQUIRE(!told);
        CHECK(told.error().reason == "peer-alert");
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("names and addresses that the certificate carries are accepted, and only names are sent") {
    for (const std::string name : {"shop.example", "SHOP.example", "192.0.2.1"}) {
        auto client = client_settings();
        client.server_name = name;
        TlsPair pair(server_context(), client_context(client));
        pair.shake_hands();
        REQUIRE(pair.established());
        CHECK(pair.server->summary().server_name == (name == "192.0.2.1" ? "" : name));
    }
}

TEST_CASE("a record that ends the handshake must come alone") {
    TlsPair pair(server_context(), client_context());
    REQUIRE(move_records(*pair.client, *pair.server));
    REQUIRE(move_records(*pair.server, *pair.client));
    auto last = take_output(*pair.client);
    const auto records = records_in(last);
    REQUIRE(records.size() == 2);
    REQUIRE(pair.server->feed(records[0]));
    last.push_back(0x17);
    const auto fed = pair.server->feed(Bytes{last}.subspan(records[0].size()));
    REQUIRE(!fed);
    CHECK(fed.error().reason == "not-one-record");
}
