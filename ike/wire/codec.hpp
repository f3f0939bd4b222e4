#pragma once

#include <fmt/format.h>

#include <string>

#include "ike/wire/payloads.hpp"
#include "ike/wire/text.hpp"

/// Inside ike/wire: the bodies of payloads, behind their generic header. Each payload's file has its three functions,
/// and message.cpp ties them together. parse_… fails with "ike-malformed", in a sentence that goes on where "payload
/// 2 (KE) at octet 76: " stops. emit_body() expects what fits into a payload of 65,535 octets.
namespace keysluice::ike::wire {

[[nodiscard]] inline std::unexpected<Error> malformed(std::string sentence) {
    return fail("ike-malformed", std::move(sentence));
}

[[nodiscard]] inline Octets octets_of(Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

[[nodiscard]] Result<SaPayload> parse_sa(Bytes body);
[[nodiscard]] Result<KePayload> parse_ke(Bytes body);
[[nodiscard]] Result<Payload> parse_id_initiator(Bytes body);
[[nodiscard]] Result<Payload> parse_id_responder(Bytes body);
[[nodiscard]] Result<CertificatePayload> parse_certificate(Bytes body);
[[nodiscard]] Result<CertificateRequestPayload> parse_certificate_request(Bytes body);
[[nodiscard]] Result<AuthPayload> parse_auth(Bytes body);
[[nodiscard]] Result<NoncePayload> parse_nonce(Bytes body);
[[nodiscard]] Result<NotifyPayload> parse_notify(Bytes body);
[[nodiscard]] Result<DeletePayload> parse_delete(Bytes body);
[[nodiscard]] Result<VendorIdPayload> parse_vendor_id(Bytes body);
[[nodiscard]] Result<std::vector<TrafficSelector>> parse_selectors(Bytes body);
[[nodiscard]] Result<ConfigurationPayload> parse_configuration(Bytes body);
[[nodiscard]] Result<EapPayload> parse_eap(Bytes body);
[[nodiscard]] Result<UnknownPayload> parse_unknown(PayloadType type, bool critical, Bytes body);

void emit_body(const SaPayload& payload, Writer& writer);
void emit_body(const KePayload& payload, Writer& writer);
void emit_body(const IdInitiatorPayload& payload, Writer& writer);
void emit_body(const IdResponderPayload& payload, Writer& writer);
void emit_body(const CertificatePayload& payload, Writer& writer);
void emit_body(const CertificateRequestPayload& payload, Writer& writer);
void emit_body(const AuthPayload& payload, Writer& writer);
void emit_body(const NoncePayload& payload, Writer& writer);
void emit_body(const NotifyPayload& payload, Writer& writer);
void emit_body(const DeletePayload& payload, Writer& writer);
void emit_body(const VendorIdPayload& payload, Writer& writer);
void emit_body(const TsInitiatorPayload& payload, Writer& writer);
void emit_body(const TsResponderPayload& payload, Writer& writer);
void emit_body(const ConfigurationPayload& payload, Writer& writer);
void emit_body(const EapPayload& payload, Writer& writer);
void emit_body(const UnknownPayload& payload, Writer& writer);

[[nodiscard]] std::string print_body(const SaPayload& payload);
[[nodiscard]] std::string print_body(const KePayload& payload);
[[nodiscard]] std::string print_body(const IdInitiatorPayload& payload);
[[nodiscard]] std::string print_body(const IdResponderPayload& payload);
[[nodiscard]] std::string print_body(const CertificatePayload& payload);
[[nodiscard]] std::string print_body(const CertificateRequestPayload& payload);
[[nodiscard]] std::string print_body(const AuthPayload& payload);
[[nodiscard]] std::string print_body(const NoncePayload& payload);
[[nodiscard]] std::string print_body(const NotifyPayload& payload);
[[nodiscard]] std::string print_body(const DeletePayload& payload);
[[nodiscard]] std::string print_body(const VendorIdPayload& payload);
[[nodiscard]] std::string print_body(const TsInitiatorPayload& payload);
[[nodiscard]] std::string print_body(const TsResponderPayload& payload);
[[nodiscard]] std::string print_body(const ConfigurationPayload& payload);
[[nodiscard]] std::string print_body(const EapPayload& payload);
[[nodiscard]] std::string print_body(const UnknownPayload& payload);

}  // namespace keysluice::ike::wire
