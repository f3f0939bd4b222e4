#include "crypto/credentials.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "crypto/file_bytes.hpp"

namespace keysluice::crypto {

namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

/// OpenSSL would ask on the terminal; a service has nobody to ask.
int refuse_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

/// All certificates of a PEM file. Text and other objects between them are passed over, as everywhere.
std::expected<std::vector<CertificatePtr>, std::string> parse_certificates(Bytes contents) {
    const BioPtr reader = bio_over(contents);
    std::vector<CertificatePtr> certificates;
    ERR_clear_error();
    while (X509* certificate = PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)) {
        certificates.emplace_back(certificate);
    }
    const unsigned long code = ERR_peek_last_error();
    const bool reached_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    const std::string problem = take_openssl_error();
    if (!reached_end) {
        return std::unexpected(problem);
    }
    if (certificates.empty()) {
        return std::unexpected("there is none in it");
    }
    return certificates;
}

std::string date_of(const ASN1_TIME* time) {
    std::tm date{};
    if (ASN1_TIME_to_tm(time, &date) != 1) {
        ERR_clear_error();
        return "an unreadable date";
    }
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday,
                       date.tm_hour, date.tm_min, date.tm_sec);
}

Result<void> check_validity(std::string_view name, const X509& certificate,
                            std::chrono::system_clock::time_point now) {
    std::time_t moment = std::chrono::system_clock::to_time_t(now);
    const ASN1_TIME* first = X509_get0_notBefore(&certificate);
    const ASN1_TIME* last = X509_get0_notAfter(&certificate);
    if (X509_cmp_time(last, &moment) <= 0) {
        return fail("certificate-expired", fmt::format("{}: the certificate of {} expired at {}; renew it", name,
                                                       subject_of(certificate), date_of(last)));
    }
    if (X509_cmp_time(first, &moment) > 0) {
        return fail("certificate-not-yet-valid",
                    fmt::format("{}: the certificate of {} is valid from {} on; is this machine's clock right?", name,
                                subject_of(certificate), date_of(first)));
    }
    return {};
}

Result<CertificateChain> chain_from(Bytes pem, std::string_view name, std::chrono::system_clock::time_point now) {
    auto certificates = parse_certificates(pem);
    if (!certificates) {
        return fail("certificate-malformed",
                    fmt::format("{}: PEM certificates are expected, leaf first: {}", name, certificates.error()));
    }
    for (const CertificatePtr& certificate : *certificates) {
        if (auto valid = check_validity(name, *certificate, now); !valid) {
            return pass_on(std::move(valid));
        }
    }
    CertificateChain chain;
    chain.leaf = std::move(certificates->front());
    certificates->erase(certificates->begin());
    chain.intermediates = std::move(*certificates);
    return chain;
}

Result<PrivateKeyPtr> key_from(const std::expected<FileBytes, std::string>& contents, std::string_view name) {
    if (!contents) {
        return fail("private-key-unreadable",
                    fmt::format("{}: the private key can't be read: {}", name, contents.error()));
    }
    bool encrypted = false;
    PrivateKeyPtr key{PEM_read_bio_PrivateKey(contents->reader().get(), nullptr, refuse_passphrase, &encrypted)};
    const std::string problem = take_openssl_error();
    if (encrypted) {
        return fail("private-key-encrypted",
                    fmt::format("{}: the private key wants a passphrase; store it unencrypted, readable for the "
                                "service alone, or as a credential",
                                name));
    }
    if (!key) {
        return fail("private-key-malformed",
                    fmt::format("{}: a private key in PEM format is expected: {}", name, problem));
    }
    return key;
}

Result<std::vector<CertificatePtr>> authorities_from(Bytes pem, std::string_view name) {
    auto certificates = parse_certificates(pem);
    if (!certificates) {
        return fail("ca-malformed",
                    fmt::format("{}: PEM certificates of authorities are expected: {}", name, certificates.error()));
    }
    return std::move(*certificates);
}

