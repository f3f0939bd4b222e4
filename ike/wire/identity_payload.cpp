#include <algorithm>

#include "crypto/distinguished_name.hpp"
#include "ike/wire/codec.hpp"
#include "ike/wire/message.hpp"

// RFC 7296 section 3.5, behind the generic header: IDi and IDr.
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   ID Type     |                 RESERVED                      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                   Identification Data                         ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

template <typename P>
void emit_identity(const P& payload, Writer& writer) {
    writer.be(static_cast<std::uint8_t>(payload.identity.type)).raw(payload.reserved).raw(payload.identity.data);
}

template <typename P>
Result<Payload> parse_identity(Bytes body) {
    Reader reader(body);
    P payload;
    Identity& identity = payload.identity;
    identity.type = static_cast<IdType>(reader.be<std::uint8_t>());
    const Bytes reserved = reader.take(payload.reserved.size());
    identity.data = octets_of(reader.rest());
    if (!reader.ok()) {
        return malformed(fmt::format("a type and 3 reserved octets expected, got {}", octets_text(body.size())));
    }
    std::ranges::copy(reserved, payload.reserved.begin());
    // RFC 7296 section 3.5: "A single four (4) octet IPv4 address", "A single sixteen (16) octet IPv6 address".
    const std::size_t size = identity.data.size();
    if ((identity.type == IdType::ipv4 && size != 4) || (identity.type == IdType::ipv6 && size != 16)) {
        return malformed(fmt::format("an address of {} expected, got {}",
                                     octets_text(identity.type == IdType::ipv4 ? 4 : 16), octets_text(size)));
    }
    return payload;
}

std::string hex(Bytes bytes) {
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

std::string print_address(const Identity& identity) {
    const auto address = IpAddress::from_octets(identity.data);
    return address ? address->text() : hex(identity.data);
}

/// "O=Example, CN=gateway", or its octets when they are not a name.
std::string print_name(const Octets& der) {
    const std::string text = crypto::print_name(der);
    return text.empty() ? "DN " + readable(der) : readable(as_bytes(text));
}

}  // namespace

Result<Payload> parse_id_initiator(Bytes body) {
    return parse_identity<IdInitiatorPayload>(body);
}

Result<Payload> parse_id_responder(Bytes body) {
    return parse_identity<IdResponderPayload>(body);
}

void emit_body(const IdInitiatorPayload& payload, Writer& writer) {
    emit_identity(payload, writer);
}

void emit_body(const IdResponderPayload& payload, Writer& writer) {
    emit_identity(payload, writer);
}

std::string print(const Identity& identity) {
    switch (identity.type) {
        case IdType::ipv4:
        case IdType::ipv6:
            return print_address(identity);
        case IdType::fqdn:
        case IdType::email:
            return readable(identity.data);
        case IdType::dn:
            return print_name(identity.data);
        case IdType::gn:
            return "general name " + readable(identity.data);
        case IdType::key_id:
            return "key id " + readable(identity.data);
        case IdType::null:
            return "null";
    }
    return fmt::format("identity of type {} {}", static_cast<unsigned>(identity.type), readable(identity.data));
}

std::string print_body(const IdInitiatorPayload& payload) {
    return fmt::format("IDi({})", print(payload.identity));
}

std::string print_body(const IdResponderPayload& payload) {
    return fmt::format("IDr({})", print(payload.identity));
}

}  // namespace keysluice::ike::wire
