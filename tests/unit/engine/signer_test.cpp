#include "daemon/engine/signer.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "crypto/signature.hpp"
#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike::testing;
using crypto::SignatureScheme;

namespace {

const std::vector<std::uint8_t> kOctets{1, 2, 3};

SignatureWanted wanted(const KeyId& key, SignatureScheme scheme = SignatureScheme::ecdsa_sha256) {
    return {.token = 7, .key = key, .scheme = static_cast<std::uint8_t>(scheme), .octets = kOctets};
}

}  // namespace

TEST_SUITE_BEGIN("signer");

TEST_CASE("what an engine has loaded, it signs with") {
    const Issued& issued = vault().leaf("a.example", KeyType::p256);
    const KeyId id = crypto::key_id(*issued.key);
    Signer signer;
    CHECK(signer.sign(wanted(id)).signature.empty());
    CHECK(signer.load({id, issued.key_file}) == SigningKeyLoaded{id, "", ""});
    const SignatureMade made = signer.sign(wanted(id));
    CHECK(made.token == 7);
    CHECK(crypto::verify(*issued.key, SignatureScheme::ecdsa_sha256, kOctets, made.signature));
    // It stays when its file goes.
    CHECK(signer.load({id, "/nowhere"}).reason == "private-key-unreadable");
    CHECK_FALSE(signer.sign(wanted(id)).signature.empty());
}

TEST_CASE("a key in a memory file, which has no name") {
    const Issued& issued = vault().leaf("a.example", KeyType::p256);
    const KeyId id = crypto::key_id(*issued.key);
    const UniqueFd file(::open(issued.key_file.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(file);
    Signer signer;
    for (int each = 0; each < 2; ++each) {  // from its beginning, whoever has read it
        CHECK(signer.load({id, "option:private_key"}, file).reason.empty());
    }
    CHECK_FALSE(signer.sign(wanted(id)).signature.empty());
    const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const SigningKeyLoaded refused = signer.load({id, "option:private_key"}, nothing);
    CHECK(refused.reason == "private-key-unreadable");
    CHECK(refused.sentence.starts_with("option:private_key: "));
}

TEST_CASE("what can't be done is said") {
    const Issued& issued = vault().leaf("a.example", KeyType::p256);
    const KeyId id = crypto::key_id(*issued.key);
    const KeyId other = crypto::key_id(*vault().leaf("b.example", KeyType::p256).key);
    Signer signer;
    CHECK(signer.load({other, issued.key_file}).reason == "private-key-mismatch");
    CHECK(signer.load({id, vault().folder.write("no.key", "nothing")}).reason == "private-key-malformed");
    CHECK(signer.load({id, issued.key_file}).reason.empty());
    for (const SignatureWanted& each :
         {wanted(other), wanted(id, SignatureScheme::rsa_sha256), SignatureWanted{1, id, 200, {}}}) {
        const SignatureMade made = signer.sign(each);
        CHECK(made.signature.empty());
        CHECK_FALSE(made.sentence.empty());
    }
}

TEST_SUITE_END();
