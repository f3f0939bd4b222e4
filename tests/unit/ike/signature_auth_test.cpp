#include "ike/signature_auth.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/support/certified_ends.hpp"
#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;
using crypto::KeyKind;
using crypto::SignatureScheme;
using keysluice::testing::from_hex;
using wire::AuthMethod;

namespace {

const HashIds kAll{2, 3, 4, 5};

wire::AuthPayload digital(std::string_view identifier, Bytes signature) {
    const auto octets = from_hex(identifier);
    Writer data;
    data.prefixed<std::uint8_t>(octets).raw(signature);
    return {.method = AuthMethod::digital_signature, .data = std::move(data).release()};
}

std::string reason(const Result<void>& result) {
    return result ? "good" : std::string(result.error().reason);
}

/// RFC 7427 appendix A.4.3.
constexpr std::string_view kPssSha256 =
    "3046 0609 2a86 4886 f70d 0101 0a30 39a0 0f30 0d06 0960 8648 0165 0304 0201 0500 a11c 301a 0609 2a86 4886 f70d "
    "0101 0830 0d06 0960 8648 0165 0304 0201 0500 a203 0201 20a3 0302 0101";

struct Signer {
    explicit Signer(KeyType type) : issued(vault().leaf("a.example", type)), certificate(certificate_of(issued)) {}

    /// A proof as our own end would send it.
    wire::AuthPayload prove(const SigningPlan& plan) const {
        return signed_proof(plan, certificate.key_kind().value(), sign(plan.scheme)).value();
    }
    std::vector<std::uint8_t> sign(SignatureScheme scheme) const {
        return crypto::sign(*issued.key, scheme, message).value();
    }
    std::string check(const wire::AuthPayload& proof, bool allow_sha1 = false) const {
        return reason(check_signature(proof, certificate, message, allow_sha1));
    }

    const Issued& issued;
    crypto::Certificate certificate;
    Bytes message = as_bytes("what is signed");
};

}  // namespace

TEST_SUITE_BEGIN("signatures in AUTH");

