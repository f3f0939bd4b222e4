#include "crypto/authorities.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <new>

namespace keysluice::crypto {
namespace {

using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using UsagesPtr = std::unique_ptr<EXTENDED_KEY_USAGE, Free<EXTENDED_KEY_USAGE_free>>;

struct FreeStack {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), FreeStack>;

/// Keys of 112 bits of strength (RSA 2048) and more, SHA-1 signatures refused.
constexpr int kSecurityLevel = 2;
constexpr int kSecurityBits = 112;

std::string_view reason_of(int error) {
    switch (error) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_CERT_UNTRUSTED:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return "certificate-untrusted";
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "certificate-expired";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "certificate-not-yet-valid";
        case X509_V_ERR_CERT_REVOKED:
            return "certificate-revoked";
        case X509_V_ERR_UNABLE_TO_GET_CRL:
        case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
            return "crl-missing";
        case X509_V_ERR_CRL_HAS_EXPIRED:
        case X509_V_ERR_CRL_NOT_YET_VALID:
            return "crl-expired";
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
        case X509_V_ERR_CA_MD_TOO_WEAK:
            return "certificate-weak";
        default:
            return "certificate-refused";
    }
}

/// Intermediate authorities of whose issuer there is no revocation list are taken as they are.
int on_verified(int good, X509_STORE_CTX* context) {
    const int error = X509_STORE_CTX_get_error(context);
    if (good == 0 && error == X509_V_ERR_UNABLE_TO_GET_CRL && X509_STORE_CTX_get_error_depth(context) > 0) {
        X509_STORE_CTX_set_error(context, X509_V_OK);
        return 1;
    }
    return good;
}

std::string subject_or_unknown(X509_STORE_CTX* context, const Certificate& leaf) {
    X509* current = X509_STORE_CTX_get_current_cert(context);
    if (current == nullptr) {
        return leaf.subject();
    }
    X509_up_ref(current);
    return Certificate(CertificatePtr(current)).subject();
}

}  // namespace

Authorities::Authorities(const std::vector<Certificate>& trusted, const std::vector<RevocationListPtr>& revoked)
    : store_(X509_STORE_new()), revokes_(!revoked.empty()) {
    if (!store_) {
        throw std::bad_alloc();
    }
    for (const Certificate& each : trusted) {
        ids_.push_back(each.authority_id());
        X509_STORE_add_cert(store_.get(), each.get());
    }
    for (const RevocationListPtr& each : revoked) {
        X509_STORE_add_crl(store_.get(), each.get());
    }
    ERR_clear_error();  // one that is there twice
}

Result<void> Authorities::verify(const Certificate& leaf, std::span<const Certificate> others,
                                 std::chrono::system_clock::time_point at) const {
    if (auto sound = check_key(leaf); !sound) {
        return pass_on(std::move(sound));
    }
    const StackPtr untrusted{sk_X509_new_null()};
    for (const Certificate& each : others) {
        sk_X509_push(untrusted.get(), each.get());
    }
    const StoreContextPtr context{X509_STORE_CTX_new()};
    if (!context || X509_STORE_CTX_init(context.get(), store_.get(), leaf.get(), untrusted.get()) != 1) {
        throw std::bad_alloc();
    }
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_time(rules, std::chrono::system_clock::to_time_t(at));
    X509_VERIFY_PARAM_set_depth(rules, static_cast<int>(kLongestChain) - 1);
    X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
    // An authority that the administrator names is trusted, whether or not somebody vouches for it in turn.
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
    if (revokes_) {
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
        X509_STORE_CTX_set_verify_cb(context.get(), on_verified);
    }
    X509_VERIFY_PARAM_set_flags(rules, flags);
    const bool good = X509_verify_cert(context.get()) == 1;
    ERR_clear_error();
    if (!good) {
        const int error = X509_STORE_CTX_get_error(context.get());
        return fail(reason_of(error),
                    fmt::format("the certificate of {}: {}", subject_or_unknown(context.get(), leaf),
                                X509_verify_cert_error_string(error)));
    }
    return check_purpose(leaf);
}

Result<void> check_purpose(const Certificate& certificate) {
    const std::uint32_t usage = X509_get_key_usage(certificate.get());  // all bits where the extension is absent
    if ((usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0) {
        return fail("certificate-purpose",
                    fmt::format("the certificate of {} may not be used for signatures: its key usage has neither "
                                "digitalSignature nor nonRepudiation",
                                certificate.subject()));
    }
    const UsagesPtr purposes{
        static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate.get(), NID_ext_key_usage, nullptr, nullptr))};
    ERR_clear_error();
    // Authorities give gateways those of TLS more often than IKE's own.
    static constexpr std::array kFitting{NID_ipsec_IKE,   NID_ipsecEndSystem,      NID_ipsecTunnel, NID_ipsecUser,
                                         NID_server_auth, NID_anyExtendedKeyUsage, NID_client_auth};
    bool fitting = !purposes && X509_get_ext_by_NID(certificate.get(), NID_ext_key_usage, -1) < 0;
    for (int i = 0; i < sk_ASN1_OBJECT_num(purposes.get()); ++i) {
        const int purpose = OBJ_obj2nid(sk_ASN1_OBJECT_value(purposes.get(), i));
        fitting = fitting || std::ranges::find(kFitting, purpose) != kFitting.end();
    }
    if (!fitting) {
        return fail("certificate-purpose",
                    fmt::format("the certificate of {} is for other purposes: its extended key usage has none of "
                                "ipsecIKE, serverAuth, clientAuth and anyExtendedKeyUsage",
                                certificate.subject()));
    }
    return {};
}

Result<KeyKind> check_key(const Certificate& certificate) {
    const auto kind = certificate.key_kind();
    if (!kind) {
        return fail(
            "certificate-key-kind",
            fmt::format("the certificate of {} has a key of a kind that is not used here: expected RSA, ECDSA "
                        "on P-256, P-384 or P-521, Ed25519 or Ed448",
                        certificate.subject()));
    }
    if (EVP_PKEY_get_security_bits(certificate.key()) < kSecurityBits) {
        return fail("certificate-weak",
                    fmt::format("the certificate of {} has an {} key of {} bits: expected 2048 and more",
                                certificate.subject(), name_of(*kind), EVP_PKEY_get_bits(certificate.key())));
    }
    return *kind;
}

}  // namespace keysluice::crypto
