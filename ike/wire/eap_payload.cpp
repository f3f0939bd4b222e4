#include "ike/wire/codec.hpp"
#include "ike/wire/message.hpp"

// RFC 7296 section 3.16, behind the generic header: one packet of EAP, which eap/packet.hpp reads.

namespace keysluice::ike::wire {

Result<EapPayload> parse_eap(Bytes body) {
    return EapPayload{octets_of(body)};
}

void emit_body(const EapPayload& payload, Writer& writer) {
    writer.raw(payload.packet);
}

/// Its contents are a matter between the two ends.
std::string print_body(const EapPayload& payload) {
    return fmt::format("EAP({})", octets_text(payload.packet.size()));
}

}  // namespace keysluice::ike::wire
