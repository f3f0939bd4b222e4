#include "ike/wire/codec.hpp"
#include "ike/wire/message.hpp"

// RFC 7296 section 3.8, behind the generic header:
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Auth Method   |                RESERVED                       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                      Authentication Data                      ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
std::string name_of(AuthMethod method) {
    switch (method) {
        case AuthMethod::rsa:
            return "RSA";
        case AuthMethod::shared_key:
            return "shared key";
        case AuthMethod::ecdsa_256:
            return "ECDSA-256";
        case AuthMethod::ecdsa_384:
            return "ECDSA-384";
        case AuthMethod::ecdsa_521:
            return "ECDSA-521";
        case AuthMethod::null:
            return "null";
        case AuthMethod::digital_signature:
            return "signature";
    }
    return fmt::format("method {}", static_cast<unsigned>(method));
}

Result<AuthPayload> parse_auth(Bytes body) {
    Reader reader(body);
    AuthPayload payload;
    payload.method = static_cast<AuthMethod>(reader.be<std::uint8_t>());
    // RFC 7296 section 3.8: "RESERVED - MUST be sent as zero; MUST be ignored on receipt."
    static_cast<void>(reader.take(3));
    payload.data = octets_of(reader.rest());
    if (!reader.ok()) {
        return malformed(fmt::format("a method and 3 reserved octets expected, got {}", octets_text(body.size())));
    }
    return payload;
}

void emit_body(const AuthPayload& payload, Writer& writer) {
    writer.be(static_cast<std::uint8_t>(payload.method)).be(std::uint8_t{0}).be(std::uint16_t{0}).raw(payload.data);
}

std::string print_body(const AuthPayload& payload) {
    return fmt::format("AUTH({}, {})", name_of(payload.method), octets_text(payload.data.size()));
}

}  // namespace keysluice::ike::wire
