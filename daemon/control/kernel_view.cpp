#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "daemon/control/status.hpp"
#include "ktls/inet_diag.hpp"
#include "ktls/statistics.hpp"

namespace keysluice::control {

namespace {

/// The TCP ports on the TLS side: those that we listen on as a server, those that we connect to as a client.
ktls::PortFilter tls_ports(const std::vector<TlsService>& services) {
    ktls::PortFilter filter;
    for (const TlsService& service : services) {
        auto& ports = service.mode == Mode::server ? filter.local : filter.remote;
        for (const Endpoint& endpoint : service.mode == Mode::server ? service.listen : service.connect) {
            if (const auto* v4 = std::get_if<Ipv4Endpoint>(&endpoint)) {
                ports.push_back(v4->port);
            } else if (const auto* v6 = std::get_if<Ipv6Endpoint>(&endpoint)) {
                ports.push_back(v6->port);
            }
        }
    }
    return filter;
}

std::string describe(const ktls::SocketInfo& socket) {
    if (!socket.tls || !socket.tls->version || !socket.tls->cipher) {
        return "no record layer in the kernel";
    }
    return fmt::format("{} {}, rx {}, tx {}", ktls::name(*socket.tls->version), ktls::name(*socket.tls->cipher),
                       ktls::name(socket.tls->rx), ktls::name(socket.tls->tx));
}

}  // namespace

KernelView look_at_kernel(const ktls::Capabilities& capabilities, const std::vector<TlsService>& services) {
    KernelView view;
    view.ktls = capabilities.carries_any();
    view.reason = capabilities.absent ? capabilities.absent->sentence : "";
    const ktls::PortFilter filter = tls_ports(services);
    std::map<std::string, std::uint64_t> groups;
    if (!filter.local.empty() || !filter.remote.empty()) {
        const auto sockets = ktls::list_sockets(filter);
        for (std::size_t i = 0; sockets && i < sockets->size(); ++i) {
            ++groups[describe((*sockets)[i])];
        }
    }
    for (const auto& [what, sockets] : groups) {
        view.groups.push_back({what, sockets});
    }
    if (const auto statistics = ktls::read_statistics()) {
        view.decrypt_errors = statistics->decrypt_errors;
    }
    return view;
}

}  // namespace keysluice::control
