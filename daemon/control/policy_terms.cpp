#include "daemon/control/policy_terms.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace keysluice::control {
namespace {

using policy::AddressRange;
using policy::Dimension;
using policy::Interval;
using policy::PortRange;

/// Those that policies are about, for hosts without /etc/protocols.
constexpr std::array<std::pair<std::string_view, std::uint8_t>, 14> kProtocols{{{"icmp", IPPROTO_ICMP},
                                                                                {"igmp", IPPROTO_IGMP},
                                                                                {"ipencap", IPPROTO_IPIP},
                                                                                {"tcp", IPPROTO_TCP},
                                                                                {"udp", IPPROTO_UDP},
                                                                                {"dccp", IPPROTO_DCCP},
                                                                                {"ipv6", IPPROTO_IPV6},
                                                                                {"gre", IPPROTO_GRE},
                                                                                {"esp", IPPROTO_ESP},
                                                                                {"ah", IPPROTO_AH},
                                                                                {"ipv6-icmp", IPPROTO_ICMPV6},
                                                                                {"icmpv6", IPPROTO_ICMPV6},
                                                                                {"sctp", IPPROTO_SCTP},
                                                                                {"udplite", IPPROTO_UDPLITE}}};

template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty() ? std::optional(number)
                                                                                     : std::nullopt;
}

/// The two sides of a dash.
std::optional<std::pair<std::string_view, std::string_view>> ends_of(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) {
        return std::nullopt;
    }
    return std::pair(text.substr(0, dash), text.substr(dash + 1));
}

std::string number_text(policy::Number number, Dimension dimension, Family family) {
    switch (dimension) {
        case Dimension::protocol:
            return protocol_name(static_cast<std::uint8_t>(number));
        case Dimension::local_address:
        case Dimension::remote_address:
            return policy::address_of(number, family).text();
        case Dimension::local_port:
        case Dimension::remote_port:
            return std::to_string(static_cast<std::uint16_t>(number));
    }
    std::unreachable();
}

}  // namespace

std::optional<AddressRange> parse_address_range(std::string_view text) {
    if (const auto ends = ends_of(text)) {
        const auto first = IpAddress::parse(ends->first);
        const auto last = IpAddress::parse(ends->second);
        const bool fits = first && last && first->family() == last->family() && *first <= *last;
        return fits ? std::optional(AddressRange{*first, *last}) : std::nullopt;
    }
    const auto prefix = Prefix::parse(text);
    return prefix ? std::optional(AddressRange{prefix->first(), prefix->last()}) : std::nullopt;
}

std::optional<PortRange> parse_port_range(std::string_view text) {
    const auto ends = ends_of(text).value_or(std::pair(text, text));
    const auto first = parse_number<std::uint16_t>(ends.first);
    const auto last = parse_number<std::uint16_t>(ends.second);
    return first && last && *first <= *last ? std::optional(PortRange{*first, *last}) : std::nullopt;
}

std::optional<std::uint8_t> parse_protocol(std::string_view text) {
    const auto unless_any = [](std::uint8_t number) { return number == 0 ? std::nullopt : std::optional(number); };
    if (const auto number = parse_number<std::uint8_t>(text)) {
        return unless_any(*number);
    }
    if (const auto known = std::ranges::find(kProtocols, text, [](const auto& each) { return each.first; });
        known != kProtocols.end()) {
        return known->second;
    }
    protoent found{};
    protoent* result = nullptr;
    std::array<char, 1024> buffer{};
    getprotobyname_r(std::string(text).c_str(), &found, buffer.data(), buffer.size(), &result);
    return result == nullptr ? std::nullopt : unless_any(static_cast<std::uint8_t>(result->p_proto));
}

std::optional<xfrm::Spi> parse_spi(std::string_view text) {
    constexpr std::uint32_t kReserved = 255;
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    const auto number = parse_number<std::uint32_t>(hexadecimal ? text.substr(2) : text, hexadecimal ? 16 : 10);
    return number && *number > kReserved ? std::optional(xfrm::Spi{*number}) : std::nullopt;
}

std::string protocol_name(std::uint8_t protocol) {
    const auto known = std::ranges::find(kProtocols, protocol, [](const auto& each) { return each.second; });
    return known == kProtocols.end() ? std::to_string(protocol) : std::string(known->first);
}

std::string spi_text(xfrm::Spi spi) {
    return fmt::format("{0} (0x{0:x})", spi.value);
}

std::string interval_text(const Interval& interval, Dimension dimension, Family family) {
    if (interval == whole(dimension, family)) {
        return "any";
    }
    const std::string first = number_text(interval.first, dimension, family);
    return interval.first == interval.last
               ? first
               : fmt::format("{}-{}", first, number_text(interval.last, dimension, family));
}

}  // namespace keysluice::control
