#include "ike/wire/rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "ike/wire/text.hpp"

namespace keysluice::ike::wire {
namespace {

/// How often a payload stands in a message.
struct Rule {
    PayloadType type = PayloadType::none;
    std::size_t least = 0;
    std::size_t most = 1;
};

constexpr std::size_t kMany = kMostPayloads;

// RFC 7296 appendix C.1.
constexpr std::array kInitRequest{
    Rule{PayloadType::sa, 1},
    Rule{PayloadType::ke, 1},
    Rule{PayloadType::nonce, 1},
};
constexpr std::array kInitResponse{
    Rule{PayloadType::sa, 1},
    Rule{PayloadType::ke, 1},
    Rule{PayloadType::nonce, 1},
    Rule{PayloadType::certificate_request, 0, kMany},
};

// Appendices C.2 and C.3, the first request: a peer that wants EAP leaves AUTH out.
constexpr std::array kAuthRequest{
    Rule{PayloadType::id_initiator, 1},
    Rule{PayloadType::certificate, 0, kMany},
    Rule{PayloadType::certificate_request, 0, kMany},
    Rule{PayloadType::id_responder},
    Rule{PayloadType::auth},
    Rule{PayloadType::configuration},
    Rule{PayloadType::sa, 1},
    Rule{PayloadType::ts_initiator, 1},
    Rule{PayloadType::ts_responder, 1},
};
// RFC 7296 section 2.21.2: "a responder may include all the payloads associated with authentication (IDr, CERT, and
// AUTH) while sending error notifications for the piggybacked exchanges". A responder that proves itself by EAP alone
// leaves AUTH out (RFC 5998 section 3).
constexpr std::array kAuthResponse{
    Rule{PayloadType::id_responder, 1},
    Rule{PayloadType::certificate, 0, kMany},
    Rule{PayloadType::auth},
    Rule{PayloadType::configuration},
    Rule{PayloadType::sa},
    Rule{PayloadType::ts_initiator},
    Rule{PayloadType::ts_responder},
    Rule{PayloadType::eap},
};

// Appendix C.3, the rounds behind the first one: EAP, and AUTH once that is over. Who has the exchange knows which.
constexpr std::array kEapRequest{
    Rule{PayloadType::eap},
    Rule{PayloadType::auth},
};
constexpr std::array kEapResponse{
    Rule{PayloadType::eap}, Rule{PayloadType::auth},         Rule{PayloadType::configuration},
    Rule{PayloadType::sa},  Rule{PayloadType::ts_initiator}, Rule{PayloadType::ts_responder},
};

// Appendices C.4 and C.5: one that rekeys an IKE SA has no traffic selectors.
constexpr std::array kCreateChild{
    Rule{PayloadType::sa, 1},        Rule{PayloadType::nonce, 1},     Rule{PayloadType::ke},
    Rule{PayloadType::ts_initiator}, Rule{PayloadType::ts_responder},
};

// Appendix C.6.
constexpr std::array kInformational{
    Rule{PayloadType::del, 0, kMany},
};

/// The payloads of one message of an exchange.
struct Message {
    std::span<const Rule> rules;
    bool encrypted = true;
};

std::size_t count_of(const std::vector<Payload>& payloads, PayloadType type) {
    return static_cast<std::size_t>(std::ranges::count(payloads, type, type_of));
}

/// Identities stand in the first messages of IKE_AUTH alone. A CHILD SA is asked for in the first one as well.
bool is_later_round(const std::vector<Payload>& payloads, bool response) {
    const auto has = [&](PayloadType type) { return count_of(payloads, type) > 0; };
    const bool first = has(PayloadType::id_initiator) || has(PayloadType::id_responder);
    return !first && (response || !has(PayloadType::sa)) && has(PayloadType::eap) != has(PayloadType::auth);
}

Message message_of(ExchangeType exchange, bool response, const std::vector<Payload>& inner) {
    switch (exchange) {
        case ExchangeType::ike_sa_init:
            return {response ? std::span<const Rule>(kInitResponse) : kInitRequest, false};
        case ExchangeType::ike_auth:
            if (is_later_round(inner, response)) {
                return {response ? std::span<const Rule>(kEapResponse) : kEapRequest};
            }
            return {response ? std::span<const Rule>(kAuthResponse) : kAuthRequest};
        case ExchangeType::create_child_sa:
            return {kCreateChild};
        case ExchangeType::informational:
            return {kInformational};
    }
    return {};
}

std::unexpected<Error> broken(const Header& header, std::string_view why) {
    return fail("ike-payloads",
                fmt::format("{} {}: {}", name_of(header.exchange), header.is_response ? "response" : "request", why));
}

/// RFC 7296 section 3.12: "A Vendor ID payload may be sent as part of any message." Section 3.10: "A Notify payload
/// may appear in a response message […], in an INFORMATIONAL exchange […], or in any other message". Section 2.5: "If
/// the critical flag is not set and the payload type is unsupported, that payload MUST be ignored." Configuration is
/// given in IKE_AUTH; elsewhere who asks for it (appendix C) gets none.
bool goes_anywhere(const Payload& payload) {
    return std::holds_alternative<NotifyPayload>(payload) || std::holds_alternative<VendorIdPayload>(payload) ||
           std::holds_alternative<ConfigurationPayload>(payload) || std::holds_alternative<UnknownPayload>(payload);
}

bool only_notifications(const std::vector<Payload>& payloads) {
    return std::ranges::all_of(payloads, goes_anywhere) && std::ranges::any_of(payloads, [](const Payload& one) {
               return std::holds_alternative<NotifyPayload>(one);
           });
}

std::string times(const Rule& rule) {
    if (rule.most == kMany) {
        return fmt::format("at least {}", rule.least);
    }
    return rule.least == rule.most ? fmt::format("{}", rule.least) : fmt::format("at most {}", rule.most);
}

Result<void> check_counts(const Header& header, std::span<const Rule> rules, const std::vector<Payload>& payloads) {
    for (const Rule& rule : rules) {
        const std::size_t count = count_of(payloads, rule.type);
        if (count < rule.least || count > rule.most) {
            return broken(header, fmt::format("{} {} expected, got {}", times(rule), name_of(rule.type), count));
        }
    }
    const auto stray = std::ranges::find_if(payloads, [rules](const Payload& payload) {
        return !goes_anywhere(payload) && std::ranges::find(rules, type_of(payload), &Rule::type) == rules.end();
    });
    return stray == payloads.end()
               ? Result<void>()
               : broken(header, fmt::format("{} does not belong into it", name_of(type_of(*stray))));
}

/// What describes a CHILD SA's traffic comes in pairs, and never without its proposal.
Result<void> check_selectors(const Header& header, const std::vector<Payload>& payloads) {
    const std::size_t initiator = count_of(payloads, PayloadType::ts_initiator);
    const std::size_t responder = count_of(payloads, PayloadType::ts_responder);
    if (initiator != responder) {
        return broken(header, fmt::format("TSi and TSr expected, or neither, got {} and {}", initiator, responder));
    }
    const std::size_t proposals = count_of(payloads, PayloadType::sa);
    if (header.exchange == ExchangeType::ike_auth && proposals != initiator) {
        return broken(header, fmt::format("SA, TSi and TSr expected, or none of them, got {} SA and {} TSi",
                                          proposals, initiator));
    }
    return {};
}

/// Notifications in the clear where the exchange is encrypted. RFC 7296 section 2.21.4: to a request with an unknown
/// SPI "the response MUST NOT be cryptographically protected and MUST contain an INVALID_IKE_SPI Notify payload".
/// Section 1.5: about an unknown ESP SPI "the node MAY send an informational message without cryptographic
/// protection".
Result<void> check_unprotected(const Header& header, const std::vector<Payload>& clear) {
    const bool may_be = header.is_response || header.exchange == ExchangeType::informational;
    return may_be && only_notifications(clear) ? Result<void>() : broken(header, "it is not encrypted");
}

}  // namespace

Result<void> check(const Header& header, const std::vector<Payload>& clear, const std::vector<Payload>& inner,
                   bool had_encrypted) {
    const Message message = message_of(header.exchange, header.is_response, inner);
    if (message.rules.empty()) {
        return fail("ike-exchange", fmt::format("unknown {}", name_of(header.exchange)));
    }
    if (message.encrypted && !had_encrypted) {
        return check_unprotected(header, clear);
    }
    if (!message.encrypted && had_encrypted) {
        return broken(header, "it is encrypted, before there are keys");
    }
    const auto exposed = std::ranges::find_if_not(clear, goes_anywhere);
    if (message.encrypted && exposed != clear.end()) {
        return broken(header, fmt::format("{} is not encrypted", name_of(type_of(*exposed))));
    }
    const std::vector<Payload>& payloads = message.encrypted ? inner : clear;
    if (header.is_response && only_notifications(payloads)) {
        return {};
    }
    if (auto counts = check_counts(header, message.rules, payloads); !counts) {
        return counts;
    }
    const auto has = [&](PayloadType type) { return count_of(payloads, type) > 0; };
    if (header.exchange == ExchangeType::ike_auth && header.is_response && !has(PayloadType::auth) &&
        !has(PayloadType::eap)) {
        return broken(header, "AUTH expected, or EAP in its place");
    }
    return check_selectors(header, payloads);
}

std::optional<PayloadType> critical_unknown(const std::vector<Payload>& payloads) {
    for (const Payload& payload : payloads) {
        const auto* unknown = std::get_if<UnknownPayload>(&payload);
        if (unknown != nullptr && unknown->critical) {
            return unknown->type;
        }
    }
    return std::nullopt;
}

}  // namespace keysluice::ike::wire
