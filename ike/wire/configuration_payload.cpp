#include "ike/wire/codec.hpp"
#include "ike/wire/message.hpp"

// RFC 7296 section 3.15, behind the generic header:
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   CFG Type    |                    RESERVED                   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                   Configuration Attributes                    ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 7296 section 3.15.1: an attribute.
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |R|         Attribute Type      |            Length             |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                             Value                             ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

constexpr std::size_t kReserved = 3;
constexpr std::uint16_t kReservedBit = 0x8000;

std::string name_of(ConfigurationType type) {
    switch (type) {
        case ConfigurationType::request:
            return "CFG_REQUEST";
        case ConfigurationType::reply:
            return "CFG_REPLY";
        case ConfigurationType::set:
            return "CFG_SET";
        case ConfigurationType::ack:
            return "CFG_ACK";
    }
    return fmt::format("CFG type {}", static_cast<unsigned>(type));
}

std::string name_of(ConfigurationAttributeType type) {
    switch (type) {
        case ConfigurationAttributeType::internal_ip4_address:
            return "INTERNAL_IP4_ADDRESS";
        case ConfigurationAttributeType::internal_ip4_netmask:
            return "INTERNAL_IP4_NETMASK";
        case ConfigurationAttributeType::internal_ip4_dns:
            return "INTERNAL_IP4_DNS";
        case ConfigurationAttributeType::internal_ip6_address:
            return "INTERNAL_IP6_ADDRESS";
        case ConfigurationAttributeType::internal_ip6_dns:
            return "INTERNAL_IP6_DNS";
        case ConfigurationAttributeType::internal_ip4_subnet:
            return "INTERNAL_IP4_SUBNET";
        case ConfigurationAttributeType::internal_ip6_subnet:
            return "INTERNAL_IP6_SUBNET";
        case ConfigurationAttributeType::internal_dns_domain:
            return "INTERNAL_DNS_DOMAIN";
    }
    return fmt::format("attribute {}", static_cast<unsigned>(type));
}

std::string print(const ConfigurationAttribute& attribute) {
    std::string name = name_of(attribute.type);
    if (attribute.value.empty()) {
        return name;
    }
    return attribute.type == ConfigurationAttributeType::internal_dns_domain
               ? fmt::format("{} {}", name, readable(attribute.value))
               : fmt::format("{} of {}", name, octets_text(attribute.value.size()));
}

}  // namespace

Result<ConfigurationPayload> parse_configuration(Bytes body) {
    Reader reader(body);
    ConfigurationPayload payload;
    payload.type = static_cast<ConfigurationType>(reader.be<std::uint8_t>());
    // RFC 7296 section 3.15: "RESERVED (3 octets) - MUST be sent as zero; MUST be ignored on receipt."
    static_cast<void>(reader.take(kReserved));
    if (!reader.ok()) {
        return malformed(fmt::format("at least 4 octets expected, got {}", octets_text(body.size())));
    }
    while (!reader.finished()) {
        if (payload.attributes.size() == kMostPayloads) {
            return malformed(fmt::format("more than {} attributes", kMostPayloads));
        }
        const auto type = reader.be<std::uint16_t>();
        const auto length = reader.be<std::uint16_t>();
        const Bytes value = reader.take(length);
        if (!reader.ok()) {
            return malformed(
                fmt::format("the length of attribute {} does not fit into it", payload.attributes.size() + 1));
        }
        // Section 3.15.1: "Reserved (1 bit) - This bit MUST be set to zero and MUST be ignored on receipt."
        payload.attributes.push_back(
            {static_cast<ConfigurationAttributeType>(type & ~kReservedBit), octets_of(value)});
    }
    return payload;
}

void emit_body(const ConfigurationPayload& payload, Writer& writer) {
    writer.be(static_cast<std::uint8_t>(payload.type)).be(std::uint8_t{0}).be(std::uint16_t{0});
    for (const ConfigurationAttribute& attribute : payload.attributes) {
        writer.be(static_cast<std::uint16_t>(attribute.type))
            .be(static_cast<std::uint16_t>(attribute.value.size()))
            .raw(attribute.value);
    }
}

std::string print_body(const ConfigurationPayload& payload) {
    const auto text_of = [&payload](std::size_t i) { return print(payload.attributes[i]); };
    return fmt::format("CP({}: {})", name_of(payload.type), some_of(payload.attributes.size(), text_of));
}

}  // namespace keysluice::ike::wire
