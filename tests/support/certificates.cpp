#include "tests/support/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <ctime>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace keysluice::testing {

namespace {

std::shared_ptr<EVP_PKEY> make_key(KeyType type) {
    const auto curve = [](const char* name) { return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", name); };
    const auto rsa = [](std::size_t bits) { return EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits); };
    const auto generate = [&]() -> EVP_PKEY* {
        switch (type) {
            case KeyType::p256:
                return curve("P-256");
            case KeyType::p384:
                return curve("P-384");
            case KeyType::p521:
                return curve("P-521");
            case KeyType::secp256k1:
                return curve("secp256k1");
            case KeyType::rsa2048:
                return rsa(2048);
            case KeyType::rsa1024:
                return rsa(1024);
            case KeyType::ed25519:
                return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
            case KeyType::ed448:
                return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448");
        }
        return nullptr;
    };
    return {generate(), EVP_PKEY_free};
}

/// EdDSA has no hash to be chosen.
const EVP_MD* hash_for(EVP_PKEY* key, bool sha1) {
    const int kind = EVP_PKEY_get_base_id(key);
    return kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448 ? nullptr : sha1 ? EVP_sha1() : EVP_sha256();
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    if (extension == nullptr) {
        throw std::runtime_error("bad certificate extension: " + value);
    }
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

std::shared_ptr<X509> sign(const CertificateRequest& request, EVP_PKEY* key, int serial) {
    std::shared_ptr<X509> made{X509_new(), X509_free};
    X509* certificate = made.get();
    X509* issuer = request.issuer != nullptr ? request.issuer->certificate.get() : certificate;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), request.from.count());
    X509_gmtime_adj(X509_getm_notAfter(certificate), request.until.count());
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.subject.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509_set_pubkey(certificate, key);
    add_extension(certificate, issuer, NID_basic_constraints, request.authority ? "critical,CA:TRUE" : "CA:FALSE");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    if (!request.names.empty()) {
        add_extension(certificate, issuer, NID_subject_alt_name, request.names);
    }
    if (!request.key_usage.empty()) {
        add_extension(certificate, issuer, NID_key_usage, request.key_usage);
    }
    if (!request.extended_key_usage.empty()) {
        add_extension(certificate, issuer, NID_ext_key_usage, request.extended_key_usage);
    }
    EVP_PKEY* issuer_key = request.issuer != nullptr ? request.issuer->key.get() : key;
    X509_sign(certificate, issuer_key, hash_for(issuer_key, request.sha1));
    return made;
}

}  // namespace

CertificateFolder::CertificateFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "keysluice-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("no temporary folder");
    }
    folder_ = pattern;
}

CertificateFolder::~CertificateFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

Issued CertificateFolder::make(const CertificateRequest& request) {
    ++made_;
    Issued issued;
    issued.key = make_key(request.key);
    issued.certificate = sign(request, issued.key.get(), made_);
    issued.certificate_file = folder_ / (std::to_string(made_) + ".pem");
    issued.key_file = folder_ / (std::to_string(made_) + ".key");
    const tls::BioPtr certificate{BIO_new_file(issued.certificate_file.c_str(), "w")};
    const tls::BioPtr key{BIO_new_file(issued.key_file.c_str(), "w")};
    PEM_write_bio_X509(certificate.get(), issued.certificate.get());
    PEM_write_bio_PKCS8PrivateKey(key.get(), issued.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return issued;
}

std::filesystem::path CertificateFolder::write_chain(std::initializer_list<const Issued*> chain) {
    std::string pem;
    for (const Issued* each : chain) {
        pem += contents_of(each->certificate_file);
    }
    return write("chain-" + std::to_string(++made_) + ".pem", pem);
}

std::filesystem::path CertificateFolder::revoke(const Issued& authority, std::initializer_list<const Issued*> revoked,
                                                std::chrono::seconds until) {
    const std::unique_ptr<X509_CRL, tls::Free<X509_CRL_free>> list{X509_CRL_new()};
    const std::unique_ptr<ASN1_TIME, tls::Free<ASN1_TIME_free>> when{X509_gmtime_adj(nullptr, -7200)};
    const std::unique_ptr<ASN1_TIME, tls::Free<ASN1_TIME_free>> next{X509_gmtime_adj(nullptr, until.count())};
    X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(authority.certificate.get()));
    X509_CRL_set1_lastUpdate(list.get(), when.get());
    X509_CRL_set1_nextUpdate(list.get(), next.get());
    for (const Issued* each : revoked) {
        X509_REVOKED* entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(each->certificate.get()));
        X509_REVOKED_set_revocationDate(entry, when.get());
        X509_CRL_add0_revoked(list.get(), entry);
    }
    X509_CRL_sort(list.get());
    X509_CRL_sign(list.get(), authority.key.get(), hash_for(authority.key.get(), false));
    std::filesystem::path file = folder_ / ("crl-" + std::to_string(++made_) + ".pem");
    const tls::BioPtr out{BIO_new_file(file.c_str(), "w")};
    PEM_write_bio_X509_CRL(out.get(), list.get());
    return file;
}

std::filesystem::path CertificateFolder::staple(const Issued& subject, const Issued& issuer,
                                                const StatusRequest& request) {
    using Time = std::unique_ptr<ASN1_TIME, tls::Free<ASN1_TIME_free>>;
    const std::time_t now = std::time(nullptr);
    const Time from{ASN1_GENERALIZEDTIME_adj(nullptr, now, 0, request.from.count())};
    const Time until{ASN1_GENERALIZEDTIME_adj(nullptr, now, 0, request.until.count())};
    const std::unique_ptr<OCSP_BASICRESP, tls::Free<OCSP_BASICRESP_free>> basic{OCSP_BASICRESP_new()};
    const std::unique_ptr<OCSP_CERTID, tls::Free<OCSP_CERTID_free>> id{
        OCSP_cert_to_id(EVP_sha1(), subject.certificate.get(), issuer.certificate.get())};
    const int status = request.revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
    OCSP_basic_add1_status(basic.get(), id.get(), status, OCSP_REVOKED_STATUS_NOSTATUS,
                           request.revoked ? from.get() : nullptr, from.get(),
                           request.until.count() != 0 ? until.get() : nullptr);
    const Issued& signer = request.responder != nullptr ? *request.responder : issuer;
    OCSP_basic_sign(basic.get(), signer.certificate.get(), signer.key.get(), EVP_sha256(), nullptr, 0);
    const std::unique_ptr<OCSP_RESPONSE, tls::Free<OCSP_RESPONSE_free>> response{
        OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())};
    std::filesystem::path file = folder_ / ("ocsp-" + std::to_string(++made_) + ".der");
    const tls::BioPtr out{BIO_new_file(file.c_str(), "w")};
    i2d_OCSP_RESPONSE_bio(out.get(), response.get());
    return file;
}

std::filesystem::path CertificateFolder::write(std::string_view name, std::string_view contents) {
    std::filesystem::path file = folder_ / name;
    std::ofstream(file, std::ios::binary) << contents;
    return file;
}

std::filesystem::path CertificateFolder::write_encrypted(const Issued& issued) {
    std::filesystem::path file = folder_ / "encrypted.key";
    const tls::BioPtr out{BIO_new_file(file.c_str(), "w")};
    std::string passphrase = "sesame";
    PEM_write_bio_PKCS8PrivateKey(out.get(), issued.key.get(), EVP_aes_128_cbc(), passphrase.data(),
                                  static_cast<int>(passphrase.size()), nullptr, nullptr);
    return file;
}

std::string contents_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace keysluice::testing
