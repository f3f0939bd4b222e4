#include "ike/wire/header.hpp"

#include <fmt/format.h>

namespace keysluice::ike::wire {
namespace {

constexpr unsigned kInitiatorFlag = 0x08;
constexpr unsigned kResponseFlag = 0x20;

}  // namespace

Result<FramedHeader> parse_header(Bytes datagram) {
    Reader reader(datagram);
    FramedHeader framed;
    Header& header = framed.header;
    header.initiator_spi = {reader.be<std::uint64_t>()};
    header.responder_spi = {reader.be<std::uint64_t>()};
    framed.first = static_cast<PayloadType>(reader.be<std::uint8_t>());
    // RFC 7296 section 3.1: "They MUST ignore the minor version number of received messages."
    header.major_version = reader.be<std::uint8_t>() >> 4U;
    header.exchange = static_cast<ExchangeType>(reader.be<std::uint8_t>());
    // RFC 7296 section 3.1: "'X' bits MUST be cleared when sending and MUST be ignored on receipt", and of the V bit:
    // "Implementations of IKEv2 MUST clear this bit when sending and MUST ignore it in incoming messages."
    const unsigned flags = reader.be<std::uint8_t>();
    header.from_initiator = (flags & kInitiatorFlag) != 0;
    header.is_response = (flags & kResponseFlag) != 0;
    header.message_id = {reader.be<std::uint32_t>()};
    framed.length = reader.be<std::uint32_t>();
    if (!reader.ok()) {
        return fail("ike-malformed", fmt::format("an IKE message has a header of {} octets, got {} octets",
                                                 kHeaderSize, datagram.size()));
    }
    return framed;
}

void emit_header(const FramedHeader& framed, Writer& writer) {
    const Header& header = framed.header;
    const unsigned flags = (header.from_initiator ? kInitiatorFlag : 0U) | (header.is_response ? kResponseFlag : 0U);
    writer.be(header.initiator_spi.value)
        .be(header.responder_spi.value)
        .be(static_cast<std::uint8_t>(framed.first))
        .be(static_cast<std::uint8_t>(header.major_version << 4U))
        .be(static_cast<std::uint8_t>(header.exchange))
        .be(static_cast<std::uint8_t>(flags))
        .be(header.message_id.value)
        .be(framed.length);
}

std::string name_of(ExchangeType type) {
    switch (type) {
        case ExchangeType::ike_sa_init:
            return "IKE_SA_INIT";
        case ExchangeType::ike_auth:
            return "IKE_AUTH";
        case ExchangeType::create_child_sa:
            return "CREATE_CHILD_SA";
        case ExchangeType::informational:
            return "INFORMATIONAL";
    }
    return fmt::format("exchange {}", static_cast<unsigned>(type));
}

std::string name_of(PayloadType type) {
    switch (type) {
        case PayloadType::none:
            break;
        case PayloadType::sa:
            return "SA";
        case PayloadType::ke:
            return "KE";
        case PayloadType::id_initiator:
            return "IDi";
        case PayloadType::id_responder:
            return "IDr";
        case PayloadType::certificate:
            return "CERT";
        case PayloadType::certificate_request:
            return "CERTREQ";
        case PayloadType::auth:
            return "AUTH";
        case PayloadType::nonce:
            return "nonce";
        case PayloadType::notify:
            return "N";
        case PayloadType::del:
            return "D";
        case PayloadType::vendor_id:
            return "V";
        case PayloadType::ts_initiator:
            return "TSi";
        case PayloadType::ts_responder:
            return "TSr";
        case PayloadType::encrypted:
            return "SK";
        case PayloadType::configuration:
            return "CP";
        case PayloadType::eap:
            return "EAP";
        case PayloadType::encrypted_fragment:
            return "SKF";
    }
    return fmt::format("payload {}", static_cast<unsigned>(type));
}

}  // namespace keysluice::ike::wire
