#include "daemon/control/plaintext.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "daemon/control/preparation.hpp"

namespace keysluice::control {
namespace {

std::optional<IpAddress> address_of(const sockaddr* address) {
    const auto octets = [](const auto& field) {
        return IpAddress::from_octets(Bytes(reinterpret_cast<const std::uint8_t*>(&field), sizeof field));
    };
    if (address != nullptr && address->sa_family == AF_INET) {
        return octets(reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
    }
    if (address != nullptr && address->sa_family == AF_INET6) {
        return octets(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
    }
    return std::nullopt;
}

struct StaysHere {
    const std::set<IpAddress>& own;

    bool operator()(const UnixEndpoint& /*endpoint*/) const { return true; }
    bool operator()(const SubmitEndpoint& /*endpoint*/) const { return true; }
    bool operator()(const HostEndpoint& /*endpoint*/) const { return false; }
    bool operator()(const auto& endpoint) const {
        const auto address = IpAddress::from_octets(endpoint.address);
        return address && (is_loopback(*address) || own.contains(*address));
    }
};

constexpr std::string_view kExpected =
    "expected a loopback address, a unix socket or an address of this host's own; plaintext_remote = \"allow\" is "
    "for "
    "networks that are safe otherwise";

Diagnostics check(const std::vector<Endpoint>& endpoints, const std::vector<Position>& places,
                  const std::set<IpAddress>& own, std::string_view what) {
    Diagnostics diagnostics;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (!std::visit(StaysHere{own}, endpoints[i])) {
            diagnostics.push_back(
                {places[i], "plaintext-remote", fmt::format("{} {}: {}", what, to_string(endpoints[i]), kExpected)});
        }
    }
    return diagnostics;
}

Diagnostics check_targets(const TlsService& service, const ServiceSource& source, const std::set<IpAddress>& own) {
    constexpr std::string_view kWhat = "connect: plaintext would leave this host for";
    Diagnostics diagnostics = check(service.connect, source.connect, own, kWhat);
    for (std::size_t i = 0; i < service.routes.size(); ++i) {
        std::ranges::move(check(service.routes[i].connect, source.routes[i], own, kWhat),
                          std::back_inserter(diagnostics));
    }
    return diagnostics;
}

Diagnostics check(TlsService& service, ServiceSource& source, const std::set<IpAddress>& own) {
    switch (service.mode) {
        case Mode::server:
            static_cast<void>(resolve_hosts(service, source));
            return check_targets(service, source, own);
        case Mode::client:
            return check(service.listen, source.listen, own, "listen: plaintext would come from other hosts to");
    }
    std::unreachable();
}

}  // namespace

std::set<IpAddress> own_addresses() {
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) {
        return {};
    }
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, &freeifaddrs);
    std::set<IpAddress> own;
    for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
        if (const auto address = address_of(each->ifa_addr)) {
            own.insert(*address);
        }
    }
    return own;
}

bool is_loopback(const IpAddress& address) {
    static constexpr std::uint8_t kIpv4Loopback = 127;  // RFC 6890 2.2.2: 127.0.0.0/8
    return address.family() == Family::ipv4 ? address.octets()[0] == kIpv4Loopback
                                            : address == IpAddress::parse("::1");
}

Diagnostics check_plaintext(Configuration configuration, const std::set<IpAddress>& own) {
    Diagnostics diagnostics;
    for (std::size_t i = 0; i < configuration.services.size(); ++i) {
        TlsService& service = configuration.services[i];
        if (service.plaintext_remote == PlaintextRemote::refuse) {
            std::ranges::move(check(service, configuration.sources[i], own), std::back_inserter(diagnostics));
        }
    }
    return diagnostics;
}

}  // namespace keysluice::control
