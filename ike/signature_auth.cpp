#include "ike/signature_auth.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>

#include "crypto/openssl.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::ike {
namespace {

using crypto::KeyKind;
using crypto::SignatureScheme;
using wire::AuthMethod;

constexpr std::uint16_t kSha256 = 2;
constexpr std::uint16_t kSha384 = 3;
constexpr std::uint16_t kSha512 = 4;
/// RFC 8420 section 2: "the receiver supports at least one signature algorithm that accepts messages of arbitrary
/// size such as Ed25519 and Ed448."
constexpr std::uint16_t kIdentity = 5;
constexpr std::array kOurHashes{kSha256, kSha384, kSha512, kIdentity};
constexpr std::size_t kMostHashes = 32;

/// Octets of r and of s (RFC 4754).
std::size_t ecdsa_width(AuthMethod method) {
    return method == AuthMethod::ecdsa_256 ? 32 : method == AuthMethod::ecdsa_384 ? 48 : 66;
}

/// A scheme of method 14 by its AlgorithmIdentifier (RFC 7427 appendix A, RFC 8420 appendix A).
struct Identified {
    SignatureScheme scheme;
    std::uint16_t hash;
    std::span<const std::uint8_t> identifier;
};

constexpr std::array<std::uint8_t, 15> rsa_identifier(std::uint8_t last) {
    return {0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, last, 0x05, 0x00};
}
constexpr std::array<std::uint8_t, 12> ecdsa_identifier(std::uint8_t last) {
    return {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, last};
}
constexpr std::array<std::uint8_t, 7> eddsa_identifier(std::uint8_t last) {
    return {0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, last};
}
/// Appendix A.4.3: the hash's identifier stands in it twice, then the salt's length.
constexpr std::array<std::uint8_t, 72> pss_identifier(std::uint8_t hash, std::uint8_t salt) {
    return {0x30, 0x46, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A, 0x30, 0x39,
            0xA0, 0x0F, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash,
            0x05, 0x00, 0xA1, 0x1C, 0x30, 0x1A, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01,
            0x01, 0x08, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash,
            0x05, 0x00, 0xA2, 0x03, 0x02, 0x01, salt, 0xA3, 0x03, 0x02, 0x01, 0x01};
}

constexpr auto kRsaSha256 = rsa_identifier(0x0B);
constexpr auto kRsaSha384 = rsa_identifier(0x0C);
constexpr auto kRsaSha512 = rsa_identifier(0x0D);
constexpr auto kPssSha256 = pss_identifier(0x01, 0x20);
constexpr auto kPssSha384 = pss_identifier(0x02, 0x30);
constexpr auto kPssSha512 = pss_identifier(0x03, 0x40);
constexpr auto kEcdsaSha256 = ecdsa_identifier(0x02);
constexpr auto kEcdsaSha384 = ecdsa_identifier(0x03);
constexpr auto kEcdsaSha512 = ecdsa_identifier(0x04);
constexpr auto kEd25519 = eddsa_identifier(0x70);
constexpr auto kEd448 = eddsa_identifier(0x71);

constexpr std::array kIdentified{
    Identified{SignatureScheme::rsa_sha256, kSha256, kRsaSha256},
    Identified{SignatureScheme::rsa_sha384, kSha384, kRsaSha384},
    Identified{SignatureScheme::rsa_sha512, kSha512, kRsaSha512},
    Identified{SignatureScheme::rsa_pss_sha256, kSha256, kPssSha256},
    Identified{SignatureScheme::rsa_pss_sha384, kSha384, kPssSha384},
    Identified{SignatureScheme::rsa_pss_sha512, kSha512, kPssSha512},
    Identified{SignatureScheme::ecdsa_sha256, kSha256, kEcdsaSha256},
    Identified{SignatureScheme::ecdsa_sha384, kSha384, kEcdsaSha384},
    Identified{SignatureScheme::ecdsa_sha512, kSha512, kEcdsaSha512},
    Identified{SignatureScheme::ed25519, kIdentity, kEd25519},
    Identified{SignatureScheme::ed448, kIdentity, kEd448},
};

const Identified* find_scheme(SignatureScheme scheme) {
    const auto* found = std::ranges::find(kIdentified, scheme, &Identified::scheme);
    return found == kIdentified.end() ? nullptr : found;
}

// ---- PSS parameters, which have several encodings

using AlgorithmPtr = std::unique_ptr<X509_ALGOR, crypto::Free<X509_ALGOR_free>>;
using PssPtr = std::unique_ptr<RSA_PSS_PARAMS, crypto::Free<RSA_PSS_PARAMS_free>>;

int nid_of(const X509_ALGOR* algorithm) {
    const ASN1_OBJECT* object = nullptr;
    if (algorithm != nullptr) {
        X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    }
    return object == nullptr ? NID_undef : OBJ_obj2nid(object);
}

/// What stands in an algorithm's parameters, read by an ASN.1 item; null where that is nothing of the kind.
template <typename Pointer>
Pointer parameters_of(const X509_ALGOR* algorithm, const ASN1_ITEM* item) {
    const void* value = nullptr;
    int type = V_ASN1_UNDEF;
    if (algorithm != nullptr) {
        X509_ALGOR_get0(nullptr, &type, &value, algorithm);
    }
    if (type != V_ASN1_SEQUENCE) {
        return {};
    }
    return Pointer(
        static_cast<typename Pointer::pointer>(ASN1_item_unpack(static_cast<const ASN1_STRING*>(value), item)));
}

std::optional<SignatureScheme> read_pss(const RSA_PSS_PARAMS& parameters) {
    struct Hash {
        int nid;
        long size;
        SignatureScheme scheme;
    };
    static constexpr std::array kHashes{Hash{NID_sha256, 32, SignatureScheme::rsa_pss_sha256},
                                        Hash{NID_sha384, 48, SignatureScheme::rsa_pss_sha384},
                                        Hash{NID_sha512, 64, SignatureScheme::rsa_pss_sha512}};
    const auto* hash = std::ranges::find(kHashes, nid_of(parameters.hashAlgorithm), &Hash::nid);
    const auto mask_hash = parameters_of<AlgorithmPtr>(parameters.maskGenAlgorithm, ASN1_ITEM_rptr(X509_ALGOR));
    const bool trailer = parameters.trailerField == nullptr || ASN1_INTEGER_get(parameters.trailerField) == 1;
    if (hash == kHashes.end() || nid_of(parameters.maskGenAlgorithm) != NID_mgf1 ||
        nid_of(mask_hash.get()) != hash->nid || parameters.saltLength == nullptr ||
        ASN1_INTEGER_get(parameters.saltLength) != hash->size || !trailer) {
        return {};
    }
    return hash->scheme;
}

/// The scheme of an AlgorithmIdentifier.
std::optional<SignatureScheme> identify(Bytes identifier) {
    const auto same = [&](const Identified& each) { return std::ranges::equal(each.identifier, identifier); };
    if (const auto* found = std::ranges::find_if(kIdentified, same); found != kIdentified.end()) {
        return found->scheme;
    }
    const std::uint8_t* at = identifier.data();
    const AlgorithmPtr algorithm{d2i_X509_ALGOR(nullptr, &at, static_cast<long>(identifier.size()))};
    std::optional<SignatureScheme> scheme;
    if (algorithm && at == identifier.data() + identifier.size() && nid_of(algorithm.get()) == NID_rsassaPss) {
        const auto parameters = parameters_of<PssPtr>(algorithm.get(), ASN1_ITEM_rptr(RSA_PSS_PARAMS));
        scheme = parameters ? read_pss(*parameters) : std::nullopt;
    }
    ERR_clear_error();
    return scheme;
}

/// RFC 7427 section 3, figure 2: the identifier behind its length, then the signature.
struct DigitalSignature {
    Bytes identifier;
    Bytes value;
};
DigitalSignature split(const wire::AuthPayload& proof) {
    Reader reader(proof.data);
    const Bytes identifier = reader.prefixed<std::uint8_t>();
    return {.identifier = identifier, .value = reader.rest()};
}

bool signs_with_pkcs1(const wire::AuthPayload* proof) {
    if (proof == nullptr || proof->method != AuthMethod::digital_signature) {
        return false;
    }
    const auto scheme = identify(split(*proof).identifier);
    return scheme && *scheme >= SignatureScheme::rsa_sha256 && *scheme <= SignatureScheme::rsa_sha512;
}

// ---- choosing

/// The first of ours that the peer knows, too.
std::optional<SigningPlan> first_known(std::initializer_list<SignatureScheme> ours, const HashIds& peer_hashes) {
    for (const SignatureScheme scheme : ours) {
        if (std::ranges::find(peer_hashes, find_scheme(scheme)->hash) != peer_hashes.end()) {
            return SigningPlan{AuthMethod::digital_signature, scheme};
        }
    }
    return {};
}

std::optional<SigningPlan> plan_digital(KeyKind key, const HashIds& hashes, bool pkcs1) {
    using enum SignatureScheme;
    switch (key) {
        case KeyKind::rsa:
            return pkcs1 ? first_known({rsa_sha256, rsa_sha384, rsa_sha512}, hashes)
                         : first_known({rsa_pss_sha256, rsa_pss_sha384, rsa_pss_sha512}, hashes);
        case KeyKind::ecdsa_p256:
            return first_known({ecdsa_sha256, ecdsa_sha384, ecdsa_sha512}, hashes);
        case KeyKind::ecdsa_p384:
            return first_known({ecdsa_sha384, ecdsa_sha512, ecdsa_sha256}, hashes);
        case KeyKind::ecdsa_p521:
            return first_known({ecdsa_sha512, ecdsa_sha384, ecdsa_sha256}, hashes);
        case KeyKind::ed25519:
            return first_known({ed25519}, hashes);
        case KeyKind::ed448:
            return first_known({ed448}, hashes);
    }
    std::unreachable();
}

/// For peers that know no method 14.
std::optional<SigningPlan> plan_old(KeyKind key) {
    switch (key) {
        case KeyKind::rsa:
            // RFC 7296 section 3.8: "implementations that support this type […] SHOULD use SHA-1 as the default hash
            // function when generating signatures."
            return SigningPlan{AuthMethod::rsa, SignatureScheme::rsa_sha1};
        case KeyKind::ecdsa_p256:
            return SigningPlan{AuthMethod::ecdsa_256, SignatureScheme::ecdsa_sha256};
        case KeyKind::ecdsa_p384:
            return SigningPlan{AuthMethod::ecdsa_384, SignatureScheme::ecdsa_sha384};
        case KeyKind::ecdsa_p521:
            return SigningPlan{AuthMethod::ecdsa_521, SignatureScheme::ecdsa_sha512};
        case KeyKind::ed25519:
        case KeyKind::ed448:
            return {};
    }
    std::unreachable();
}

// ---- checking

std::unexpected<Error> wrong_method(const wire::AuthPayload& proof, const crypto::Certificate& certificate) {
    const auto kind = certificate.key_kind();
    return fail(
        "auth-method",
        fmt::format("its signature is of method {} with an algorithm that is unknown or not for "
                    "the {} key of {}",
                    static_cast<int>(proof.method), kind ? name_of(*kind) : "unusable", certificate.subject()));
}

Result<void> check_with(SignatureScheme scheme, const crypto::Certificate& certificate, Bytes octets,
                        Bytes signature) {
    if (!crypto::verify(*certificate.key(), scheme, octets, signature)) {
        return fail("auth-failed",
                    fmt::format("its signature was not made with the key of {}'s certificate, or for another message",
                                certificate.subject()));
    }
    return {};
}

Result<void> check_digital(const wire::AuthPayload& proof, const crypto::Certificate& certificate, Bytes octets) {
    const DigitalSignature signature = split(proof);
    const auto scheme = identify(signature.identifier);
    const auto kind = certificate.key_kind();
    if (!scheme || !kind || !crypto::fits(*kind, *scheme)) {
        return wrong_method(proof, certificate);
    }
    return check_with(*scheme, certificate, octets, signature.value);
}

Result<void> check_plain_rsa(const wire::AuthPayload& proof, const crypto::Certificate& certificate, Bytes octets,
                             bool allow_sha1) {
    if (certificate.key_kind() != KeyKind::rsa) {
        return wrong_method(proof, certificate);
    }
    // The method does not tell the hash function.
    using enum SignatureScheme;
    for (const SignatureScheme scheme : {rsa_sha256, rsa_sha384, rsa_sha512}) {
        if (check_with(scheme, certificate, octets, proof.data)) {
            return {};
        }
    }
    auto checked = check_with(rsa_sha1, certificate, octets, proof.data);
    if (checked && !allow_sha1) {
        return fail("signature-weak",
                    "it signs with SHA-1, as old implementations do; update it, or let it pass with "
                    "allow_weak = [\"sha1\"]");
    }
    return checked;
}

Result<void> check_old_ecdsa(const wire::AuthPayload& proof, const crypto::Certificate& certificate, Bytes octets) {
    const auto kind = certificate.key_kind();
    const auto plan = kind ? plan_old(*kind) : std::nullopt;
    if (!plan || plan->method != proof.method || proof.data.size() != 2 * ecdsa_width(proof.method)) {
        return wrong_method(proof, certificate);
    }
    return check_with(plan->scheme, certificate, octets, crypto::ecdsa_from_plain(proof.data));
}

}  // namespace

