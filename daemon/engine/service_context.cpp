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

std::vector<std::filesystem::path> paths(const std::vector<std::string>& files) {
    return {files.begin(), files.end()};
}

/// keysluiced has read them already: what it did not like is no rule.
Result<crypto::PeerRules> rules_of(const TlsService& service) {
    crypto::PeerRules rules;
    const auto take = [](const std::vector<std::string>& from, auto parse, auto& into) -> Result<void> {
        for (const std::string& text : from) {
            auto rule = parse(text);
            if (!rule) {
                return pass_on(std::move(rule));
            }
            into.push_back(*std::move(rule));
        }
        return {};
    };
    auto taken = take(service.peer_subjects, crypto::parse_subject_rule, rules.subjects);
    taken = taken ? take(service.peer_names, crypto::parse_name_rule, rules.names) : std::move(taken);
    taken = taken ? take(service.peer_keys, crypto::parse_key_pin, rules.keys) : std::move(taken);
    if (!taken) {
        return pass_on(std::move(taken));
    }
    return rules;
}

Result<std::vector<tls::Identity>> identities_of(const TlsService& service) {
    std::vector<tls::Identity> identities;
    for (const ServiceCertificate& each : service.certificates) {
        auto private_key = secret_path(each.private_key);
        if (!private_key) {
            return pass_on(std::move(private_key));
        }
        identities.push_back({.certificate = each.certificate,
                              .private_key = *std::move(private_key),
                              .ocsp = each.ocsp,
                              .names = each.names});
    }
    return identities;
}

tls::Resumption resumption_of(const TlsService& service, const std::shared_ptr<tls::TicketOffice>& tickets) {
    const bool wanted = service.session_lifetime.count() > 0;
    return {.office = wanted ? tickets : nullptr,
            .audience = service.name,
            .lifetime = service.session_lifetime,
            .max_uses = service.session_max_uses};
}

}  // namespace

Result<tls::Context> make_context(const TlsService& service, bool export_keys,
                                  std::chrono::system_clock::time_point now,
                                  const std::shared_ptr<tls::TicketOffice>& tickets) {
    const auto private_key = secret_path(service.private_key);
    if (!private_key) {
        return std::unexpected(private_key.error());
    }
    auto rules = rules_of(service);
    if (!rules) {
        return pass_on(std::move(rules));
    }
    auto certificates = identities_of(service);
    if (!certificates) {
        return pass_on(std::move(certificates));
    }
    if (service.mode == Mode::server) {
        return tls::Context::server({.certificate = service.certificate,
                                     .private_key = *private_key,
                                     .ocsp = service.ocsp,
                                     .certificates = *std::move(certificates),
                                     .alpn = service.alpn,
                                     .ca = service.ca,
                                     .revocation_lists = paths(service.crl),
                                     .client_certificate = to_tls(service.client_certificate),
                                     .rules = *std::move(rules),
                                     .protocol = protocol_of(service, export_keys),
                                     .resumption = resumption_of(service, tickets)},
                                    now);
    }
    return tls::Context::client({.verify = service.verify_peer == VerifyPeer::full,
                                 .ca = service.ca,
                                 .revocation_lists = paths(service.crl),
                                 .rules = *std::move(rules),
                                 .server_name = service.server_name,
                                 .certificate = service.certificate,
                                 .private_key = *private_key,
                                 .alpn = service.alpn,
                                 .protocol = protocol_of(service, export_keys),
                                 .session_lifetime = service.session_lifetime},
                                now);
}

}  // namespace keysluice
