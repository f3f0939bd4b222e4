#include "daemon/engine/service_context.hpp"

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

tls::Protocol protocol_of(const TlsService& service, bool export_keys) {
    tls::Protocol protocol;
    protocol.min_version = service.min_version == MinVersion::tls13 ? tls::Version::tls13 : tls::Version::tls12;
    protocol.export_keys = export_keys;
    return protocol;
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
    return tls::Context::client({.ca = service.ca,
                                 .server_name = service.server_name,
                                 .certificate = service.certificate,
                                 .private_key = *private_key,
                                 .protocol = protocol_of(service, export_keys)},
                                now);
}

}  // namespace keysluice
