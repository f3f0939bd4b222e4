#include "daemon/engine/signer.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "crypto/given_key.hpp"
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
    const KeyId name = crypto::given_key_name(id, "of hq");
    Signer signer;
    for (int each = 0; each < 2; ++each) {  // from its beginning, whoever has read it
        CHECK(signer.load({id, "of hq"}, file) == SigningKeyLoaded{name, "", ""});
    }
    CHECK_FALSE(signer.sign(wanted(name)).signature.empty());
    // Whoever has the certificate alone gets nothing of it.
    CHECK(signer.sign(wanted(id)).signature.empty());
    const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const SigningKeyLoaded refused = signer.load({id, "of other"}, nothing);
    CHECK(refused.reason == "private-key-unreadable");
    CHECK(refused.sentence.starts_with("of other: "));
    CHECK(signer.sign(wanted(refused.key)).signature.empty());
    CHECK_FALSE(signer.sign(wanted(name)).signature.empty());
    // Nor who comes under its name later.
    CHECK(signer.load({id, "of hq"}, nothing).key == name);
    CHECK(signer.sign(wanted(name)).signature.empty());
    // A key of the machine's is none of theirs, and stays.
    CHECK(signer.load({id, issued.key_file}).reason.empty());
    CHECK_FALSE(signer.load({id, "of hq"}, nothing).reason.empty());
    CHECK(signer.sign(wanted(name)).signature.empty());
    CHECK_FALSE(signer.sign(wanted(id)).signature.empty());
}

TEST_CASE("a key that nobody names any more is forgotten") {
    const Issued& issued = vault().leaf("a.example", KeyType::p256);
    const KeyId id = crypto::key_id(*issued.key);
    const UniqueFd file(::open(issued.key_file.c_str(), O_RDONLY | O_CLOEXEC));
    const KeyId given = crypto::given_key_name(id, "of hq");
    Signer signer;
    CHECK(signer.load({id, issued.key_file}).reason.empty());
    CHECK(signer.load({id, "of hq"}, file).reason.empty());
    signer.forget_others();
    CHECK(signer.find(id) != nullptr);
    CHECK(signer.find(given) != nullptr);
    // One whose file is gone is named all the same.
    CHECK_FALSE(signer.load({id, "/nowhere"}).reason.empty());
    signer.forget_others();
    CHECK(signer.find(id) != nullptr);
    CHECK(signer.find(given) == nullptr);
    signer.forget_others();
    CHECK(signer.find(id) == nullptr);
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
