#include "ike/gateways.hpp"

#include <algorithm>
#include <iterator>

namespace keysluice::ike {

UdpEndpoint gateway_after(const Gateways& gateways, const UdpEndpoint& one) {
    const auto found = std::ranges::find(gateways.all, one);
    const bool last = found == gateways.all.end() || std::next(found) == gateways.all.end();
    return last ? gateways.all.front() : *std::next(found);
}

UdpEndpoint first_of_round(const Gateways& gateways, const UdpEndpoint& last) {
    const bool goes_on =
        gateways.order == Gateways::Order::rotation && std::ranges::find(gateways.all, last) != gateways.all.end();
    return goes_on ? last : gateways.all.front();
}

std::span<const UdpEndpoint> better_than(const Gateways& gateways, const UdpEndpoint& one) {
    if (gateways.back == Gateways::Return::never) {
        return {};
    }
    return {gateways.all.begin(), std::ranges::find(gateways.all, one)};
}

}  // namespace keysluice::ike
