#include "cli/doctor/wants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/shared/secret_path.hpp"

namespace keysluice::doctor {
namespace {

void add_child(Wants& wants, const std::string& connection, const ike::ChildRule& child) {
    if (child.offload != ike::Offload::off) {
        wants.offloads.push_back({fmt::format("{}/{}", connection, child.name), child.offload});
    }
    if (child.mode != ike::Mode::tunnel) {
        return;
    }
    wants.tunnels = true;
    for (const auto& selector : child.local) {
        if (selector.first != selector.last) {  // a network: its packets come in here and go on
            (selector.first.family() == Family::ipv4 ? wants.forwards_ipv4 : wants.forwards_ipv6) = connection;
        }
    }
}

void add_secret(Wants& wants, const std::string& of, const std::string& path, const char* user) {
    if (!path.empty() && !path.starts_with(kCredentialPrefix)) {
        wants.secrets.push_back({of, path, user});
    }
}

/// For an engine to show.
void add_identity(Wants& wants, const std::string& of, const std::string& certificate,
                  const std::string& private_key) {
    if (!certificate.empty()) {
        wants.certificates.push_back({of, certificate, {}});
    }
    add_secret(wants, of, private_key, "keysluice-engine");
}

void add_connection(Wants& wants, const control::IkeConnection& connection) {
    const ike::Connection& rules = *connection.rules;
    const std::string of = fmt::format("connection {}", rules.name);
    wants.on_traffic = wants.on_traffic || connection.start == control::IkeStart::on_traffic;
    wants.ipv6_peers = wants.ipv6_peers || (rules.remote && rules.remote->family() == Family::ipv6);
    for (const ike::ChildRule& child : rules.children) {
        add_child(wants, rules.name, child);
    }
    add_identity(wants, of, connection.certificate, connection.private_key.path);
    add_secret(wants, of, connection.psk.path, "keysluice");
}

void add_service(Wants& wants, const TlsService& service) {
    const std::string of = fmt::format("service {}", service.name);
    wants.tls_kernel = wants.tls_kernel || service.offload != Offload::off;
    wants.tls_kernel_required = wants.tls_kernel_required || service.offload == Offload::require;
    for (const Endpoint& endpoint : service.listen) {
        wants.listeners.push_back({service.name, endpoint});
    }
    add_identity(wants, of, service.certificate, service.private_key);
    for (const ServiceCertificate& further : service.certificates) {
        add_identity(wants, of, further.certificate, further.private_key);
    }
}

}  // namespace

Wants wants_of(const control::Configuration& configuration) {
    Wants wants;
    wants.ike = !configuration.ike.connections.empty();
    wants.ike_port = static_cast<std::uint16_t>(configuration.ike.settings.port);
    wants.nat_port = static_cast<std::uint16_t>(configuration.ike.settings.nat_port);
    for (const control::IkeConnection& connection : configuration.ike.connections) {
        add_connection(wants, connection);
    }
    for (const TlsService& service : configuration.services) {
        add_service(wants, service);
    }
    return wants;
}

Wants wants_of_anybody() {
    Wants wants;
    wants.ike = true;
    wants.tls_kernel = true;
    return wants;
}

}  // namespace keysluice::doctor
