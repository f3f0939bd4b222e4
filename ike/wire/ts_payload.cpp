#include <bit>

#include "ike/wire/codec.hpp"
#include "ike/wire/message.hpp"

// RFC 7296 section 3.13, behind the generic header: TSi and TSr.
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Number of TSs |                 RESERVED                      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                       <Traffic Selectors>                     ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 7296 section 3.13.1: a selector.
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   TS Type     |IP Protocol ID*|       Selector Length         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |           Start Port*         |           End Port*           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                         Starting Address*                     ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                         Ending Address*                       ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

constexpr std::uint8_t kIpv4Range = 7;
constexpr std::uint8_t kIpv6Range = 8;
constexpr std::size_t kSelectorHeader = 8;
constexpr std::size_t kTcp = 6;
constexpr std::size_t kUdp = 17;
constexpr std::size_t kIcmp = 1;
constexpr std::size_t kIcmpv6 = 58;

bool opaque(const TrafficSelector& selector) {
    return selector.first_port == 65535 && selector.last_port == 0;
}

Result<TrafficSelector> parse_range(std::uint8_t protocol, std::size_t address_size, Bytes content) {
    Reader reader(content);
    TrafficSelector selector{.protocol = protocol};
    selector.first_port = reader.be<std::uint16_t>();
    selector.last_port = reader.be<std::uint16_t>();
    const auto first = IpAddress::from_octets(reader.take(address_size));
    const auto last = IpAddress::from_octets(reader.take(address_size));
    if (!reader.finished() || !first || !last) {
        return malformed(fmt::format("a selector of this type has {}, got {}",
                                     octets_text(kSelectorHeader + 2 * address_size),
                                     octets_text(content.size() + 4)));
    }
    selector.first = *first;
    selector.last = *last;
    // RFC 7296 section 3.13.1: "Start Port […] smallest port number", "End Port […] largest port number", except that
    // who wants "OPAQUE" ports "MUST set the start port to 65535 and the end port to 0".
    if (selector.last < selector.first || (selector.last_port < selector.first_port && !opaque(selector))) {
        return malformed(fmt::format("a selector from {} port {} to {} port {} is empty", selector.first.text(),
                                     selector.first_port, selector.last.text(), selector.last_port));
    }
    return selector;
}

/// Nothing for a selector of a type that we don't know.
Result<std::optional<TrafficSelector>> take_selector(Reader& reader) {
    const auto type = reader.be<std::uint8_t>();
    const auto protocol = reader.be<std::uint8_t>();
    const auto length = reader.be<std::uint16_t>();
    const Bytes content = length < 4 ? Bytes() : reader.take(length - 4U);
    if (!reader.ok() || length < 4) {
        return malformed(fmt::format("a selector's length of {} octets does not fit into the payload", length));
    }
    // RFC 7296 section 2.9: "If the type of Traffic Selector proposed is unknown, the responder ignores that Traffic
    // Selector".
    if (type != kIpv4Range && type != kIpv6Range) {
        return std::nullopt;
    }
    return parse_range(protocol, type == kIpv4Range ? 4 : 16, content);
}

void emit_selectors(const std::vector<TrafficSelector>& selectors, Writer& writer) {
    writer.be(static_cast<std::uint8_t>(selectors.size())).be(std::uint8_t{0}).be(std::uint16_t{0});
    for (const TrafficSelector& selector : selectors) {
        const Bytes first = selector.first.octets();
        writer.be(selector.first.family() == Family::ipv4 ? kIpv4Range : kIpv6Range)
            .be(selector.protocol)
            .be(static_cast<std::uint16_t>(kSelectorHeader + 2 * first.size()))
            .be(selector.first_port)
            .be(selector.last_port)
            .raw(first)
            .raw(selector.last.octets());
    }
}

/// How many bits of the addresses are the same, if the range is all addresses that share them.
std::optional<std::uint8_t> prefix_length(const IpAddress& first, const IpAddress& last) {
    unsigned length = 0;
    for (std::size_t i = 0; i < first.octets().size(); ++i) {
        const auto different = static_cast<std::uint8_t>(first.octets()[i] ^ last.octets()[i]);
        length += static_cast<unsigned>(std::countl_zero(different));
        if (different != 0) {
            break;
        }
    }
    const Prefix prefix{first, static_cast<std::uint8_t>(length)};
    const bool whole = Prefix::parse(prefix.text()).has_value() && prefix.last() == last;
    return whole ? std::optional(prefix.length) : std::nullopt;
}