Result<std::vector<RevocationListPtr>> lists_from(Bytes contents, std::string_view name) {
    std::vector<RevocationListPtr> lists;
    const BioPtr reader = bio_over(contents);
    while (X509_CRL* list = PEM_read_bio_X509_CRL(reader.get(), nullptr, nullptr, nullptr)) {
        lists.emplace_back(list);
    }
    if (lists.empty()) {
        if (X509_CRL* list = d2i_X509_CRL_bio(bio_over(contents).get(), nullptr)) {
            lists.emplace_back(list);
        }
    }
    const std::string problem = take_openssl_error();
    if (lists.empty()) {
        return fail("crl-malformed",
                    fmt::format("{}: a certificate revocation list in PEM or DER is expected: {}", name, problem));
    }
    return lists;
}

}  // namespace

Result<CertificateChain> read_certificate_chain(const std::filesystem::path& file,
                                                std::chrono::system_clock::time_point now) {
    const auto contents = FileBytes::read(file);
    if (!contents) {
        return fail("certificate-unreadable",
                    fmt::format("{}: the certificate can't be read: {}", file.native(), contents.error()));
    }
    return chain_from(contents->view(), file.native(), now);
}

Result<CertificateChain> parse_certificate_chain(std::string_view pem, std::string_view name,
                                                 std::chrono::system_clock::time_point now) {
    return chain_from(as_bytes(pem), name, now);
}

std::chrono::sys_seconds end_of(const CertificateChain& chain) {
    const auto end = [](const X509& certificate) {
        return moment_of(X509_get0_notAfter(&certificate)).value_or(std::chrono::sys_seconds{});
    };
    std::chrono::sys_seconds first = end(*chain.leaf);
    for (const CertificatePtr& each : chain.intermediates) {
        first = std::min(first, end(*each));
    }
    return first;
}

Result<PrivateKeyPtr> read_private_key(const std::filesystem::path& file) {
    return key_from(FileBytes::read(file), file.native());
}

Result<PrivateKeyPtr> read_private_key(int file, std::string_view name) {
    return key_from(FileBytes::read(file), name);
}

Result<PrivateKeyPtr> read_private_key(const std::filesystem::path& file, const X509& certificate) {
    auto key = read_private_key(file);
    if (!key) {
        return key;
    }
    const bool fits = X509_check_private_key(&certificate, key->get()) == 1;
    ERR_clear_error();
    if (!fits) {
        return fail("private-key-mismatch",
                    fmt::format("{}: this private key does not belong to the certificate of {}", file.native(),
                                subject_of(certificate)));
    }
    return key;
}

Result<std::vector<CertificatePtr>> read_authorities(const std::filesystem::path& file) {
    const auto contents = FileBytes::read(file);
    if (!contents) {
        return fail("ca-unreadable", fmt::format("{}: the authorities' certificates can't be read: {}", file.native(),
                                                 contents.error()));
    }
    return authorities_from(contents->view(), file.native());
}

Result<std::vector<CertificatePtr>> parse_authorities(std::string_view pem, std::string_view name) {
    return authorities_from(as_bytes(pem), name);
}

Result<std::vector<RevocationListPtr>> read_revocation_lists(const std::filesystem::path& file) {
    const auto contents = FileBytes::read(file);
    if (!contents) {
        return fail("crl-unreadable",
                    fmt::format("{}: the revocation list can't be read: {}", file.native(), contents.error()));
    }
    return lists_from(contents->view(), file.native());
}

Result<std::vector<RevocationListPtr>> parse_revocation_lists(std::string_view pem, std::string_view name) {
    return lists_from(as_bytes(pem), name);
}

std::vector<std::string> dns_names_of(const X509& certificate) {
    const NamesPtr all{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
    ERR_clear_error();
    std::vector<std::string> names;
    for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
        int type = 0;
        const auto* value =
            static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &type));
        if (type == GEN_DNS) {
            names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                               static_cast<std::size_t>(ASN1_STRING_length(value)));
        }
    }
    return names;
}

std::string subject_of(const X509& certificate) {
    const BioPtr text{BIO_new(BIO_s_mem())};
    X509_NAME_print_ex(text.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(text.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

std::string common_name_of(const X509& certificate) {
    const X509_NAME* subject = X509_get_subject_name(&certificate);
    const int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (place < 0) {
        return {};
    }
    unsigned char* octets = nullptr;
    const int size = ASN1_STRING_to_UTF8(&octets, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
    if (size < 0) {
        return {};
    }
    std::string name(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
    OPENSSL_free(octets);
    return name.contains('\0') ? std::string() : name;
}

}  // namespace keysluice::crypto
