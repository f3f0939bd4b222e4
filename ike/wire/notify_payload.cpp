#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

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

namespace {

/// RFC 7296 section 3.10.1 and the registry's names.
constexpr std::array kNames = std::to_array<std::pair<NotifyType, std::string_view>>({
    {NotifyType::unsupported_critical_payload, "UNSUPPORTED_CRITICAL_PAYLOAD"},
    {NotifyType::invalid_ike_spi, "INVALID_IKE_SPI"},
    {NotifyType::invalid_major_version, "INVALID_MAJOR_VERSION"},
    {NotifyType::invalid_syntax, "INVALID_SYNTAX"},
    {NotifyType::invalid_message_id, "INVALID_MESSAGE_ID"},
    {NotifyType::invalid_spi, "INVALID_SPI"},
    {NotifyType::no_proposal_chosen, "NO_PROPOSAL_CHOSEN"},
    {NotifyType::invalid_ke_payload, "INVALID_KE_PAYLOAD"},
    {NotifyType::authentication_failed, "AUTHENTICATION_FAILED"},
    {NotifyType::single_pair_required, "SINGLE_PAIR_REQUIRED"},
    {NotifyType::no_additional_sas, "NO_ADDITIONAL_SAS"},
    {NotifyType::internal_address_failure, "INTERNAL_ADDRESS_FAILURE"},
    {NotifyType::failed_cp_required, "FAILED_CP_REQUIRED"},
    {NotifyType::ts_unacceptable, "TS_UNACCEPTABLE"},
    {NotifyType::invalid_selectors, "INVALID_SELECTORS"},
    {NotifyType::temporary_failure, "TEMPORARY_FAILURE"},
    {NotifyType::child_sa_not_found, "CHILD_SA_NOT_FOUND"},
    {NotifyType::initial_contact, "INITIAL_CONTACT"},
    {NotifyType::set_window_size, "SET_WINDOW_SIZE"},
    {NotifyType::additional_ts_possible, "ADDITIONAL_TS_POSSIBLE"},
    {NotifyType::ipcomp_supported, "IPCOMP_SUPPORTED"},
    {NotifyType::nat_detection_source_ip, "NAT_DETECTION_SOURCE_IP"},
    {NotifyType::nat_detection_destination_ip, "NAT_DETECTION_DESTINATION_IP"},
    {NotifyType::cookie, "COOKIE"},
    {NotifyType::use_transport_mode, "USE_TRANSPORT_MODE"},
    {NotifyType::http_cert_lookup_supported, "HTTP_CERT_LOOKUP_SUPPORTED"},
    {NotifyType::rekey_sa, "REKEY_SA"},
    {NotifyType::esp_tfc_padding_not_supported, "ESP_TFC_PADDING_NOT_SUPPORTED"},
    {NotifyType::non_first_fragments_also, "NON_FIRST_FRAGMENTS_ALSO"},
    {NotifyType::unacceptable_addresses, "UNACCEPTABLE_ADDRESSES"},
    {NotifyType::unexpected_nat_detected, "UNEXPECTED_NAT_DETECTED"},
    {NotifyType::mobike_supported, "MOBIKE_SUPPORTED"},
    {NotifyType::additional_ip4_address, "ADDITIONAL_IP4_ADDRESS"},
    {NotifyType::additional_ip6_address, "ADDITIONAL_IP6_ADDRESS"},
    {NotifyType::no_additional_addresses, "NO_ADDITIONAL_ADDRESSES"},
    {NotifyType::update_sa_addresses, "UPDATE_SA_ADDRESSES"},
    {NotifyType::cookie2, "COOKIE2"},
    {NotifyType::no_nats_allowed, "NO_NATS_ALLOWED"},
    {NotifyType::auth_lifetime, "AUTH_LIFETIME"},
    {NotifyType::eap_only_authentication, "EAP_ONLY_AUTHENTICATION"},
    {NotifyType::fragmentation_supported, "FRAGMENTATION_SUPPORTED"},
    {NotifyType::signature_hash_algorithms, "SIGNATURE_HASH_ALGORITHMS"},
});

}  // namespace

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
    const auto* const known = std::ranges::find(kNames, type, &std::pair<NotifyType, std::string_view>::first);
    if (known != kNames.end()) {
        return std::string(known->second);
    }
    return fmt::format("{} {}", is_error(type) ? "error" : "status", static_cast<unsigned>(type));
}

}  // namespace keysluice::ike::wire