wire::NotifyPayload hash_algorithms() {
    Writer data;
    for (const std::uint16_t hash : kOurHashes) {
        data.be(hash);
    }
    return {.type = wire::NotifyType::signature_hash_algorithms,
            .protocol = wire::Protocol::none,
            .spi = {},
            .data = std::move(data).release()};
}

HashIds read_hash_algorithms(const Payloads& payloads) {
    HashIds hashes;
    for (const wire::Payload& payload : payloads) {
        const auto* notify = std::get_if<wire::NotifyPayload>(&payload);
        if (notify == nullptr || notify->type != wire::NotifyType::signature_hash_algorithms) {
            continue;
        }
        Reader data(notify->data);
        while (data.rest().size() >= 2 && hashes.size() < kMostHashes) {
            hashes.push_back(data.be<std::uint16_t>());
        }
    }
    return hashes;
}

Result<SigningPlan> plan_signature(KeyKind key, const HashIds& peer_hashes, const wire::AuthPayload* peer_proof,
                                   bool allow_sha1) {
    // RFC 7427 section 3: "If both ends send and receive SIGNATURE_HASH_ALGORITHMS Notify payloads, and signature
    // authentication is to be used, then the authentication method specified in this Authentication payload MUST be
    // used." Section 4: "a peer MUST pick one algorithm sent by the other peer."
    const auto plan =
        peer_hashes.empty() ? plan_old(key) : plan_digital(key, peer_hashes, signs_with_pkcs1(peer_proof));
    if (!plan) {
        return fail(
            "signature-hash",
            fmt::format("the peer knows no way to check signatures of our {} key: it told the hash functions "
                        "[{}], and needs {}; give it a newer version, or this connection another certificate",
                        name_of(key), fmt::join(peer_hashes, ", "),
                        key == KeyKind::ed25519 || key == KeyKind::ed448 ? "5 (identity)" : "2, 3 or 4 (SHA-2)"));
    }
    if (plan->scheme == SignatureScheme::rsa_sha1 && !allow_sha1) {
        return fail("signature-weak",
                    "the peer can check RSA signatures with SHA-1 only, since it told no hash functions "
                    "(RFC 7427); update it, or let SHA-1 pass with allow_weak = [\"sha1\"]");
    }
    return *plan;
}

