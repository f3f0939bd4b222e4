#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "ike/traffic_selectors.hpp"
#include "ike/wire/payloads.hpp"

namespace keysluice::ike {

// Configuration payloads (RFC 7296 sections 2.19 and 3.15, RFC 8598): a peer asks for an address in the network
// behind a gateway, and learns which resolvers and subnets there are.

/// What a peer gets.
struct Assignment {
    std::vector<IpAddress> addresses;
    std::vector<IpAddress> dns;
    std::vector<std::string> domains;  ///< that `dns` is for; empty: all
    std::vector<Prefix> subnets;       ///< behind the gateway

    bool operator==(const Assignment&) const = default;
};

/// What a gateway has for its peers: an address of the range for each, and the same of the rest for all.
struct AddressPool {
    std::string name;
    IpAddress first;  ///< of one family with `last`
    IpAddress last;
    std::vector<IpAddress> dns = {};
    std::vector<std::string> domains = {};
    std::vector<Prefix> subnets = {};

    [[nodiscard]] bool has(const IpAddress& address) const {
        return address.family() == first.family() && first <= address && address <= last;
    }
};
using AddressPoolPtr = std::shared_ptr<const AddressPool>;

/// Most addresses, resolvers, domains or subnets that are taken from one payload: the first ones.
inline constexpr std::size_t kMostAssigned = 16;

/// CFG_REQUEST: an address for each of `wishes`, any of its family where it is unspecified, with the resolvers, the
/// domains that they are for, and the subnets.
[[nodiscard]] wire::ConfigurationPayload request_for(const std::vector<IpAddress>& wishes);
/// The addresses that a CFG_REQUEST asks for, as `wishes` above.
[[nodiscard]] std::vector<IpAddress> wishes_in(const wire::ConfigurationPayload& request);

/// CFG_REPLY. Domains go to a peer that says that it can tell them apart: RFC 8598 section 3.1: "The absence of
/// INTERNAL_DNS_DOMAIN attributes in the CFG_REQUEST payload indicates that the initiator does not support or is
/// unwilling to accept a Split DNS configuration." Then it gets no resolvers either where they are for domains only.
[[nodiscard]] wire::ConfigurationPayload reply_with(const Assignment& assignment,
                                                    const wire::ConfigurationPayload& request);
/// What a CFG_REPLY says, without what makes no sense: attributes of another length, addresses that nobody can have,
/// names that are none.
[[nodiscard]] Assignment assignment_in(const wire::ConfigurationPayload& reply);

/// Whether it is a name that may go into a resolver's configuration: labels of letters, digits, '-' and '_'.
[[nodiscard]] bool is_domain(std::string_view name);

/// Its addresses, any protocol and port.
[[nodiscard]] TrafficSelectors selectors_of(const std::vector<IpAddress>& addresses);
/// All addresses of the families that `wishes` are of.
[[nodiscard]] TrafficSelectors any_of(const std::vector<IpAddress>& wishes);

}  // namespace keysluice::ike
