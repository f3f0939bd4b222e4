#include "daemon/control/tls_session_view.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/address.hpp"
#include "daemon/shared/session_listing.hpp"
#include "ktls/inet_diag.hpp"
#include "netlink/features.hpp"
#include "netlink/route.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kByKernel = "kernel";
constexpr std::string_view kSoftware = "software";

/// Nothing where it is not an address with a port.
std::optional<ktls::Endpoint> read_endpoint(const std::string& text) {
    const auto endpoint = parse_endpoint(text);
    ktls::Endpoint result;
    if (endpoint && std::holds_alternative<Ipv4Endpoint>(*endpoint)) {
        const auto& v4 = std::get<Ipv4Endpoint>(*endpoint);
        std::ranges::copy(v4.address, result.address.begin());
        result.port = v4.port;
        return result;
    }
    if (endpoint && std::holds_alternative<Ipv6Endpoint>(*endpoint)) {
        const auto& v6 = std::get<Ipv6Endpoint>(*endpoint);
        result.address = v6.address;
        result.is_v6 = true;
        result.port = v6.port;
        return result;
    }
    return std::nullopt;
}

IpAddress address_of(const ktls::Endpoint& endpoint) {
    const Bytes octets = endpoint.address;
    const auto address = IpAddress::from_octets(octets.first(endpoint.is_v6 ? 16 : 4));
    return address ? *address : IpAddress::lowest(Family::ipv4);  // 4 and 16 octets are addresses
}

bool by_device(ktls::Carrier carrier) {
    return carrier == ktls::Carrier::device || carrier == ktls::Carrier::device_record;
}

std::string in_force(const ktls::TlsInfo& tls) {
    const bool sends = by_device(tls.tx);
    const bool receives = by_device(tls.rx);
    if (sends && receives) {
        return "hw-tx+hw-rx";
    }
    return std::string(sends ? "hw-tx" : receives ? "hw-rx" : kSoftware);
}

/// The devices towards the peers of one page: few ways, many sessions.
class Ways {
   public:
    /// Empty where there is none.
    [[nodiscard]] const std::string& device(const IpAddress& local, const IpAddress& remote) {
        const auto known = devices_.try_emplace({local.text(), remote.text()});
        if (known.second && socket_) {
            const auto device = netlink::device_towards(*socket_, local, remote);
            known.first->second = device ? device->name : "";
        }
        return known.first->second;
    }
    /// As why_in_software(); empty where the device does not say.
    [[nodiscard]] const std::string& obstacle(const std::string& device) {
        const auto known = obstacles_.try_emplace(device);
        if (known.second) {
            static constexpr std::array kFeatures{netlink::kTlsSendingFeature, netlink::kTlsReceivingFeature};
            const auto features = netlink::features_of(device, kFeatures);
            known.first->second = features ? why_in_software(*features) : "";
        }
        return known.first->second;
    }

   private:
    Result<netlink::Socket> socket_ = netlink::Socket::open(NETLINK_ROUTE);
    std::map<std::pair<std::string, std::string>, std::string> devices_;
    std::map<std::string, std::string> obstacles_;
};

}  // namespace

std::string_view why_in_software(std::span<const netlink::Feature> of_device) {
    using netlink::Feature;
    if (std::ranges::find(of_device, Feature::on) != of_device.end()) {
        return "device-took-none";
    }
    return std::ranges::find(of_device, Feature::off) != of_device.end() ? "device-tls-off" : "device-lacks-tls";
}

TlsSessionView view_of(const ListedSession& session, const TlsService& service) {
    return {.id = session.id,
            .service = service.name,
            .local = session.local,
            .remote = session.remote,
            .backend = session.backend,
            .version = session.why == kPlaintextRelayed ? "none"
                       : session.tls13                  ? "1.3"
                                                        : "1.2",
            .suite = session.suite,
            .since = session.since,
            .requested = service.offload,
            .in_force = std::string(session.why.empty() ? kByKernel : "none"),
            .device = {},
            .why = session.why};
}

void ask_kernel(std::vector<TlsSessionView>& sessions) {
    std::vector<ktls::SocketName> names;
    std::vector<TlsSessionView*> named;
    for (TlsSessionView& session : sessions) {
        const auto local = read_endpoint(session.local);
        const auto remote = read_endpoint(session.remote);
        if (session.in_force == kByKernel && local && remote) {
            names.push_back({.local = *local, .remote = *remote, .cookie = session.id.value});
            named.push_back(&session);
        }
    }
    const auto found = ktls::find_sockets(names);
    Ways ways;
    for (std::size_t i = 0; i < named.size(); ++i) {
        TlsSessionView& session = *named[i];
        session.device = ways.device(address_of(names[i].local), address_of(names[i].remote));
        if (!found) {
            session.why = found.error().reason;
        } else if (const auto& socket = (*found)[i]; socket && socket->tls) {
            session.in_force = in_force(*socket->tls);
            session.why = session.in_force == kSoftware ? ways.obstacle(session.device) : "";
            session.suite = socket->tls->cipher ? ktls::name(*socket->tls->cipher) : "";
        }
    }
}

}  // namespace keysluice::control
