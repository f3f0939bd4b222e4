#include "crypto/certificate.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cassert>

#include "crypto/credentials.hpp"

namespace keysluice::crypto {
namespace {

using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

/// What an i2d_… function of OpenSSL writes.
template <auto Encode, typename T>
std::vector<std::uint8_t> encoded(T* object) {
    const int size = Encode(object, nullptr);
    assert(size > 0);
    std::vector<std::uint8_t> der(static_cast<std::size_t>(size));
    std::uint8_t* out = der.data();
    Encode(object, &out);
    return der;
}

std::vector<std::uint8_t> octets_of(const ASN1_STRING& text) {
    const std::uint8_t* begin = ASN1_STRING_get0_data(&text);
    return {begin, begin + ASN1_STRING_length(&text)};
}

std::optional<Certificate::AlternativeName> read_name(const GENERAL_NAME& name) {
    using Kind = Certificate::AlternativeName::Kind;
    switch (name.type) {
        case GEN_DNS:
            return {{Kind::dns, octets_of(*name.d.dNSName)}};
        case GEN_EMAIL:
            return {{Kind::email, octets_of(*name.d.rfc822Name)}};
        case GEN_IPADD:
            return {{Kind::address, octets_of(*name.d.iPAddress)}};
        default:
            return {};
    }
}

}  // namespace

Result<Certificate> Certificate::parse(Bytes der) {
    const std::uint8_t* at = der.data();
    CertificatePtr certificate{d2i_X509(nullptr, &at, static_cast<long>(der.size()))};
    const std::string problem = take_openssl_error();
    if (!certificate || at != der.data() + der.size() || X509_get0_pubkey(certificate.get()) == nullptr) {
        ERR_clear_error();
        return fail("certificate-malformed", fmt::format("{} bytes are no X.509 certificate with a usable key{}{}",
                                                         der.size(), problem.empty() ? "" : ": ", problem));
    }
    return Certificate(std::move(certificate));
}

std::vector<std::uint8_t> Certificate::der() const {
    return encoded<i2d_X509>(get());
}

std::string Certificate::subject() const {
    return subject_of(*get());
}

std::vector<std::uint8_t> Certificate::subject_der() const {
    return encoded<i2d_X509_NAME>(X509_get_subject_name(get()));
}

std::vector<Certificate::AlternativeName> Certificate::alternative_names() const {
    const GeneralNamesPtr names{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(get(), NID_subject_alt_name, nullptr, nullptr))};
    ERR_clear_error();
    std::vector<AlternativeName> found;
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        if (auto name = read_name(*sk_GENERAL_NAME_value(names.get(), i))) {
            found.push_back(*std::move(name));
        }
    }
    return found;
}

std::optional<KeyKind> Certificate::key_kind() const {
    return kind_of(*key());
}

EVP_PKEY* Certificate::key() const {
    return X509_get0_pubkey(get());
}

Sha1 Certificate::authority_id() const {
    return sha1(encoded<i2d_X509_PUBKEY>(X509_get_X509_PUBKEY(get())));
}

Sha256 Certificate::key_id() const {
    return crypto::key_id(*key());
}

Sha256 key_id(const EVP_PKEY& key) {
    return sha256(encoded<i2d_PUBKEY>(&key));
}

}  // namespace keysluice::crypto
