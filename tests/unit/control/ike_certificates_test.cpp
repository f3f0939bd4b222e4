#include "daemon/control/ike_certificates.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>

#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::ike::testing;
using std::chrono::system_clock;

namespace {

const Position kCertificate{"k.toml", 10, 15};
const Position kKey{"k.toml", 11, 15};
const Position kCa{"k.toml", 12, 6};
const Position kCrl{"k.toml", 13, 8};
const Position kId{"k.toml", 14, 12};

struct Fixture {
    Fixture() {
        REQUIRE(::chmod(leaf.key_file.c_str(), 0600) == 0);
        connection.rules->name = "hq";
        connection.certificate = leaf.certificate_file;
        connection.private_key = {.kind = SecretReference::Kind::file, .path = leaf.key_file, .where = kKey};
        connection.ca = vault().authority().certificate_file;
        connection.certificate_at = kCertificate;
        connection.ca_at = kCa;
        connection.local_id = kId;
    }
    Diagnostics load(system_clock::duration later = {}) {
        return load_certificates(ike, system_clock::now() + later, warnings);
    }
    /// The only thing that is wrong.
    void check_fault(const Diagnostics& faults, const Position& where, std::string_view reason) {
        REQUIRE(faults.size() == 1);
        CHECK(faults[0].where == where);
        CHECK(faults[0].reason == reason);
        CHECK_FALSE(faults[0].sentence.empty());
    }
    void use(const Issued& issued) {
        connection.certificate = issued.certificate_file;
        connection.private_key.path = issued.key_file;
        REQUIRE(::chmod(issued.key_file.c_str(), 0600) == 0);
    }

    const Issued& leaf = vault().leaf("a.example", KeyType::p256);
    IkeConfiguration ike;
    IkeConnection& connection = ike.connections.emplace_back();
    Diagnostics warnings;
};

}  // namespace

TEST_SUITE_BEGIN("ike certificates");

TEST_CASE_FIXTURE(Fixture, "what is configured is what the connection has, also when it is read again") {
    for (int each = 0; each < 2; ++each) {
        CHECK(load().empty());
        CHECK(check_private_keys(ike).empty());
        const ike::OwnCertificate& own = connection.rules->certificate;
        CHECK(own.chain == std::vector<ike::wire::Octets>{certificate_of(leaf).der()});
        CHECK(own.key_kind == crypto::KeyKind::ecdsa_p256);
        CHECK(own.key_id == crypto::key_id(*leaf.key));
        REQUIRE(connection.rules->authorities);
        CHECK(connection.rules->authorities->ids().size() == 1);
        CHECK(ike::same(connection.rules->local_id, ike::parse_identity("CN=a.example").value()));
    }
    CHECK(warnings.empty());
}

TEST_CASE_FIXTURE(Fixture, "what is public may stand in the configuration, and a private key come otherwise") {
    const auto contents = [](const std::string& path) {
        std::ifstream file(path);
        return std::string(std::istreambuf_iterator(file), {});
    };
    connection.certificate = contents(connection.certificate);
    connection.ca = contents(connection.ca);
    REQUIRE(is_pem(connection.certificate));
    connection.private_key = {.kind = SecretReference::Kind::option, .path = {}, .where = kKey};
    SUBCASE("as it should be") {
        connection.given_private_key =
            std::make_shared<const UniqueFd>(::open(leaf.key_file.c_str(), O_RDONLY | O_CLOEXEC));
        CHECK(load().empty());
        CHECK(check_private_keys(ike).empty());
        // The machine has a connection with the same certificate: neither signs with the other's key.
        IkeConnection& machine = ike.connections.emplace_back();
        machine.rules->name = "machine";
        machine.certificate = leaf.certificate_file;
        machine.private_key = {.kind = SecretReference::Kind::file, .path = leaf.key_file, .where = kKey};
        CHECK(load().empty());
        const auto keys = signing_keys(ike);
        REQUIRE(keys.size() == 2);
        const IkeConnection& given = ike.connections.front();
        CHECK(keys[0].path == "option:private_key of connection hq");
        CHECK(keys[0].given == given.given_private_key);
        CHECK(keys[0].of_certificate == crypto::key_id(*leaf.key));
        CHECK(keys[0].id == given.rules->certificate.key_id);
        CHECK(keys[1].id == ike.connections.back().rules->certificate.key_id);
        CHECK(keys[1].id == crypto::key_id(*leaf.key));
        CHECK(keys[0].id != keys[1].id);
    }
    SUBCASE("who gives the key is awaited") {
        connection.given_private_key = std::make_shared<const UniqueFd>();
        CHECK(load().empty());
        CHECK(signing_keys(ike).empty());
    }
    SUBCASE("of somebody else") {
        connection.own_id = true;
        connection.rules->local_id = ike::parse_identity("b.example").value();
        const Diagnostics faults = load();
        check_fault(faults, kId, "certificate-identity");
        CHECK(faults[0].sentence.find("alternative name of certificate, so") != std::string::npos);
    }
    SUBCASE("damaged") {
        connection.certificate.erase(60, 4);
        connection.ca = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
        connection.crl = {"-----BEGIN X509 CRL-----\n"};
        connection.crl_at = {kCrl};
        const Diagnostics faults = load();
        REQUIRE(faults.size() == 2);
        CHECK(faults[0].reason == "certificate-malformed");
        CHECK(faults[0].sentence.starts_with("certificate: "));
        CHECK(faults[1].reason == "ca-malformed");
        CHECK(faults[1].sentence.starts_with("ca: "));
    }
    SUBCASE("a revocation list that is none") {
        connection.crl = {"-----BEGIN X509 CRL-----\n"};
        connection.crl_at = {kCrl};
        check_fault(load(), kCrl, "crl-malformed");
    }
}

