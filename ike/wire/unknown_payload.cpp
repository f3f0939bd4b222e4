#include "ike/wire/codec.hpp"

// A payload of a type that this program does not interpret. RFC 7296 section 2.5: "If the critical flag is set and
// the payload type is unrecognized, the message MUST be rejected and the response to the IKE request containing that
// payload MUST include a Notify payload UNSUPPORTED_CRITICAL_PAYLOAD […]. If the critical flag is not set and the
// payload type is unsupported, that payload MUST be ignored." Who has the exchange does both (rules.hpp helps).

namespace keysluice::ike::wire {

Result<UnknownPayload> parse_unknown(PayloadType type, bool critical, Bytes body) {
    return UnknownPayload{type, critical, octets_of(body)};
}

void emit_body(const UnknownPayload& payload, Writer& writer) {
    writer.raw(payload.data);
}

std::string print_body(const UnknownPayload& payload) {
    return fmt::format("{}({}{})", name_of(payload.type), payload.critical ? "critical, " : "",
                       octets_text(payload.data.size()));
}

}  // namespace keysluice::ike::wire
