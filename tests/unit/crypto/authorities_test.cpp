#include "crypto/authorities.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

#include "crypto/credentials.hpp"
#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using namespace keysluice::ike::testing;
using std::chrono::hours;
using std::chrono::system_clock;

namespace {

Result<void> verify(const Authorities& authorities, const Issued& leaf, const std::vector<const Issued*>& others = {},
                    system_clock::time_point at = system_clock::now()) {
    std::vector<Certificate> certificates;
    for (const Issued* each : others) {
        certificates.push_back(certificate_of(*each));
    }
    return authorities.verify(certificate_of(leaf), certificates, at);
}

std::string reason(const Result<void>& result) {
    return result ? "good" : std::string(result.error().reason);
}

/// A pointer, because g++ 14 takes a reference from a function with temporary arguments for a dangling one.
const Issued* with(std::string_view name, CertificateRequest request) {
    request.issuer = &vault().authority();
    return &vault().make(fmt::format("authorities {}", name), request);
}

}  // namespace

TEST_SUITE_BEGIN("authorities");

TEST_CASE("who is vouched for, and who is not") {
    const auto root = trust_in({&vault().authority()});
    const auto other = trust_in({&vault().authority("other root")});
    const Issued& leaf = vault().leaf("a.example", KeyType::p256);
    CHECK(reason(verify(*root, leaf)) == "good");
    CHECK(reason(verify(*other, leaf)) == "certificate-untrusted");
    CHECK(reason(verify(*trust_in({}), leaf)) == "certificate-untrusted");
    // An authority that the peer brings along is no authority.
    CHECK(reason(verify(*other, leaf, {&vault().authority()})) == "certificate-untrusted");
    CHECK(reason(verify(*root, vault().make("self", {}))) == "certificate-untrusted");
    const auto refused = verify(*other, leaf);
    CHECK(refused.error().sentence.find("CN=a.example") != std::string::npos);
}

TEST_CASE("somebody who is no authority vouches for nobody") {
    const Issued& middle = *with("no authority", {.subject = "middle", .names = ""});
    const Issued& leaf = vault().make("below no authority", {.issuer = &middle});
    CHECK(reason(verify(*trust_in({&vault().authority()}), leaf, {&middle})) == "certificate-refused");
}

TEST_CASE("an intermediate authority that is named is trusted as it is") {
    const Issued& middle = *with("middle", {.subject = "named middle", .names = "", .authority = true});
    const Issued& leaf = vault().make("below middle", {.issuer = &middle});
    CHECK(reason(verify(*trust_in({&middle}), leaf)) == "good");
    CHECK(reason(verify(*trust_in({&vault().authority()}), leaf, {&middle})) == "good");
    CHECK(reason(verify(*trust_in({&vault().authority()}), leaf)) == "certificate-untrusted");
}

TEST_CASE("time is an argument") {
    const auto root = trust_in({&vault().authority()});
    const Issued& leaf = vault().leaf("a.example", KeyType::p256);
    CHECK(reason(verify(*root, leaf, {}, system_clock::now() + hours(48))) == "certificate-expired");
    CHECK(reason(verify(*root, leaf, {}, system_clock::now() - hours(48))) == "certificate-not-yet-valid");
}

TEST_CASE("weak keys and signatures") {
    const auto root = trust_in({&vault().authority()});
    CHECK(reason(verify(*root, vault().leaf("weak.example", KeyType::rsa1024))) == "certificate-weak");
    CHECK(reason(verify(*root, *with("sha1", {.sha1 = true}))) == "certificate-weak");
    const Issued& middle =
        *with("weak middle", {.subject = "weak", .names = "", .key = KeyType::rsa1024, .authority = true});
    const Issued& leaf = vault().make("below weak middle", {.issuer = &middle});
    CHECK(reason(verify(*root, leaf, {&middle})) == "certificate-weak");
}

TEST_CASE("keys of other kinds") {
    CHECK(reason(verify(*trust_in({&vault().authority()}), *with("secp256k1", {.key = KeyType::secp256k1}))) ==
          "certificate-key-kind");
}

TEST_CASE("what a certificate is for") {
    const auto root = trust_in({&vault().authority()});
    const std::array usages{std::pair{"digitalSignature", "good"}, std::pair{"nonRepudiation", "good"},
                            std::pair{"keyAgreement", "certificate-purpose"},
                            std::pair{"keyEncipherment,dataEncipherment", "certificate-purpose"}};
    for (const auto& [usage, expected] : usages) {
        CAPTURE(usage);
        CHECK(reason(verify(*root, *with(usage, {.key_usage = usage}))) == expected);
    }
    const std::array purposes{std::pair{"1.3.6.1.5.5.7.3.17", "good"},
                              std::pair{"serverAuth", "good"},
                              std::pair{"clientAuth", "good"},
                              std::pair{"anyExtendedKeyUsage", "good"},
                              std::pair{"codeSigning,1.3.6.1.5.5.7.3.17", "good"},
                              std::pair{"codeSigning", "certificate-purpose"}};
    for (const auto& [purpose, expected] : purposes) {
        CAPTURE(purpose);
        CHECK(reason(verify(*root, *with(purpose, {.extended_key_usage = purpose}))) == expected);
    }
}

TEST_CASE("revocation") {
    const Issued& root = vault().authority();
    const Issued& leaf = *with("to be revoked", {});
    const Issued& other = *with("not to be revoked", {});
    const auto list = vault().folder.revoke(root, {&leaf});
    const auto current = trust_in({&root}, {list});
    CHECK(reason(verify(*current, leaf)) == "certificate-revoked");
    CHECK(reason(verify(*current, other)) == "good");
    const auto stale = trust_in({&root}, {vault().folder.revoke(root, {}, -std::chrono::minutes(1))});
    CHECK(reason(verify(*stale, other)) == "crl-expired");
    const Issued& other_root = vault().authority("other root");
    const auto of_another = trust_in({&root}, {vault().folder.revoke(other_root, {})});
    CHECK(reason(verify(*of_another, other)) == "crl-missing");
}

TEST_CASE("revocation of an intermediate authority") {
    const Issued& root = vault().authority();
    const Issued& middle = *with("revocable middle", {.subject = "revocable", .names = "", .authority = true});
    const Issued& leaf = vault().make("below revocable middle", {.issuer = &middle});
    const auto of_middle = vault().folder.revoke(middle, {});
    CHECK(reason(verify(*trust_in({&root}, {of_middle}), leaf, {&middle})) == "good");
    const auto of_root = vault().folder.revoke(root, {&middle});
    CHECK(reason(verify(*trust_in({&root}, {of_middle, of_root}), leaf, {&middle})) == "certificate-revoked");
    // The list that counts is the one for the leaf.
    CHECK(reason(verify(*trust_in({&root}, {vault().folder.revoke(root, {})}), leaf, {&middle})) == "crl-missing");
}

TEST_CASE("the authorities' names in IKE") {
    const auto both = trust_in({&vault().authority(), &vault().authority("other root")});
    REQUIRE(both->ids().size() == 2);
    CHECK(both->ids()[0] == certificate_of(vault().authority()).authority_id());
    CHECK(both->ids()[0] != both->ids()[1]);
}

TEST_SUITE_END();