Result<wire::AuthPayload> signed_proof(const SigningPlan& plan, KeyKind key, Bytes signature) {
    wire::AuthPayload proof{.method = plan.method, .data = {signature.begin(), signature.end()}};
    if (plan.method == AuthMethod::digital_signature) {
        Writer data;
        data.prefixed<std::uint8_t>(find_scheme(plan.scheme)->identifier).raw(signature);
        proof.data = std::move(data).release();
    } else if (plan.method != AuthMethod::rsa) {
        proof.data = crypto::ecdsa_to_plain(signature, ecdsa_width(plan.method));
    }
    if (signature.empty() || proof.data.empty()) {
        return fail("signing-failed", fmt::format("what came back is no signature of an {} key", name_of(key)));
    }
    return proof;
}

Result<void> check_signature(const wire::AuthPayload& proof, const crypto::Certificate& certificate, Bytes octets,
                             bool allow_sha1) {
    switch (proof.method) {
        case AuthMethod::digital_signature:
            return check_digital(proof, certificate, octets);
        case AuthMethod::rsa:
            return check_plain_rsa(proof, certificate, octets, allow_sha1);
        case AuthMethod::ecdsa_256:
        case AuthMethod::ecdsa_384:
        case AuthMethod::ecdsa_521:
            return check_old_ecdsa(proof, certificate, octets);
        case AuthMethod::shared_key:
        case AuthMethod::null:
            break;
    }
    return wrong_method(proof, certificate);
}

}  // namespace keysluice::ike
