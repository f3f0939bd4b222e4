#include "xfrm/policy.hpp"

#include <bit>

namespace keysluice::xfrm {
namespace {

constexpr std::uint32_t kFirst = 1024;
// Bits of the number from below: purpose 2, ports 6 (at most 32), protocol 1, prefixes 9 (at most 256).
constexpr unsigned kPortBits = 6;
constexpr unsigned kPrefixShift = kPortBits + 1;
constexpr std::uint32_t kMostSpecific = (256U << kPrefixShift) + (1U << kPortBits) + 32U;

std::uint32_t ones(const PortMask& port) {
    return static_cast<std::uint32_t>(std::popcount(port.mask));
}

std::uint32_t specificity(const Selector& selector) {
    const std::uint32_t prefixes = std::uint32_t{selector.source.length} + selector.destination.length;
    const std::uint32_t protocol = selector.protocol != 0 ? 1 : 0;
    return (prefixes << kPrefixShift) + (protocol << kPortBits) + ones(selector.source_port) +
           ones(selector.destination_port);
}

}  // namespace

std::uint32_t priority_of(const Selector& selector, Purpose purpose) {
    return kFirst + 4 * (kMostSpecific - specificity(selector)) + static_cast<std::uint32_t>(purpose);
}

}  // namespace keysluice::xfrm
