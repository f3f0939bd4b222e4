#include "ike/wire/codec.hpp"

// RFC 7296 sections 3.6 and 3.7, behind the generic header: CERT, and CERTREQ with "Certification Authority" in place
// of "Certificate Data".
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Cert Encoding |                                               |
// +-+-+-+-+-+-+-+-+                                               |
// ~                       Certificate Data                        ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

constexpr std::size_t kAuthoritySize = 20;

std::string encoding_name(std::uint8_t encoding) {
    return encoding == kX509Signature ? "X.509" : fmt::format("encoding {}", encoding);
}

}  // namespace

Result<CertificatePayload> parse_certificate(Bytes body) {
    if (body.empty()) {
        return malformed("a certificate's encoding expected, got nothing");
    }
    return CertificatePayload{body.front(), octets_of(body.subspan(1))};
}

Result<CertificateRequestPayload> parse_certificate_request(Bytes body) {
    if (body.empty()) {
        return malformed("a certificate's encoding expected, got nothing");
    }
    CertificateRequestPayload payload{body.front(), octets_of(body.subspan(1))};
    // RFC 7296 section 3.7: "The Certification Authority value is a concatenated list of SHA-1 hashes of the public
    // keys of trusted Certification Authorities (CAs)." Of encodings that we don't know it may be anything.
    if (payload.encoding == kX509Signature && payload.authorities.size() % kAuthoritySize != 0) {
        return malformed(fmt::format("hashes of {} expected, got {}", octets_text(kAuthoritySize),
                                     octets_text(payload.authorities.size())));
    }
    return payload;
}

void emit_body(const CertificatePayload& payload, Writer& writer) {
    writer.be(payload.encoding).raw(payload.data);
}

void emit_body(const CertificateRequestPayload& payload, Writer& writer) {
    writer.be(payload.encoding).raw(payload.authorities);
}

std::string print_body(const CertificatePayload& payload) {
    return fmt::format("CERT({}, {})", encoding_name(payload.encoding), octets_text(payload.data.size()));
}

std::string print_body(const CertificateRequestPayload& payload) {
    if (payload.encoding != kX509Signature) {
        return fmt::format("CERTREQ({})", encoding_name(payload.encoding));
    }
    const std::size_t count = payload.authorities.size() / kAuthoritySize;
    return fmt::format("CERTREQ({} {})", count, count == 1 ? "authority" : "authorities");
}

}  // namespace keysluice::ike::wire
