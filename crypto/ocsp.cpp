#include "crypto/ocsp.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "crypto/file_bytes.hpp"

namespace keysluice::crypto {

namespace {

using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, Free<OCSP_RESPONSE_free>>;
using BasicResponsePtr = std::unique_ptr<OCSP_BASICRESP, Free<OCSP_BASICRESP_free>>;
using CertificateIdPtr = std::unique_ptr<OCSP_CERTID, Free<OCSP_CERTID_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;

/// Of others' certificates.
void free_stack(STACK_OF(X509) * certificates) {
    sk_X509_free(certificates);
}
using StackPtr = std::unique_ptr<STACK_OF(X509), Free<free_stack>>;

X509* issuer_of(const CertificateChain& chain) {
    const auto found = std::ranges::find_if(chain.intermediates, [&](const CertificatePtr& each) {
        return X509_check_issued(each.get(), chain.leaf.get()) == X509_V_OK;
    });
    return found == chain.intermediates.end() ? nullptr : found->get();
}

/// The response may name the certificate by hashes of its own choice.
bool is_about(const OCSP_SINGLERESP* response, const X509* certificate, const X509* issuer) {
    const OCSP_CERTID* id = OCSP_SINGLERESP_get0_id(response);
    ASN1_OBJECT* algorithm = nullptr;
    OCSP_id_get0_info(nullptr, &algorithm, nullptr, nullptr, const_cast<OCSP_CERTID*>(id));
    const EVP_MD* hash = EVP_get_digestbyobj(algorithm);
    const CertificateIdPtr expected(hash == nullptr ? nullptr : OCSP_cert_to_id(hash, certificate, issuer));
    return expected && OCSP_id_cmp(id, expected.get()) == 0;
}

OCSP_SINGLERESP* find(OCSP_BASICRESP* responses, const X509* certificate, const X509* issuer) {
    for (int i = 0; i < OCSP_resp_count(responses); ++i) {
        OCSP_SINGLERESP* each = OCSP_resp_get0(responses, i);
        if (is_about(each, certificate, issuer)) {
            return each;
        }
    }
    return nullptr;
}

/// Until when its signer may sign; nothing: it is not signed by the issuer, nor for it.
std::optional<std::chrono::sys_seconds> end_of_signer(OCSP_BASICRESP* response, X509* issuer) {
    const StorePtr trusted(X509_STORE_new());
    const StackPtr known(sk_X509_new_null());
    if (!trusted || !known || sk_X509_push(known.get(), issuer) == 0) {
        return std::nullopt;
    }
    X509_STORE_add_cert(trusted.get(), issuer);
    X509_STORE_set_flags(trusted.get(), X509_V_FLAG_NO_CHECK_TIME);
    X509* signer = nullptr;
    if (OCSP_basic_verify(response, known.get(), trusted.get(), OCSP_PARTIAL_CHAIN) != 1 ||
        OCSP_resp_get0_signer(response, &signer, known.get()) != 1) {
        return std::nullopt;
    }
    return moment_of(X509_get0_notAfter(signer)).value_or(std::chrono::sys_seconds{});
}

Result<OcspResponse> take(const std::filesystem::path& file, OCSP_SINGLERESP* response,
                          std::chrono::sys_seconds signer_ends, Bytes der) {
    ASN1_GENERALIZEDTIME* this_update = nullptr;
    ASN1_GENERALIZEDTIME* next_update = nullptr;
    const int status = OCSP_single_get0_status(response, nullptr, nullptr, &this_update, &next_update);
    const auto from = moment_of(this_update);
    const auto until = moment_of(next_update);
    if (!from || (next_update != nullptr && !until)) {
        return fail("ocsp-malformed", fmt::format("{}: this response has no readable time", file.native()));
    }
    // RFC 6960 4.2.2.1: "If nextUpdate is not set, the responder is indicating that newer revocation information is
    // available all the time." A file is not asked all the time.
    return OcspResponse{.der = {der.begin(), der.end()},
                        .good = status == V_OCSP_CERTSTATUS_GOOD,
                        .from = *from,
                        .until = std::min(until.value_or(*from + kWithoutNextUpdate), signer_ends)};
}

Result<OcspResponse> parse(const std::filesystem::path& file, Bytes der, const CertificateChain& chain) {
    const unsigned char* next = der.data();
    const ResponsePtr response(d2i_OCSP_RESPONSE(nullptr, &next, static_cast<long>(der.size())));
    if (!response || next != der.data() + der.size()) {
        return fail("ocsp-malformed", fmt::format("{}: one OCSP response in DER is expected", file.native()));
    }
    if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        return fail("ocsp-unsuccessful", fmt::format("{}: the responder gave no answer but \"{}\"; ask it again",
                                                     file.native(), OCSP_response_status_str(status)));
    }
    const BasicResponsePtr basic(OCSP_response_get1_basic(response.get()));
    if (!basic) {
        return fail("ocsp-malformed", fmt::format("{}: a basic OCSP response is expected", file.native()));
    }
    X509* issuer = issuer_of(chain);
    if (issuer == nullptr) {
        return fail("ocsp-issuer-missing",
                    fmt::format("{}: whether this response is genuine can't be seen without the certificate of the "
                                "issuer; put it behind that of {}",
                                file.native(), subject_of(*chain.leaf)));
    }
    OCSP_SINGLERESP* single = find(basic.get(), chain.leaf.get(), issuer);
    if (single == nullptr) {
        return fail("ocsp-other-certificate", fmt::format("{}: this response is not about the certificate of {}",
                                                          file.native(), subject_of(*chain.leaf)));
    }
    ERR_clear_error();
    const auto signer_ends = end_of_signer(basic.get(), issuer);
    if (!signer_ends) {
        return fail("ocsp-untrusted",
                    fmt::format("{}: this response is not signed by the issuer of the certificate of {}, nor for "
                                "it: {}",
                                file.native(), subject_of(*chain.leaf), take_openssl_error()));
    }
    return take(file, single, *signer_ends, der);
}

}  // namespace

Result<OcspResponse> read_ocsp_response(const std::filesystem::path& file, const CertificateChain& chain) {
    const auto contents = FileBytes::read(file);
    if (!contents) {
        return fail("ocsp-unreadable",
                    fmt::format("{}: the OCSP response can't be read: {}", file.native(), contents.error()));
    }
    auto response = parse(file, contents->view(), chain);
    ERR_clear_error();
    return response;
}

}  // namespace keysluice::crypto