TEST_CASE_FIXTURE(Fixture, "local_id is one of the certificate's names") {
    connection.own_id = true;
    connection.rules->local_id = ike::parse_identity("A.example").value();
    CHECK(load().empty());
    CHECK(connection.rules->local_id == ike::parse_identity("A.example").value());
    connection.rules->local_id = ike::parse_identity("b.example").value();
    check_fault(load(), kId, "certificate-identity");
}

TEST_CASE_FIXTURE(Fixture, "with EAP-TLS, the subject is the name in EAP, unless there is one") {
    connection.rules->auth = ike::Auth::eap_tls;
    SUBCASE("there is none") {
        connection.eap_by_subject = true;
        for (int each = 0; each < 2; ++each) {
            CHECK(load().empty());
            CHECK(connection.rules->eap_rules.identity == "CN=a.example");
            CHECK(ike::same(connection.rules->local_id, ike::parse_identity("CN=a.example").value()));
        }
    }
    SUBCASE("there is one, and whether the certificate has it, the server says") {
        connection.rules->local_id = ike::parse_identity("b.example").value();
        connection.rules->eap_rules.identity = "@example";
        CHECK(load().empty());
        CHECK(connection.rules->eap_rules.identity == "@example");
        CHECK(connection.rules->local_id == ike::parse_identity("b.example").value());
    }
}

TEST_CASE_FIXTURE(Fixture, "a chain is sent leaf first") {
    const Issued& middle = vault().make(
        "loaded middle", {.subject = "middle", .names = "", .issuer = &vault().authority(), .authority = true});
    connection.certificate = vault().folder.write_chain({&leaf, &middle});
    CHECK(load().empty());
    REQUIRE(connection.rules->certificate.chain.size() == 2);
    CHECK(connection.rules->certificate.chain[1] == certificate_of(middle).der());
}

TEST_CASE_FIXTURE(Fixture, "certificates that can't be used") {
    SUBCASE("expired") {
        check_fault(load(std::chrono::hours(48)), kCertificate, "certificate-expired");
    }
    SUBCASE("missing") {
        connection.certificate = "/nowhere";
        check_fault(load(), kCertificate, "certificate-unreadable");
    }
    SUBCASE("weak") {
        use(vault().leaf("weak.example", KeyType::rsa1024));
        check_fault(load(), kCertificate, "certificate-weak");
    }
    SUBCASE("not for signatures") {
        use(vault().make("loaded purpose", {.key_usage = "keyAgreement"}));
        check_fault(load(), kCertificate, "certificate-purpose");
    }
    SUBCASE("a chain without end") {
        connection.certificate =
            vault().folder.write_chain({&leaf, &leaf, &leaf, &leaf, &leaf, &leaf, &leaf, &leaf, &leaf, &leaf, &leaf});
        check_fault(load(), kCertificate, "certificate-chain-long");
    }
}

TEST_CASE_FIXTURE(Fixture, "private keys are looked at by whoever asks for it") {
    SUBCASE("of another certificate") {
        connection.private_key.path = vault().leaf("b.example", KeyType::p256).key_file;
        CHECK(load().empty());
        check_fault(check_private_keys(ike), kKey, "private-key-mismatch");
    }
    SUBCASE("missing") {
        connection.private_key.path = "/nowhere";
        CHECK(load().empty());
        check_fault(check_private_keys(ike), kKey, "private-key-unreadable");
    }
    SUBCASE("that everybody can read") {
        REQUIRE(::chmod(leaf.key_file.c_str(), 0644) == 0);
        CHECK(load().empty());
        CHECK(check_private_keys(ike).empty());
        check_fault(warnings, kKey, "private-key-open-to-all");
    }
}

TEST_CASE_FIXTURE(Fixture, "authorities and revocation lists") {
    SUBCASE("missing") {
        connection.ca = "/nowhere";
        check_fault(load(), kCa, "ca-unreadable");
    }
    SUBCASE("no certificates") {
        connection.ca = vault().folder.write("empty.pem", "");
        check_fault(load(), kCa, "ca-malformed");
    }
    SUBCASE("a list counts") {
        connection.crl = {vault().folder.revoke(vault().authority(), {&leaf})};
        connection.crl_at = {kCrl};
        CHECK(load().empty());
        const auto verified = connection.rules->authorities->verify(certificate_of(leaf), {}, system_clock::now());
        CHECK(verified.error().reason == "certificate-revoked");
    }
    SUBCASE("a list that is missing") {
        connection.crl = {"/nowhere"};
        connection.crl_at = {kCrl};
        check_fault(load(), kCrl, "crl-unreadable");
    }
    SUBCASE("a list that is none") {
        connection.crl = {vault().folder.write("no.crl", "nothing")};
        connection.crl_at = {kCrl};
        check_fault(load(), kCrl, "crl-malformed");
    }
}

TEST_CASE_FIXTURE(Fixture, "engines are told each key once") {
    ike.connections.push_back(connection);
    CHECK(signing_keys(ike).empty());
    CHECK(load().empty());
    const auto keys = signing_keys(ike);
    REQUIRE(keys.size() == 1);
    CHECK(keys[0].id == crypto::key_id(*leaf.key));
    CHECK(keys[0].path == leaf.key_file);
    CHECK(keys[0].owner == "k.toml:11:15: connection hq");
}

TEST_SUITE_END();
