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
#include "daemon/shared/secret_path.hpp"

namespace keysluice::control {

namespace {

/// Of the three files that a certificate consists of.
template <typename Source>
const Position* blame_certificate(const Source& source, std::string_view reason) {
    if (reason.starts_with("private-key") || reason == "no-credentials") {
        return &source.private_key;
    }
    if (reason.starts_with("ocsp-")) {
        return &source.ocsp;
    }
    return reason.starts_with("certificate") ? &source.certificate : nullptr;
}

bool is_said_of(std::string_view sentence, std::string_view file) {
    if (file.starts_with(kCredentialPrefix)) {
        file.remove_prefix(kCredentialPrefix.size());
        return sentence.contains(fmt::format("/{}: ", file));
    }
    return !file.empty() && sentence.starts_with(fmt::format("{}: ", file));
}

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

Diagnostics resolve(std::vector<Endpoint>& connect, std::vector<Position>& places) {
    Diagnostics diagnostics;
    std::vector<Endpoint> resolved;
    std::vector<Position> resolved_places;
    for (std::size_t i = 0; i < connect.size(); ++i) {
        std::vector<Endpoint> found{connect[i]};
        if (const auto* host = std::get_if<HostEndpoint>(&connect[i])) {
            std::string why = "no address";
            found = look_up(*host, why);
            if (found.empty()) {
                diagnostics.push_back({places[i], "host-not-found",
                                       fmt::format("connect: {} can't be looked up: {}", host->name, why)});
            }
        }
        resolved.insert(resolved.end(), found.begin(), found.end());
        resolved_places.insert(resolved_places.end(), found.size(), places[i]);
    }
    resolved.resize(std::min(resolved.size(), kMostEndpoints));
    resolved_places.resize(resolved.size());
    connect = std::move(resolved);
    places = std::move(resolved_places);
    return diagnostics;
}

}  // namespace

const Position& blame(const TlsService& service, const ServiceSource& source, std::string_view reason,
                      std::string_view sentence) {
    // The last one of several with the same file is the one too many.
    for (std::size_t i = std::min(service.certificates.size(), source.certificates.size()); i-- > 0;) {
        const ServiceCertificate& each = service.certificates[i];
        const Position* const place = blame_certificate(source.certificates[i], reason);
        if (place != nullptr && (is_said_of(sentence, each.certificate) || is_said_of(sentence, each.private_key) ||
                                 is_said_of(sentence, each.ocsp))) {
            return *place;
        }
    }
    if (const Position* const place = blame_certificate(source, reason)) {
        return *place;
    }
    if (reason.starts_with("crl-")) {
        return source.crl;
    }
    if (reason.starts_with("ca-")) {
        return source.ca;
    }
    return source.section;
}

Diagnostics check_files(const Configuration& configuration, std::chrono::system_clock::time_point now) {
    Diagnostics diagnostics;
    for (std::size_t i = 0; i < configuration.services.size(); ++i) {
        const auto context = make_context(configuration.services[i], false, now);
        if (!context) {
            const Error& error = context.error();
            diagnostics.push_back(
                {blame(configuration.services[i], configuration.sources[i], error.reason, error.sentence),
                 error.reason, error.sentence});
        }
    }
    return diagnostics;
}

Diagnostics resolve_hosts(TlsService& service, ServiceSource& source) {
    Diagnostics diagnostics = resolve(service.connect, source.connect);
    for (std::size_t i = 0; i < service.routes.size(); ++i) {
        std::ranges::move(resolve(service.routes[i].connect, source.routes[i]), std::back_inserter(diagnostics));
    }
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
        return each.rules->auth == ike::Auth::certificate || ike::proves_by_tls(*each.rules);
    });
    if (configuration.services.empty() && !configuration.ike.connections.empty() && !signs) {
        configuration.daemon.engines = 0;
    } else if (configuration.daemon.engines == 0) {
        const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        configuration.daemon.engines = static_cast<std::uint32_t>(std::clamp(cpus, 1L, 256L));
    }
}

}  // namespace keysluice::control
