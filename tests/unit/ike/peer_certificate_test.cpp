#include "ike/peer_certificate.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;

namespace {

wire::CertificatePayload cert(std::uint8_t encoding, std::size_t size = 100) {
    return {.encoding = encoding, .data = wire::Octets(size)};
}

}  // namespace

TEST_SUITE_BEGIN("certificates of peers");

TEST_CASE("the certificates of a message") {
    const Payloads two{cert(4, 1), cert(7), cert(4, 2)};  // a revocation list between them
    const auto chain = certificates_in(two);
    REQUIRE(chain);
    REQUIRE(chain->size() == 2);
    CHECK(chain->at(0).size() == 1);
    CHECK(chain->at(1).size() == 2);
    const auto reason = [](const Payloads& payloads) {
        return std::string(certificates_in(payloads).error().reason);
    };
    CHECK(reason({}) == "certificate-missing");
    CHECK(reason({cert(7)}) == "certificate-encoding");
    CHECK(reason({cert(12)}) == "certificate-encoding");
    CHECK(reason({cert(4), cert(13)}) == "certificate-encoding");
    CHECK(certificates_in(Payloads(10, cert(4))));
    CHECK(reason(Payloads(11, cert(4))) == "certificate-chain-long");
    CHECK(certificates_in(Payloads(2, cert(4, kMostChainOctets / 2))));
    CHECK(reason(Payloads(2, cert(4, kMostChainOctets / 2 + 1))) == "certificate-chain-long");
}

TEST_CASE("who a certificate is made out to") {
    const Issued& issued = vault().make(
        "identities", {.subject = "The Gateway",
                       .names = "DNS:gw.example,DNS:*.wild.example,email:joe@example,IP:192.0.2.1,IP:2001:db8::1"});
    const crypto::Certificate certificate = certificate_of(issued);
    const std::array yes{"gw.example",  "GW.Example",     "joe@example",   "192.0.2.1",
                         "2001:db8::1", "CN=The Gateway", "CN=the gateway"};
    const std::array no{"gw2.example", ".example",   "a.wild.example",   "joe@example2",         "192.0.2.2",
                        "2001:db8::2", "CN=Gateway", "keyid:gw.example", "C=DE, CN=The Gateway", "The.Gateway"};
    for (const char* each : yes) {
        CAPTURE(each);
        CHECK(belongs_to(certificate, *parse_identity(each)));
    }
    for (const char* each : no) {
        CAPTURE(each);
        CHECK_FALSE(belongs_to(certificate, *parse_identity(each)));
    }
    CHECK_FALSE(belongs_to(certificate, {.type = wire::IdType::dn, .data = {1, 2, 3}}));
    CHECK_FALSE(belongs_to(certificate, {.type = wire::IdType::fqdn, .data = {}}));
}

TEST_CASE("a request for certificates names authorities, each once and not too many") {
    const auto connection = [](const std::vector<const Issued*>& authorities) {
        auto made = std::make_shared<Connection>();
        made->remote_auth = Auth::certificate;
        made->authorities = trust_in(authorities);
        return made;
    };
    Payloads payloads;
    ask_for_certificates(payloads, {std::make_shared<Connection>()});
    CHECK(payloads.empty());
    const Issued& root = vault().authority();
    const Issued& other = vault().authority("other root");
    ask_for_certificates(payloads, {connection({&root}), connection({&root, &other})});
    REQUIRE(payloads.size() == 1);
    const auto& request = std::get<wire::CertificateRequestPayload>(payloads.front());
    REQUIRE(request.authorities.size() == 40);
    CHECK(std::equal(request.authorities.begin(), request.authorities.begin() + 20,
                     certificate_of(root).authority_id().begin()));
    std::vector<const Issued*> crowd;
    for (int each = 0; each < 30; ++each) {
        crowd.push_back(&vault().leaf("crowd" + std::to_string(each), KeyType::ed25519));
    }
    payloads.clear();
    ask_for_certificates(payloads, {connection(crowd)});
    CHECK(std::get<wire::CertificateRequestPayload>(payloads.front()).authorities.size() == 400);
}

TEST_CASE("what is no certificate is refused as such") {
    const VerifyPeer job{.sa = {},
                         .epoch = 0,
                         .identity = *parse_identity("a.example"),
                         .chain = {{1, 2, 3}},
                         .proof = {},
                         .octets = {},
                         .allow_sha1 = false,
                         .authorities = trust_in({&vault().authority()})};
    CHECK(verify_peer(job, std::chrono::system_clock::now()).error().reason == "certificate-malformed");
}

TEST_SUITE_END();
