#include "daemon/control/stapling.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/tls1.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

#include "crypto/ocsp.hpp"

namespace keysluice::control {
namespace {

using std::chrono::system_clock;

/// One certificate of a service, and the lines that name it.
struct Stapled {
    std::string_view certificate;
    std::string_view file;
    Position certificate_stands;
    Position file_stands;
};

using FeaturesPtr = std::unique_ptr<TLS_FEATURE, crypto::Free<TLS_FEATURE_free>>;

/// RFC 7633: clients refuse it without a response.
bool must_staple(const X509& certificate) {
    const FeaturesPtr features(
        static_cast<TLS_FEATURE*>(X509_get_ext_d2i(&certificate, NID_tlsfeature, nullptr, nullptr)));
    ERR_clear_error();
    for (int i = 0; i < sk_ASN1_INTEGER_num(features.get()); ++i) {
        if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features.get(), i)) == TLSEXT_TYPE_status_request) {
            return true;
        }
    }
    return false;
}

void doubt_unstapled(const Stapled& stapled, const X509& leaf, const Position& where, Diagnostics& doubts) {
    if (must_staple(leaf)) {
        doubts.push_back(
            {where, "must-staple",
             fmt::format("WARNING: {}: this certificate says that an OCSP response is always stapled to it (TLS "
                         "feature), and there is no current one: clients will refuse it. Fetch one for ocsp",
                         stapled.certificate)});
    }
}

void doubt_response(std::string_view file, const crypto::OcspResponse& response, const Position& where,
                    system_clock::time_point now, Diagnostics& doubts) {
    if (!response.current(now)) {
        const bool over = response.from <= std::chrono::floor<std::chrono::seconds>(now);
        doubts.push_back(
            {where, "ocsp-not-current",
             fmt::format("WARNING: ocsp: {}: this response {} {:%Y-%m-%d %H:%M:%S} UTC: it is not "
                         "stapled. Fetch a new one",
                         file, over ? "was good until" : "is good only from",
                         fmt::gmtime((over ? response.until : response.from).time_since_epoch().count()))});
    }
    if (!response.good) {
        doubts.push_back({where, "ocsp-not-good",
                          fmt::format("WARNING: ocsp: {}: this response says that the certificate is revoked or "
                                      "unknown to its issuer, and clients will hear that",
                                      file)});
    }
}

void doubt(const Stapled& stapled, system_clock::time_point now, Diagnostics& doubts) {
    if (stapled.certificate.empty()) {
        return;
    }
    const auto chain = crypto::read_certificate_chain(stapled.certificate, now);
    if (!chain) {
        return;
    }
    if (stapled.file.empty()) {
        doubt_unstapled(stapled, *chain->leaf, stapled.certificate_stands, doubts);
        return;
    }
    const auto response = crypto::read_ocsp_response(stapled.file, *chain);
    if (!response) {
        return;
    }
    doubt_response(stapled.file, *response, stapled.file_stands, now, doubts);
    if (!response->current(now)) {
        doubt_unstapled(stapled, *chain->leaf, stapled.file_stands, doubts);
    }
}

}  // namespace

Diagnostics doubts_about_stapling(const Configuration& configuration, system_clock::time_point now) {
    Diagnostics doubts;
    for (std::size_t i = 0; i < configuration.services.size(); ++i) {
        const TlsService& service = configuration.services[i];
        const ServiceSource& source = configuration.sources[i];
        if (service.mode == Mode::client) {
            continue;  // nothing is stapled to a client's certificate
        }
        doubt({service.certificate, service.ocsp, source.certificate, source.ocsp}, now, doubts);
        for (std::size_t further = 0; further < service.certificates.size(); ++further) {
            const ServiceCertificate& each = service.certificates[further];
            const CertificateSource& stands = source.certificates[further];
            doubt({each.certificate, each.ocsp, stands.certificate, stands.ocsp}, now, doubts);
        }
    }
    return doubts;
}

}  // namespace keysluice::control
