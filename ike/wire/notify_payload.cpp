#include "ike/wire/codec.hpp"
#include "ike/wire/message.hpp"
#include "ike/wire/transform.hpp"

// RFC 7296 section 3.10, behind the generic header:
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |  Protocol ID  |   SPI Size    |      Notify Message Type      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                Security Parameter Index (SPI)                 ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                       Notification Data                       ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {

Result<NotifyPayload> parse_notify(Bytes body) {
    Reader reader(body);
    NotifyPayload payload;
    payload.protocol = static_cast<Protocol>(reader.be<std::uint8_t>());
    const auto spi_size = reader.be<std::uint8_t>();
    payload.type = static_cast<NotifyType>(reader.be<std::uint16_t>());
    payload.spi = octets_of(reader.take(spi_size));
    if (!reader.ok()) {
        return malformed(fmt::format("a notification with an SPI of {} does not fit into {}", octets_text(spi_size),
                                     octets_text(body.size())));
    }
    // RFC 7296 section 3.10: "If the SPI field is empty, this field MUST be sent as zero and MUST be ignored on
    // receipt."
    if (payload.spi.empty()) {
        payload.protocol = Protocol::none;
    }
    payload.data = octets_of(reader.rest());
    return payload;
}

void emit_body(const NotifyPayload& payload, Writer& writer) {
    const Protocol protocol = payload.spi.empty() ? Protocol::none : payload.protocol;
    writer.be(static_cast<std::uint8_t>(protocol))
        .be(static_cast<std::uint8_t>(payload.spi.size()))
        .be(static_cast<std::uint16_t>(payload.type))
        .raw(payload.spi)
        .raw(payload.data);
}

std::string print_body(const NotifyPayload& payload) {
    if (payload.spi.empty()) {
        return fmt::format("N({})", name_of(payload.type));
    }
    return fmt::format("N({} {} {:02x})", name_of(payload.type), name_of(payload.protocol),
                       fmt::join(payload.spi, ""));
}

std::string name_of(NotifyType type) {
    switch (type) {
        case NotifyType::unsupported_critical_payload:
            return "UNSUPPORTED_CRITICAL_PAYLOAD";
        case NotifyType::invalid_ike_spi:
            return "INVALID_IKE_SPI";
        case NotifyType::invalid_major_version:
            return "INVALID_MAJOR_VERSION";
        case NotifyType::invalid_syntax:
            return "INVALID_SYNTAX";
        case NotifyType::invalid_message_id:
            return "INVALID_MESSAGE_ID";
        case NotifyType::invalid_spi:
            return "INVALID_SPI";
        case NotifyType::no_proposal_chosen:
            return "NO_PROPOSAL_CHOSEN";
        case NotifyType::invalid_ke_payload:
            return "INVALID_KE_PAYLOAD";
        case NotifyType::authentication_failed:
            return "AUTHENTICATION_FAILED";
        case NotifyType::single_pair_required:
            return "SINGLE_PAIR_REQUIRED";
        case NotifyType::no_additional_sas:
            return "NO_ADDITIONAL_SAS";
        case NotifyType::internal_address_failure:
            return "INTERNAL_ADDRESS_FAILURE";
        case NotifyType::failed_cp_required:
            return "FAILED_CP_REQUIRED";
        case NotifyType::ts_unacceptable:
            return "TS_UNACCEPTABLE";
        case NotifyType::invalid_selectors:
            return "INVALID_SELECTORS";
        case NotifyType::temporary_failure:
            return "TEMPORARY_FAILURE";
        case NotifyType::child_sa_not_found:
            return "CHILD_SA_NOT_FOUND";
        case NotifyType::initial_contact:
            return "INITIAL_CONTACT";
        case NotifyType::set_window_size:
            return "SET_WINDOW_SIZE";
        case NotifyType::additional_ts_possible:
            return "ADDITIONAL_TS_POSSIBLE";
        case NotifyType::ipcomp_supported:
            return "IPCOMP_SUPPORTED";
        case NotifyType::nat_detection_source_ip:
            return "NAT_DETECTION_SOURCE_IP";
        case NotifyType::nat_detection_destination_ip:
            return "NAT_DETECTION_DESTINATION_IP";
        case NotifyType::cookie:
            return "COOKIE";
        case NotifyType::use_transport_mode:
            return "USE_TRANSPORT_MODE";
        case NotifyType::http_cert_lookup_supported:
            return "HTTP_CERT_LOOKUP_SUPPORTED";
        case NotifyType::rekey_sa:
            return "REKEY_SA";
        case NotifyType::esp_tfc_padding_not_supported:
            return "ESP_TFC_PADDING_NOT_SUPPORTED";
        case NotifyType::non_first_fragments_also:
            return "NON_FIRST_FRAGMENTS_ALSO";
        case NotifyType::unacceptable_addresses:
            return "UNACCEPTABLE_ADDRESSES";
        case NotifyType::unexpected_nat_detected:
            return "UNEXPECTED_NAT_DETECTED";
        case NotifyType::mobike_supported:
            return "MOBIKE_SUPPORTED";
        case NotifyType::additional_ip4_address:
            return "ADDITIONAL_IP4_ADDRESS";
        case NotifyType::additional_ip6_address:
            return "ADDITIONAL_IP6_ADDRESS";
        case NotifyType::no_additional_addresses:
            return "NO_ADDITIONAL_ADDRESSES";
        case NotifyType::update_sa_addresses:
            return "UPDATE_SA_ADDRESSES";
        case NotifyType::cookie2:
            return "COOKIE2";
        case NotifyType::no_nats_allowed:
            return "NO_NATS_ALLOWED";
        case NotifyType::fragmentation_supported:
            return "FRAGMENTATION_SUPPORTED";
        case NotifyType::signature_hash_algorithms:
            return "SIGNATURE_HASH_ALGORITHMS";
    }
    return fmt::format("{} {}", is_error(type) ? "error" : "status", static_cast<unsigned>(type));
}

}  // namespace keysluice::ike::wire
