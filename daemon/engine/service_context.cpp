#include "daemon/engine/service_context.hpp"

#include <utility>

#include "daemon/shared/secret_path.hpp"

namespace keysluice {

namespace {

tls::ClientCertificate to_tls(ClientCertificate wanted) {
    switch (wanted) {
        case ClientCertificate::none:
            return tls::ClientCertificate::none;
        case ClientCertificate::optional:
            return tls::ClientCertificate::optional;
        case ClientCertificate::required:
            return tls::ClientCertificate::required;
    }
    return tls::ClientCertificate::required;
}

tls::Version to_tls(TlsVersion version) {
    switch (version) {
        case TlsVersion::tls12:
            return tls::Version::tls12;
        case TlsVersion::tls13:
            return tls::Version::tls13;
    }
    std::unreachable();
}

tls::Protocol protocol_of(const TlsService& service, bool export_keys) {
    return {.min_version = to_tls(service.min_version),
            .max_version = to_tls(service.max_version),
            .tls12_ciphers = service.ciphers,
            .tls13_ciphersuites = service.ciphersuites,
            .groups = service.key_exchange_groups,
            .export_keys = export_keys};
}

}  // namespace

Result<tls::Context> make_context(const TlsService& service, bool export_keys,
                                  std::chrono::system_clock::time_point now) {
    const auto private_key = secret_path(service.private_key);
    if (!private_key) {
        return std::unexpected(private_key.error());
    }
    if (service.mode == Mode::server) {
        return tls::Context::server({.certificate = service.certificate,
                                     .private_key = *private_key,
                                     .ca = service.ca,
                                     .client_certificate = to_tls(service.client_certificate),
                                     .protocol = protocol_of(service, export_keys)},
                                    now);
    }
    return tls::Context::client({.verify = service.verify_peer == VerifyPeer::full,
                                 .ca = service.ca,
                                 .server_name = service.server_name,
                                 .certificate = service.certificate,
                                 .private_key = *private_key,
                                 .protocol = protocol_of(service, export_keys)},
                                now);
}

}  // namespace keysluice
