#include "ike/traffic_selectors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "ike/wire/message.hpp"

namespace keysluice::ike {
namespace {

using wire::TrafficSelector;

constexpr unsigned kIcmp = 1;
constexpr unsigned kTcp = 6;
constexpr unsigned kUdp = 17;
constexpr unsigned kDccp = 33;
constexpr unsigned kIcmpv6 = 58;
constexpr unsigned kSctp = 132;
constexpr unsigned kUdpLite = 136;

struct Ports {
    std::uint16_t first = 0;
    std::uint16_t last = 65535;

    bool operator==(const Ports&) const = default;
};

/// RFC 4301 section 4.4.1.2: "ANY: start = 0 end = <max>", "OPAQUE: start = <max> end = 0".
constexpr Ports kAny{0, 65535};
constexpr Ports kOpaque{65535, 0};

std::optional<Ports> common_ports(Ports a, Ports b) {
    // RFC 7296 section 3.13.1: "according to [IPSECARCH], "ANY" includes "OPAQUE"".
    if (a == kOpaque || b == kOpaque) {
        const Ports other = a == kOpaque ? b : a;
        return other == kOpaque || other == kAny ? std::optional(kOpaque) : std::nullopt;
    }
    const Ports common{std::max(a.first, b.first), std::min(a.last, b.last)};
    return common.first <= common.last ? std::optional(common) : std::nullopt;
}

bool lies_in(const TrafficSelector& inner, const TrafficSelector& outer) {
    return intersection(outer, inner) == inner;
}

// ---- the written form

std::unexpected<Error> bad_selector(std::string_view text, std::string_view why) {
    return fail("selector-syntax", fmt::format("selector \"{}\": {}", text, why));
}

/// The part before the next slash, which is taken off.
std::string_view next_part(std::string_view& rest) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    return part;
}

std::optional<unsigned> number_up_to(std::string_view digits, unsigned most) {
    unsigned value = 0;
    const char* end = std::to_address(digits.end());
    const auto [rest, error] = std::from_chars(std::to_address(digits.begin()), end, value);
    return error == std::errc() && rest == end && value <= most ? std::optional(value) : std::nullopt;
}

std::optional<unsigned> protocol_number(std::string_view name) {
    if (name == "tcp") {
        return kTcp;
    }
    if (name == "udp") {
        return kUdp;
    }
    if (name == "icmp") {
        return kIcmp;
    }
    return name == "icmpv6" ? std::optional(kIcmpv6) : number_up_to(name, 255);
}

bool has_ports(unsigned protocol) {
    return protocol == kTcp || protocol == kUdp || protocol == kDccp || protocol == kSctp || protocol == kUdpLite;
}

std::optional<Ports> parse_ports(std::string_view text) {
    if (text == "opaque") {
        return kOpaque;
    }
    const std::size_t dash = text.find('-');
    const auto first = number_up_to(text.substr(0, dash), 65535);
    const auto last = dash == std::string_view::npos ? first : number_up_to(text.substr(dash + 1), 65535);
    if (!first || !last || *first > *last) {
        return std::nullopt;
    }
    return Ports{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

/// RFC 7296 section 3.13.1: "ICMP Type and Code values are treated as a single 16-bit integer port number, with Type
/// in the most significant eight bits and Code in the least significant eight bits." A type alone is all its codes.
std::optional<Ports> parse_icmp(std::string_view text) {
    if (text == "opaque") {
        return kOpaque;
    }
    const bool has_code = text.contains('/');
    const auto type = number_up_to(next_part(text), 255);
    const auto code = has_code ? number_up_to(text, 255) : std::optional(0U);
    if (!type || !code) {
        return std::nullopt;
    }
    const unsigned first = *type * 256 + *code;
    return Ports{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(has_code ? first : first + 255)};
}

/// The addresses at the start of `rest`, and of a prefix its length too.
std::optional<std::pair<IpAddress, IpAddress>> parse_addresses(std::string_view& rest) {
    const std::string_view part = next_part(rest);
    if (const std::size_t dash = part.find('-'); dash != std::string_view::npos) {
        const auto first = IpAddress::parse(part.substr(0, dash));
        const auto last = IpAddress::parse(part.substr(dash + 1));
        const bool range = first && last && first->family() == last->family() && *first <= *last;
        return range ? std::optional(std::pair(*first, *last)) : std::nullopt;
    }
    // "10.1.0.0/16" and "10.1.0.5/17": a length, as it is written most, before a protocol by its number.
    std::string_view behind = rest;
    const std::string_view length = next_part(behind);
    const bool has_length = number_up_to(length, 999).has_value();
    const auto prefix = Prefix::parse(has_length ? fmt::format("{}/{}", part, length) : std::string(part));
    if (has_length) {
        rest = behind;
    }
    return prefix ? std::optional(std::pair(prefix->first(), prefix->last())) : std::nullopt;
}

}  // namespace

std::optional<TrafficSelector> intersection(const TrafficSelector& a, const TrafficSelector& b) {
    // RFC 7296 section 3.13.1: "A value of zero means that the protocol ID is not relevant to this Traffic Selector
    // -- the SA can carry all protocols."
    if (a.first.family() != b.first.family() || (a.protocol != b.protocol && a.protocol != 0 && b.protocol != 0)) {
        return std::nullopt;
    }
    const auto ports = common_ports({a.first_port, a.last_port}, {b.first_port, b.last_port});
    const IpAddress first = std::max(a.first, b.first);
    const IpAddress last = std::min(a.last, b.last);
    if (!ports || last < first) {
        return std::nullopt;
    }
    return TrafficSelector{.protocol = std::max(a.protocol, b.protocol),
                           .first_port = ports->first,
                           .last_port = ports->last,
                           .first = first,
                           .last = last};
}

// RFC 7296 section 2.9: "If the responder's policy allows it to accept the first selector of TSi and TSr, then the
// responder MUST narrow the Traffic Selectors to a subset that includes the initiator's first choices." What lies in
// another selector of the result is included by that.
TrafficSelectors narrow(const TrafficSelectors& offered, const TrafficSelectors& allowed) {
    TrafficSelectors narrowed;
    for (const TrafficSelector& wanted : offered) {
        for (const TrafficSelector& permitted : allowed) {
            const auto common = intersection(wanted, permitted);
            if (!common ||
                std::ranges::any_of(narrowed, [&common](const auto& one) { return lies_in(*common, one); })) {
                continue;
            }
            const auto inside = [&common](const auto& one) { return lies_in(one, *common); };
            const auto place = std::ranges::find_if(narrowed, inside);
            if (place != narrowed.end()) {
                *place = *common;
                narrowed.erase(std::remove_if(place + 1, narrowed.end(), inside), narrowed.end());
            } else if (narrowed.size() < wire::kMostPayloads) {
                narrowed.push_back(*common);
            }
        }
    }
    return narrowed;
}

bool covers(const TrafficSelectors& outer, const TrafficSelectors& inner) {
    return !inner.empty() && std::ranges::all_of(inner, [&outer](const TrafficSelector& one) {
        return std::ranges::any_of(outer, [&one](const TrafficSelector& other) { return lies_in(one, other); });
    });
}

TrafficSelector selector_of(const IpAddress& address) {
    return {.first = address, .last = address};
}

Result<TrafficSelector> parse_selector(std::string_view text) {
    std::string_view rest = text;
    const auto addresses = parse_addresses(rest);
    if (!addresses) {
        return bad_selector(
            text,
            "it begins with a prefix (\"10.1.0.0/16\"), an address or a range of addresses; a protocol's "
            "number stands behind a prefix (\"10.1.0.5/32/17\")");
    }
    TrafficSelector selector{.first = addresses->first, .last = addresses->second};
    if (text.ends_with('/')) {
        return bad_selector(text, "something is missing behind its last \"/\"");
    }
    if (rest.empty()) {
        return selector;
    }
    const auto protocol = protocol_number(next_part(rest));
    if (!protocol || *protocol == 0) {
        return bad_selector(text, "a protocol is \"tcp\", \"udp\", \"icmp\", \"icmpv6\" or a number up to 255");
    }
    selector.protocol = static_cast<std::uint8_t>(*protocol);
    if (rest.empty()) {
        return selector;
    }
    const bool icmp = *protocol == kIcmp || *protocol == kIcmpv6;
    if (!icmp && !has_ports(*protocol)) {
        return bad_selector(text, fmt::format("protocol {} has no ports", *protocol));
    }
    const auto ports = icmp ? parse_icmp(rest) : parse_ports(rest);
    if (!ports) {
        return bad_selector(text, icmp ? "an ICMP type, or a type and a code (\"3/1\"), expected behind the protocol"
                                       : "a port or a range of ports (\"1024-2047\") expected behind the protocol");
    }
    selector.first_port = ports->first;
    selector.last_port = ports->last;
    return selector;
}

}  // namespace keysluice::ike
