#include "crypto/certificate.hpp"

#include <doctest/doctest.h>

#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using namespace keysluice::ike::testing;

namespace {

using Kind = Certificate::AlternativeName::Kind;

std::vector<std::uint8_t> octets(std::string_view text) {
    return {as_bytes(text).begin(), as_bytes(text).end()};
}

}  // namespace

TEST_SUITE_BEGIN("certificates");

TEST_CASE("what is read is what was written") {
    const Issued& issued = vault().leaf("a.example", KeyType::p384);
    const Certificate made = certificate_of(issued);
    const auto read = Certificate::parse(made.der());
    REQUIRE(read);
    CHECK(read->der() == made.der());
    CHECK(read->subject() == "CN=a.example");
    CHECK(read->key_kind() == KeyKind::ecdsa_p384);
    CHECK(read->key_id() == key_id(*issued.key));
    CHECK(read->key_id() != certificate_of(vault().leaf("b.example", KeyType::p384)).key_id());
}

TEST_CASE("what is no certificate is refused, at every length") {
    auto der = certificate_of(vault().leaf("a.example", KeyType::p256)).der();
    for (std::size_t size = 0; size < der.size(); ++size) {
        const auto read = Certificate::parse(Bytes(der).first(size));
        REQUIRE_FALSE(read);
        CHECK(read.error().reason == "certificate-malformed");
    }
    der.push_back(0);
    CHECK_FALSE(Certificate::parse(der));
}

TEST_CASE("alternative names") {
    const Issued& issued = vault().make(
        "names", {.names = "DNS:gw.example,email:joe@example,IP:192.0.2.1,IP:2001:db8::1,URI:http://a/"});
    const auto names = certificate_of(issued).alternative_names();
    REQUIRE(names.size() == 4);
    CHECK((names[0].kind == Kind::dns && names[0].value == octets("gw.example")));
    CHECK((names[1].kind == Kind::email && names[1].value == octets("joe@example")));
    CHECK((names[2].kind == Kind::address && names[2].value == std::vector<std::uint8_t>{192, 0, 2, 1}));
    CHECK((names[3].kind == Kind::address && names[3].value.size() == 16));
    CHECK(certificate_of(vault().authority()).alternative_names().empty());
}

TEST_SUITE_END();
