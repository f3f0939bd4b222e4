#include "daemon/control/stapling.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <string>

#include "crypto/ocsp.hpp"

namespace keysluice::control {
namespace {

using std::chrono::system_clock;

void doubt(const std::string& certificate, const std::string& file, const Position& where,
           system_clock::time_point now, Diagnostics& doubts) {
    if (file.empty()) {
        return;
    }
    const auto chain = crypto::read_certificate_chain(certificate, now);
    if (!chain) {
        return;
    }
    const auto response = crypto::read_ocsp_response(file, *chain);
    if (!response) {
        return;
    }
    if (!response->current(now)) {
        const bool over = response->from <= std::chrono::floor<std::chrono::seconds>(now);
        doubts.push_back(
            {where, "ocsp-not-current",
             fmt::format("WARNING: ocsp: {}: this response {} {:%Y-%m-%d %H:%M:%S} UTC: it is not "
                         "stapled. Fetch a new one",
                         file, over ? "was good until" : "is good only from",
                         fmt::gmtime((over ? response->until : response->from).time_since_epoch().count()))});
    }
    if (!response->good) {
        doubts.push_back({where, "ocsp-not-good",
                          fmt::format("WARNING: ocsp: {}: this response says that the certificate is revoked or "
                                      "unknown to its issuer, and clients will hear that",
                                      file)});
    }
}

}  // namespace

Diagnostics doubts_about_stapling(const Configuration& configuration, system_clock::time_point now) {
    Diagnostics doubts;
    for (std::size_t i = 0; i < configuration.services.size(); ++i) {
        const TlsService& service = configuration.services[i];
        const ServiceSource& source = configuration.sources[i];
        doubt(service.certificate, service.ocsp, source.ocsp, now, doubts);
        for (std::size_t further = 0; further < service.certificates.size(); ++further) {
            const ServiceCertificate& each = service.certificates[further];
            doubt(each.certificate, each.ocsp, source.certificates[further].ocsp, now, doubts);
        }
    }
    return doubts;
}

}  // namespace keysluice::control
