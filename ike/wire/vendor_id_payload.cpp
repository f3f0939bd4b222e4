#include "ike/wire/codec.hpp"

// RFC 7296 section 3.12, behind the generic header:
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                        Vendor ID (VID)                        ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {

Result<VendorIdPayload> parse_vendor_id(Bytes body) {
    return VendorIdPayload{octets_of(body)};
}

void emit_body(const VendorIdPayload& payload, Writer& writer) {
    writer.raw(payload.data);
}

std::string print_body(const VendorIdPayload&) {
    return "V";
}

}  // namespace keysluice::ike::wire
