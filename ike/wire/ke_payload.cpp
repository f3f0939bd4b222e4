#include "ike/wire/codec.hpp"
#include "ike/wire/transform.hpp"

// RFC 7296 section 3.4, behind the generic header:
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   Diffie-Hellman Group Num    |           RESERVED            |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                       Key Exchange Data                       ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {

Result<KePayload> parse_ke(Bytes body) {
    Reader reader(body);
    KePayload payload;
    payload.group = reader.be<std::uint16_t>();
    // RFC 7296 section 2.5: "all fields marked RESERVED […] MUST be ignored".
    static_cast<void>(reader.be<std::uint16_t>());
    payload.value = octets_of(reader.rest());
    // Whether the value is as long as its group asks for is known to whoever knows the group.
    if (!reader.ok() || payload.value.empty()) {
        return malformed(fmt::format("a group and a public value expected, got {}", octets_text(body.size())));
    }
    return payload;
}

void emit_body(const KePayload& payload, Writer& writer) {
    writer.be(payload.group).be(std::uint16_t{0}).raw(payload.value);
}

std::string print_body(const KePayload& payload) {
    const Transform group{.type = TransformType::key_exchange, .id = payload.group};
    return fmt::format("KE({}, {})", name_of(group), octets_text(payload.value.size()));
}

}  // namespace keysluice::ike::wire
