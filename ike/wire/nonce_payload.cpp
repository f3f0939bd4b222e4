#include "ike/wire/codec.hpp"

// RFC 7296 section 3.9, behind the generic header: Ni and Nr.
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                            Nonce Data                         ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

constexpr std::size_t kLeastNonce = 16;
constexpr std::size_t kMostNonce = 256;

}  // namespace

Result<NoncePayload> parse_nonce(Bytes body) {
    // RFC 7296 section 3.9: "The size of the Nonce Data MUST be between 16 and 256 octets, inclusive."
    if (body.size() < kLeastNonce || body.size() > kMostNonce) {
        return malformed(fmt::format("{} to {} octets of nonce expected, got {}", kLeastNonce, kMostNonce,
                                     octets_text(body.size())));
    }
    return NoncePayload{octets_of(body)};
}

void emit_body(const NoncePayload& payload, Writer& writer) {
    writer.raw(payload.data);
}

std::string print_body(const NoncePayload&) {
    return "nonce";
}

}  // namespace keysluice::ike::wire