TEST_CASE("which hash functions are told, and heard") {
    CHECK(hash_algorithms().data == from_hex("0002 0003 0004 0005"));
    CHECK(read_hash_algorithms({hash_algorithms()}) == kAll);
    CHECK(read_hash_algorithms({}).empty());
    auto odd = hash_algorithms();
    odd.data = from_hex("0002 00");
    CHECK(read_hash_algorithms({odd}) == HashIds{2});
    odd.data.assign(60'000, 0);
    CHECK(read_hash_algorithms({odd}).size() == 32);
}

TEST_CASE("the plan for each key: a hash function of the peer's, as strong as the key") {
    struct Case {
        KeyKind key;
        HashIds hashes;
        SignatureScheme scheme;
    };
    using enum SignatureScheme;
    const std::array cases{
        Case{KeyKind::rsa, kAll, rsa_pss_sha256},
        Case{KeyKind::rsa, {4}, rsa_pss_sha512},
        Case{KeyKind::ecdsa_p256, kAll, ecdsa_sha256},
        Case{KeyKind::ecdsa_p256, {1, 3}, ecdsa_sha384},
        Case{KeyKind::ecdsa_p384, kAll, ecdsa_sha384},
        Case{KeyKind::ecdsa_p384, {2}, ecdsa_sha256},
        Case{KeyKind::ecdsa_p521, kAll, ecdsa_sha512},
        Case{KeyKind::ed25519, {5}, ed25519},
        Case{KeyKind::ed448, kAll, ed448},
    };
    for (const Case& each : cases) {
        const auto plan = plan_signature(each.key, each.hashes, nullptr, false);
        REQUIRE(plan);
        CHECK(plan->method == AuthMethod::digital_signature);
        CHECK(plan->scheme == each.scheme);
    }
}

TEST_CASE("no hash function in common") {
    // RFC 8420: Ed25519 and Ed448 "MUST NOT be sent to a receiver that has not indicated support for the 'Identity'
    // hash".
    for (const KeyKind key : {KeyKind::ed25519, KeyKind::ed448}) {
        CHECK(plan_signature(key, {2, 3, 4}, nullptr, true).error().reason == "signature-hash");
        CHECK(plan_signature(key, {}, nullptr, true).error().reason == "signature-hash");
    }
    CHECK(plan_signature(KeyKind::rsa, {1, 5}, nullptr, true).error().reason == "signature-hash");
    CHECK(plan_signature(KeyKind::ecdsa_p256, {5}, nullptr, true).error().reason == "signature-hash");
}

TEST_CASE("the plan for peers that told none") {
    CHECK(plan_signature(KeyKind::rsa, {}, nullptr, false).error().reason == "signature-weak");
    CHECK(plan_signature(KeyKind::rsa, {}, nullptr, true).value().method == AuthMethod::rsa);
    CHECK(plan_signature(KeyKind::ecdsa_p256, {}, nullptr, false).value().method == AuthMethod::ecdsa_256);
    CHECK(plan_signature(KeyKind::ecdsa_p384, {}, nullptr, false).value().method == AuthMethod::ecdsa_384);
    CHECK(plan_signature(KeyKind::ecdsa_p521, {}, nullptr, false).value().method == AuthMethod::ecdsa_521);
}

TEST_CASE("RSA: of PSS and PKCS #1, what the peer does") {
    const Signer rsa(KeyType::rsa2048);
    const auto pkcs1 = rsa.prove({AuthMethod::digital_signature, SignatureScheme::rsa_sha512});
    const auto pss = rsa.prove({AuthMethod::digital_signature, SignatureScheme::rsa_pss_sha256});
    CHECK(plan_signature(KeyKind::rsa, kAll, &pkcs1, false).value().scheme == SignatureScheme::rsa_sha256);
    CHECK(plan_signature(KeyKind::rsa, kAll, &pss, false).value().scheme == SignatureScheme::rsa_pss_sha256);
}

TEST_CASE("each proof is what its RFC says, and is believed") {
    struct Case {
        KeyType key;
        SigningPlan plan;
        std::string_view beginning;  ///< of the data, behind the length
    };
    using enum SignatureScheme;
    const std::array cases{
        Case{KeyType::rsa2048, {AuthMethod::digital_signature, rsa_sha256}, "300d 0609 2a86 4886 f70d 0101 0b05 00"},
        Case{KeyType::rsa2048, {AuthMethod::digital_signature, rsa_sha384}, "300d 0609 2a86 4886 f70d 0101 0c05 00"},
        Case{KeyType::rsa2048, {AuthMethod::digital_signature, rsa_sha512}, "300d 0609 2a86 4886 f70d 0101 0d05 00"},
        Case{KeyType::rsa2048, {AuthMethod::digital_signature, rsa_pss_sha256}, kPssSha256},
        Case{KeyType::rsa2048, {AuthMethod::digital_signature, rsa_pss_sha512}, ""},
        Case{KeyType::p256, {AuthMethod::digital_signature, ecdsa_sha256}, "300a 0608 2a86 48ce 3d04 0302"},
        Case{KeyType::p384, {AuthMethod::digital_signature, ecdsa_sha384}, "300a 0608 2a86 48ce 3d04 0303"},
        Case{KeyType::p521, {AuthMethod::digital_signature, ecdsa_sha512}, "300a 0608 2a86 48ce 3d04 0304"},
        Case{KeyType::ed25519, {AuthMethod::digital_signature, ed25519}, "3005 0603 2B65 70"},
        Case{KeyType::ed448, {AuthMethod::digital_signature, ed448}, "3005 0603 2B65 71"},
    };
    for (const Case& each : cases) {
        const Signer signer(each.key);
        const auto proof = signer.prove(each.plan);
        const auto identifier = from_hex(each.beginning);
        if (!identifier.empty()) {
            CHECK(proof.data.front() == identifier.size());
            CHECK(std::equal(identifier.begin(), identifier.end(), proof.data.begin() + 1));
        }
        CHECK(signer.check(proof) == "good");
        auto forged = proof;
        forged.data.back() ^= 1U;
        CHECK(signer.check(forged) == "auth-failed");
    }
}

TEST_CASE("the old methods") {
    using enum SignatureScheme;
    const std::array ecdsa{std::pair{KeyType::p256, SigningPlan{AuthMethod::ecdsa_256, ecdsa_sha256}},
                           std::pair{KeyType::p384, SigningPlan{AuthMethod::ecdsa_384, ecdsa_sha384}},
                           std::pair{KeyType::p521, SigningPlan{AuthMethod::ecdsa_521, ecdsa_sha512}}};
    const std::array<std::size_t, 3> sizes{64, 96, 132};
    for (std::size_t each = 0; each < ecdsa.size(); ++each) {
        const Signer signer(ecdsa.at(each).first);
        auto proof = signer.prove(ecdsa.at(each).second);
        CHECK(proof.data.size() == sizes.at(each));
        CHECK(signer.check(proof) == "good");
        auto mislabelled = proof;
        mislabelled.method = ecdsa.at((each + 1) % 3).second.method;
        CHECK(signer.check(mislabelled) == "auth-method");
        proof.data.push_back(0);
        CHECK(signer.check(proof) == "auth-method");
    }
    const Signer rsa(KeyType::rsa2048);
    CHECK(rsa.check(rsa.prove({AuthMethod::rsa, rsa_sha1}), true) == "good");
    CHECK(rsa.check(rsa.prove({AuthMethod::rsa, rsa_sha1})) == "signature-weak");
    CHECK(rsa.check(rsa.prove({AuthMethod::rsa, rsa_sha256})) == "good");
    CHECK(rsa.check(rsa.prove({AuthMethod::rsa, rsa_sha512})) == "good");
    CHECK(Signer(KeyType::p256).check({.method = AuthMethod::rsa, .data = {1}}) == "auth-method");
    CHECK(rsa.check({.method = AuthMethod::ecdsa_256, .data = wire::Octets(64)}) == "auth-method");
    CHECK(rsa.check({.method = AuthMethod::shared_key, .data = wire::Octets(32)}) == "auth-method");
}

TEST_CASE("PSS parameters have more than one encoding") {
    const Signer rsa(KeyType::rsa2048);
    const auto signature = rsa.sign(SignatureScheme::rsa_pss_sha256);
    CHECK(rsa.check(digital(kPssSha256, signature)) == "good");
    // strongSwan leaves the trailer out, since it has its default value.
    CHECK(
        rsa.check(digital("3041 0609 2a86 4886 f70d 0101 0a30 34a0 0f30 0d06 0960 8648 0165 0304 0201 0500 a11c 301a "
                          "0609 2a86 4886 f70d 0101 0830 0d06 0960 8648 0165 0304 0201 0500 a203 0201 20",
                          signature)) == "good");
    // RFC 5754 lets the hash functions' NULL be left out.
    CHECK(
        rsa.check(digital("303d 0609 2a86 4886 f70d 0101 0a30 30a0 0d30 0b06 0960 8648 0165 0304 0201 a11a 3018 0609 "
                          "2a86 4886 f70d 0101 0830 0b06 0960 8648 0165 0304 0201 a203 0201 20",
                          signature)) == "good");
}

TEST_CASE("algorithms that are not taken") {
    const Signer rsa(KeyType::rsa2048);
    const auto signature = rsa.sign(SignatureScheme::rsa_pss_sha256);
    const std::array identifiers{
        std::string_view("300d 0609 2a86 4886 f70d 0101 0505 00"),  // sha1WithRSAEncryption
        std::string_view("300d 0609 2a86 4886 f70d 0101 0a30 00"),  // PSS with SHA-1 by default
        // PSS with a salt of 20 octets, and with two hash functions
        std::string_view(
            "3041 0609 2a86 4886 f70d 0101 0a30 34a0 0f30 0d06 0960 8648 0165 0304 0201 0500 a11c 301a 0609 "
            "2a86 4886 f70d 0101 0830 0d06 0960 8648 0165 0304 0201 0500 a203 0201 14"),
        std::string_view(
            "3041 0609 2a86 4886 f70d 0101 0a30 34a0 0f30 0d06 0960 8648 0165 0304 0201 0500 a11c 301a 0609 "
            "2a86 4886 f70d 0101 0830 0d06 0960 8648 0165 0304 0202 0500 a203 0201 20"),
        std::string_view("300a 0608 2a86 48ce 3d04 0302"),  // ECDSA, with another key
        std::string_view(""),
        std::string_view("3046 0609"),
    };
    for (const std::string_view each : identifiers) {
        CAPTURE(each);
        CHECK(rsa.check(digital(each, signature)) == "auth-method");
    }
    CHECK(rsa.check({.method = AuthMethod::digital_signature, .data = {}}) == "auth-method");
    CHECK(rsa.check({.method = AuthMethod::digital_signature, .data = {200, 1, 2}}) == "auth-method");
}

TEST_CASE("what an engine gives back is not believed blindly") {
    const SigningPlan old{AuthMethod::ecdsa_256, SignatureScheme::ecdsa_sha256};
    CHECK(signed_proof(old, KeyKind::ecdsa_p256, from_hex("00")).error().reason == "signing-failed");
    const SigningPlan current{AuthMethod::digital_signature, SignatureScheme::ed25519};
    CHECK(signed_proof(current, KeyKind::ed25519, {}).error().reason == "signing-failed");
}

TEST_SUITE_END();