bool has_name(std::uint8_t protocol) {
    return protocol == 0 || protocol == kIcmp || protocol == kTcp || protocol == kUdp || protocol == kIcmpv6;
}

std::string print_addresses(const TrafficSelector& selector) {
    // Behind an address alone, a protocol's number would look like the length of a prefix.
    if (selector.first == selector.last && has_name(selector.protocol)) {
        return selector.first.text();
    }
    const auto length = prefix_length(selector.first, selector.last);
    return length ? Prefix{selector.first, *length}.text()
                  : fmt::format("{}-{}", selector.first.text(), selector.last.text());
}

std::string print_protocol(std::uint8_t protocol) {
    switch (protocol) {
        case 0:
            return "any";
        case kIcmp:
            return "icmp";
        case kTcp:
            return "tcp";
        case kUdp:
            return "udp";
        case kIcmpv6:
            return "icmpv6";
        default:
            return std::to_string(protocol);
    }
}

/// RFC 7296 section 3.13.1: "ICMP Type and Code values are treated as a single 16-bit integer port number, with Type
/// in the most significant eight bits and Code in the least significant eight bits."
std::string print_icmp(const TrafficSelector& selector) {
    const unsigned first = selector.first_port;
    const unsigned last = selector.last_port;
    if (first % 256 == 0 && last == first + 255) {
        return std::to_string(first / 256);
    }
    const std::string text = fmt::format("{}/{}", first / 256, first % 256);
    return first == last ? text : fmt::format("{}-{}/{}", text, last / 256, last % 256);
}

std::string print_ports(const TrafficSelector& selector) {
    if (opaque(selector)) {
        return "opaque";
    }
    if (selector.protocol == kIcmp || selector.protocol == kIcmpv6) {
        return print_icmp(selector);
    }
    return selector.first_port == selector.last_port ? std::to_string(selector.first_port)
                                                     : fmt::format("{}-{}", selector.first_port, selector.last_port);
}

}  // namespace

Result<std::vector<TrafficSelector>> parse_selectors(Bytes body) {
    Reader reader(body);
    const std::size_t count = reader.be<std::uint8_t>();
    // RFC 7296 section 3.13: "RESERVED - This field MUST be sent as zero and MUST be ignored on receipt."
    static_cast<void>(reader.take(3));
    // RFC 7296 section 3.13: "One or more individual Traffic Selectors."
    if (!reader.ok() || count == 0 || count > kMostPayloads) {
        return malformed(
            fmt::format("1 to {} selectors expected, got {} in {}", kMostPayloads, count, octets_text(body.size())));
    }
    std::vector<TrafficSelector> selectors;
    for (std::size_t i = 0; i < count; ++i) {
        auto selector = take_selector(reader);
        if (!selector) {
            return pass_on(std::move(selector));
        }
        if (const auto& known = *selector) {
            selectors.push_back(*known);
        }
    }
    if (!reader.finished()) {
        return malformed(fmt::format("{} behind the last selector", octets_text(reader.rest().size())));
    }
    return selectors;
}

void emit_body(const TsInitiatorPayload& payload, Writer& writer) {
    emit_selectors(payload.selectors, writer);
}

void emit_body(const TsResponderPayload& payload, Writer& writer) {
    emit_selectors(payload.selectors, writer);
}

std::string print(const TrafficSelector& selector) {
    std::string text = print_addresses(selector);
    const bool any_port = selector.first_port == 0 && selector.last_port == 65535;
    if (selector.protocol != 0 || !any_port) {
        text += "/" + print_protocol(selector.protocol);
    }
    return any_port ? text : text + "/" + print_ports(selector);
}

std::string print(const std::vector<TrafficSelector>& selectors) {
    return some_of(selectors.size(), [&selectors](std::size_t i) { return print(selectors[i]); });
}

std::string print_body(const TsInitiatorPayload& payload) {
    return fmt::format("TSi({})", print(payload.selectors));
}

std::string print_body(const TsResponderPayload& payload) {
    return fmt::format("TSr({})", print(payload.selectors));
}

}  // namespace keysluice::ike::wire
