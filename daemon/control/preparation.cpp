#include "daemon/control/preparation.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>

#include "daemon/engine/service_context.hpp"

namespace keysluice::control {

const Position& blame(const ServiceSource& source, std::string_view reason) {
    if (reason.starts_with("private-key") || reason == "no-credentials") {
        return source.private_key;
    }
    if (reason.starts_with("certificate")) {
        return source.certificate;
    }
    if (reason.starts_with("crl-")) {
        return source.crl;
    }
    if (reason.starts_with("ca-")) {
        return source.ca;
    }
    return source.section;
}

namespace {

std::vector<Endpoint> look_up(const HostEndpoint& host, std::string& why) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int status = getaddrinfo(host.name.c_str(), nullptr, &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    if (status != 0) {
        why = gai_strerror(status);
        return {};
    }
    std::vector<Endpoint> endpoints;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            Ipv4Endpoint endpoint{.port = host.port};
            const auto* address = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
            std::memcpy(endpoint.address.data(), &address->sin_addr, endpoint.address.size());
            endpoints.emplace_back(endpoint);
        } else if (one->ai_family == AF_INET6) {
            Ipv6Endpoint endpoint{.port = host.port};
            const auto* address = reinterpret_cast<const sockaddr_in6*>(one->ai_addr);
            std::memcpy(endpoint.address.data(), &address->sin6_addr, endpoint.address.size());
            endpoints.emplace_back(endpoint);
        }
    }
    return endpoints;
}

}  // namespace

Diagnostics check_files(const Configuration& configuration, std::chrono::system_clock::time_point now) {
    Diagnostics diagnostics;
    for (std::size_t i = 0; i < configuration.services.size(); ++i) {
        const auto context = make_context(configuration.services[i], false, now);
        if (!context) {
            const Error& error = context.error();
            diagnostics.push_back({blame(configuration.sources[i], error.reason), error.reason, error.sentence});
        }
    }
    return diagnostics;
}

Diagnostics resolve_hosts(TlsService& service, ServiceSource& source) {
    Diagnostics diagnostics;
    std::vector<Endpoint> resolved;
    std::vector<Position> places;
    for (std::size_t i = 0; i < service.connect.size(); ++i) {
        std::vector<Endpoint> found{service.connect[i]};
        if (const auto* host = std::get_if<HostEndpoint>(&service.connect[i])) {
            std::string why = "no address";
            found = look_up(*host, why);
            if (found.empty()) {
                diagnostics.push_back({source.connect[i], "host-not-found",
                                       fmt::format("connect: {} can't be looked up: {}", host->name, why)});
            }
        }
        resolved.insert(resolved.end(), found.begin(), found.end());
        places.insert(places.end(), found.size(), source.connect[i]);
    }
    resolved.resize(std::min(resolved.size(), kMostEndpoints));
    places.resize(resolved.size());
    service.connect = std::move(resolved);
    source.connect = std::move(places);
    return diagnostics;
}

Diagnostics resolve_hosts(Configuration& configuration) {
    Diagnostics diagnostics;
    for (std::size_t i = 0; i < configuration.services.size(); ++i) {
        std::ranges::move(resolve_hosts(configuration.services[i], configuration.sources[i]),
                          std::back_inserter(diagnostics));
    }
    return diagnostics;
}

void choose_engines(Configuration& configuration) {
    const bool signs = std::ranges::any_of(configuration.ike.connections, [](const IkeConnection& each) {
        return each.rules->auth == ike::Auth::certificate;
    });
    if (configuration.services.empty() && !configuration.ike.connections.empty() && !signs) {
        configuration.daemon.engines = 0;
    } else if (configuration.daemon.engines == 0) {
        const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        configuration.daemon.engines = static_cast<std::uint32_t>(std::clamp(cpus, 1L, 256L));
    }
}

}  // namespace keysluice::control
