#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "ike/wire/payloads.hpp"

namespace keysluice::ike {

using TrafficSelectors = std::vector<wire::TrafficSelector>;

/// The two ends of a packet: one address each, with its protocol and ports.
struct PacketSelectors {
    wire::TrafficSelector local;
    wire::TrafficSelector remote;
};

/// What both selectors cover, or nothing.
[[nodiscard]] std::optional<wire::TrafficSelector> intersection(const wire::TrafficSelector& a,
                                                                const wire::TrafficSelector& b);

/// The responder's narrowing (RFC 7296 section 2.9): what of `offered` lies in `allowed`, in the order of the offer
/// and without what lies in another one; at most kMostPayloads. Empty: TS_UNACCEPTABLE.
[[nodiscard]] TrafficSelectors narrow(const TrafficSelectors& offered, const TrafficSelectors& allowed);

/// There is an `inner`, and each of them lies in one of `outer`: the check of a responder's answer.
[[nodiscard]] bool covers(const TrafficSelectors& outer, const TrafficSelectors& inner);

/// One address, any protocol and port.
[[nodiscard]] wire::TrafficSelector selector_of(const IpAddress& address);
/// "10.1.0.0/16", "10.1.0.5", "10.1.0.5-10.1.0.9", each with "/tcp", "/17", "/tcp/443", "/udp/1024-2047", "/icmp/8",
/// "/icmp/3/1" or "/tcp/opaque" behind it; behind an address alone, a number is the length of its prefix. Fails with
/// "selector-syntax".
[[nodiscard]] Result<wire::TrafficSelector> parse_selector(std::string_view text);

}  // namespace keysluice::ike
