#include <doctest/doctest.h>

#include "crypto/certificate.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;

namespace {

TlsPair as_server(const ServerSettings& settings, Version version, const Issued& shown) {
    auto client = client_settings();
    client.protocol.max_version = version;
    client.certificate = shown.certificate_file;
    client.private_key = shown.key_file;
    TlsPair pair(server_context(settings), client_context(client));
    pair.shake_hands();
    return pair;
}

ServerSettings asks_for_certificates() {
    auto settings = server_settings();
    settings.client_certificate = tls::ClientCertificate::required;
    settings.ca = Pki::shared().authority.certificate_file;
    return settings;
}

/// Why the server refused; "" where it did not.
std::string refusal(const TlsPair& pair) {
    return pair.server_result ? pair.established() ? "" : "stuck" : std::string(pair.server_result.error().reason);
}

}  // namespace

TEST_SUITE("tls: trust") {
    TEST_CASE("a client's certificate must be welcome as well as verified") {
        Pki& pki = Pki::shared();
        CertificateFolder folder;
        const Issued other = folder.make({.subject = "client 8", .names = "", .issuer = &pki.authority});
        auto settings = asks_for_certificates();
        settings.rules.subjects = {crypto::parse_subject_rule("CN=client 7").value()};
        for (const Version version : {Version::tls12, Version::tls13}) {
            CHECK(refusal(as_server(settings, version, pki.client)) == "");
            const TlsPair refused = as_server(settings, version, other);
            CHECK(refusal(refused) == "peer-not-welcome");
            CHECK(refused.server_result.error().sentence ==
                  "the certificate of CN=client 8: its subject is like none of peer_subjects");
        }
        settings.client_certificate = tls::ClientCertificate::optional;
        TlsPair without(server_context(settings), client_context());
        without.shake_hands();
        CHECK(without.established());
    }

    TEST_CASE("the rules are for the peer's own certificate") {
        Pki& pki = Pki::shared();
        CertificateFolder folder;
        const Issued intermediate =
            folder.make({.subject = "between", .names = "", .issuer = &pki.authority, .authority = true});
        const Issued leaf = folder.make({.subject = "client 7", .names = "", .issuer = &intermediate});
        Issued shown = leaf;
        shown.certificate_file = folder.write_chain({&leaf, &intermediate});
        auto settings = asks_for_certificates();
        settings.rules.subjects = {crypto::parse_subject_rule("CN=client 7").value()};
        CHECK(refusal(as_server(settings, Version::tls13, shown)) == "");
        settings.rules.subjects = {crypto::parse_subject_rule("CN=between").value()};
        CHECK(refusal(as_server(settings, Version::tls13, shown)) == "peer-not-welcome");
    }

    TEST_CASE("revocation lists") {
        Pki& pki = Pki::shared();
        CertificateFolder folder;
        const Issued intermediate =
            folder.make({.subject = "between", .names = "", .issuer = &pki.authority, .authority = true});
        const Issued leaf = folder.make({.subject = "behind", .names = "", .issuer = &intermediate});
        Issued chained = leaf;
        chained.certificate_file = folder.write_chain({&leaf, &intermediate});
        const auto nobody = folder.revoke(pki.authority, {});
        for (const Version version : {Version::tls12, Version::tls13}) {
            auto settings = asks_for_certificates();
            settings.revocation_lists = {nobody};
            CHECK(refusal(as_server(settings, version, pki.client)) == "");
            settings.revocation_lists = {folder.revoke(pki.authority, {&pki.client})};
            const TlsPair revoked = as_server(settings, version, pki.client);
            CHECK(refusal(revoked) == "certificate-rejected");
            CHECK(revoked.server_result.error().sentence.contains("revoked"));
            settings.revocation_lists = {folder.revoke(pki.authority, {}, std::chrono::hours(-1))};
            CHECK(refusal(as_server(settings, version, pki.client)) == "certificate-rejected");
            // Of the issuer of the peer's own certificate there must be one, of an intermediate's there may be.
            settings.revocation_lists = {nobody};
            CHECK(refusal(as_server(settings, version, chained)) == "certificate-rejected");
            settings.revocation_lists = {folder.revoke(intermediate, {})};
            CHECK(refusal(as_server(settings, version, chained)) == "");
            settings.revocation_lists.push_back(folder.revoke(pki.authority, {&intermediate}));
            CHECK(refusal(as_server(settings, version, chained)) == "certificate-rejected");
        }
        auto settings = asks_for_certificates();
        settings.revocation_lists = {folder.path() / "none"};
        const auto missing = Context::server(settings, std::chrono::system_clock::now());
        REQUIRE_FALSE(missing);
        CHECK(missing.error().reason == "crl-unreadable");
    }

    TEST_CASE("a client that verifies nobody trusts a key, or any") {
        Pki& pki = Pki::shared();
        auto server = server_settings();
        server.certificate = pki.stranger.certificate_file;
        server.private_key = pki.stranger.key_file;
        const auto connects = [&](const crypto::PeerRules& rules, Version version) {
            auto client = client_settings();
            client.verify = false;
            client.server_name = "";
            client.rules = rules;
            client.protocol.max_version = version;
            TlsPair pair(server_context(server), client_context(client));
            pair.shake_hands();
            CHECK((pair.client_result || pair.client_result.error().reason == "peer-not-welcome"));
            return pair.established();
        };
        const crypto::PeerRules pinned{.subjects = {}, .names = {}, .keys = {crypto::key_id(*pki.stranger.key)}};
        const crypto::PeerRules other{.subjects = {}, .names = {}, .keys = {crypto::key_id(*pki.server.key)}};
        for (const Version version : {Version::tls12, Version::tls13}) {
            CHECK(connects({}, version));
            CHECK(connects(pinned, version));
            CHECK_FALSE(connects(other, version));
        }
    }

    TEST_CASE("a client that verifies wants the right name and a welcome key") {
        Pki& pki = Pki::shared();
        auto client = client_settings();
        client.rules.keys = {crypto::key_id(*pki.server.key)};
        TlsPair good(server_context(), client_context(client));
        good.shake_hands();
        CHECK(good.established());
        client.rules.keys = {crypto::key_id(*pki.client.key)};
        TlsPair bad(server_context(), client_context(client));
        bad.shake_hands();
        REQUIRE_FALSE(bad.client_result);
        CHECK(bad.client_result.error().reason == "peer-not-welcome");
    }
}
