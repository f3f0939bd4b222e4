#include "ike/wire/rules.hpp"

#include "tests/unit/ike/wire/octets.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::wire;

namespace {

const SaPayload kSa;
const KePayload kKe;
const NoncePayload kNonce;
const IdInitiatorPayload kIdi;
const IdResponderPayload kIdr;
const AuthPayload kAuth;
const CertificatePayload kCert;
const CertificateRequestPayload kCertReq;
const TsInitiatorPayload kTsi;
const TsResponderPayload kTsr;
const DeletePayload kDelete;
const NotifyPayload kNotify{NotifyType::cookie, {}, {}, {}};
const NotifyPayload kError{NotifyType::no_proposal_chosen, {}, {}, {}};
const VendorIdPayload kVendor;
const ConfigurationPayload kConfiguration{};
const EapPayload kEap{{1, 2, 0, 5, 1}};

using Payloads = std::vector<Payload>;

enum class Way { request, response };

Header header(ExchangeType exchange, Way way) {
    return {.exchange = exchange, .is_response = way == Way::response};
}

/// As each exchange wants it: IKE_SA_INIT in the clear, the others encrypted.
Result<void> as_usual(ExchangeType exchange, Way way, const Payloads& payloads) {
    const bool clear = exchange == ExchangeType::ike_sa_init;
    return check(header(exchange, way), clear ? payloads : Payloads{}, clear ? Payloads{} : payloads, !clear);
}

void good(ExchangeType exchange, Way way, const Payloads& payloads) {
    const auto checked = as_usual(exchange, way, payloads);
    CHECK_MESSAGE(checked, (checked ? "" : checked.error().sentence));
}

void bad(const Result<void>& checked, std::string_view why) {
    REQUIRE_FALSE_MESSAGE(checked, std::string(why));
    CHECK(checked.error().reason == "ike-payloads");
    CHECK_MESSAGE(checked.error().sentence.contains(why), checked.error().sentence);
}

void bad(ExchangeType exchange, Way way, const Payloads& payloads, std::string_view why) {
    bad(as_usual(exchange, way, payloads), why);
}

Payloads plus(Payloads payloads, std::initializer_list<Payload> more) {
    payloads.insert(payloads.end(), more);
    return payloads;
}

Payloads without(Payloads payloads, std::size_t index) {
    payloads.erase(payloads.begin() + static_cast<std::ptrdiff_t>(index));
    return payloads;
}

struct Complete {
    ExchangeType exchange;
    Way way;
    Payloads payloads;  ///< the least that must be there
};

std::vector<Complete> complete() {
    using enum ExchangeType;
    return {{ike_sa_init, Way::request, {kSa, kKe, kNonce}},
            {ike_sa_init, Way::response, {kSa, kKe, kNonce}},
            {ike_auth, Way::request, {kIdi, kSa, kTsi, kTsr}},
            {create_child_sa, Way::request, {kSa, kNonce}},
            {create_child_sa, Way::response, {kSa, kNonce}},
            {informational, Way::request, {}},
            {informational, Way::response, {}}};
}

}  // namespace

TEST_CASE("each message with the least that it needs, and without one of it") {
    for (const Complete& message : complete()) {
        good(message.exchange, message.way, message.payloads);
        for (std::size_t i = 0; i < message.payloads.size(); ++i) {
            bad(message.exchange, message.way, without(message.payloads, i), "expected, got");
            // And with it twice.
            bad(message.exchange, message.way, plus(message.payloads, {message.payloads[i]}), "expected, got 2");
        }
    }
}

TEST_CASE("notifications, vendor ids and what nobody knows go anywhere") {
    for (const Complete& message : complete()) {
        Payloads payloads = plus(message.payloads, {kNotify, kError, kVendor, kConfiguration});
        good(message.exchange, message.way, payloads);
        std::ranges::reverse(payloads);
        good(message.exchange, message.way, payloads);
    }
}

TEST_CASE("whole messages as peers send them") {
    using enum ExchangeType;
    good(ike_sa_init, Way::request, {kNotify, kSa, kKe, kNonce, kNotify, kNotify, kVendor});
    good(ike_sa_init, Way::response, {kSa, kKe, kNonce, kNotify, kCertReq, kCertReq});
    good(ike_auth, Way::request,
         {kIdi, kCert, kCert, kNotify, kCertReq, kIdr, kAuth, kConfiguration, kSa, kTsi, kTsr, kNotify});
    good(ike_auth, Way::response, {kIdr, kCert, kAuth, kConfiguration, kSa, kTsi, kTsr});
    good(ike_auth, Way::response, {kIdr, kAuth, kError});
    good(ike_auth, Way::response, {kIdr, kAuth, kEap});
    good(create_child_sa, Way::request, {kNotify, kSa, kNonce, kKe, kTsi, kTsr});
    good(create_child_sa, Way::request, {kSa, kNonce, kKe});
    good(create_child_sa, Way::response, {kSa, kNonce, kTsi, kTsr});
    good(informational, Way::request, {kDelete, kDelete, kNotify});
}

TEST_CASE("the first answer of IKE_AUTH has an identity and a proof") {
    using enum ExchangeType;
    good(ike_auth, Way::response, {kIdr, kAuth});
    bad(ike_auth, Way::response, {kIdr}, "AUTH expected, or EAP in its place");
    bad(ike_auth, Way::response, {kIdr, kIdr, kAuth}, "expected, got 2");
    bad(ike_auth, Way::response, {kIdr, kAuth, kAuth}, "expected, got 2");
}

TEST_CASE("EAP: its first round, and those behind it") {
    using enum ExchangeType;
    good(ike_auth, Way::request, {kIdi, kCertReq, kSa, kTsi, kTsr});
    good(ike_auth, Way::response, {kIdr, kCert, kAuth, kEap});
    good(ike_auth, Way::response, {kIdr, kEap});
    for (const Way way : {Way::request, Way::response}) {
        good(ike_auth, way, {kEap});
        good(ike_auth, way, {kNotify, kEap, kVendor});
        good(ike_auth, way, {kAuth});
        bad(ike_auth, way, {kEap, kEap}, "at most 1 EAP expected, got 2");
        bad(ike_auth, way, {kAuth, kAuth}, "at most 1 AUTH expected, got 2");
        bad(ike_auth, way, {kEap, kAuth}, "expected, got 0");
        bad(ike_auth, way, {kEap, kCert}, "CERT does not belong");
    }
    good(ike_auth, Way::response, {kAuth, kSa, kTsi, kTsr, kNotify});
    good(ike_auth, Way::response, {kAuth, kError});
    bad(ike_auth, Way::response, {kAuth, kSa}, "SA, TSi and TSr expected, or none of them");
    bad(ike_auth, Way::request, {kAuth, kSa, kTsi, kTsr}, "expected, got 0");
    bad(ike_auth, Way::request, {kIdi, kSa, kTsi, kTsr, kEap}, "EAP does not belong");
    bad(create_child_sa, Way::request, {kSa, kNonce, kEap}, "EAP does not belong");
    bad(informational, Way::request, {kEap}, "EAP does not belong");
}

TEST_CASE("what does not belong into a message") {
    using enum ExchangeType;
    bad(ike_sa_init, Way::request, {kSa, kKe, kNonce, kCertReq}, "IKE_SA_INIT request: CERTREQ does not belong");
    bad(ike_sa_init, Way::response, {kSa, kKe, kNonce, kAuth}, "IKE_SA_INIT response: AUTH does not belong");
    bad(ike_auth, Way::request, {kIdi, kSa, kTsi, kTsr, kNonce}, "nonce does not belong");
    bad(ike_auth, Way::response, {kIdr, kAuth, kIdi}, "IDi does not belong");
    bad(create_child_sa, Way::request, {kSa, kNonce, kDelete}, "D does not belong");
    bad(informational, Way::request, {kSa}, "INFORMATIONAL request: SA does not belong");
    bad(informational, Way::response, {kAuth, kNotify}, "AUTH does not belong");
}

TEST_CASE("selectors come in pairs, and in IKE_AUTH with their proposal") {
    using enum ExchangeType;
    for (const Way way : {Way::request, Way::response}) {
        bad(create_child_sa, way, {kSa, kNonce, kTsi}, "TSi and TSr expected, or neither, got 1 and 0");
        bad(create_child_sa, way, {kSa, kNonce, kTsr}, "got 0 and 1");
    }
    bad(ike_auth, Way::response, {kIdr, kAuth, kSa}, "SA, TSi and TSr expected, or none of them");
    bad(ike_auth, Way::response, {kIdr, kAuth, kTsi, kTsr}, "got 0 SA and 1 TSi");
}

TEST_CASE("an error is a response of notifications alone, never a request") {
    using enum ExchangeType;
    for (const ExchangeType exchange : {ike_sa_init, ike_auth, create_child_sa}) {
        good(exchange, Way::response, {kError});
        good(exchange, Way::response, {kVendor, kNotify, kConfiguration});
        bad(exchange, Way::response, {}, "expected, got 0");
        bad(exchange, Way::response, {kVendor}, "expected, got 0");
        bad(exchange, Way::request, {kError}, "expected, got 0");
    }
    good(informational, Way::request, {kError});
}

TEST_CASE("what must be encrypted is not taken in the clear") {
    using enum ExchangeType;
    for (const Complete& message : complete()) {
        const Header head = header(message.exchange, message.way);
        if (message.exchange == ike_sa_init) {
            bad(check(head, {}, message.payloads, true), "encrypted, before there are keys");
            bad(check(head, message.payloads, {}, true), "encrypted, before there are keys");
            continue;
        }
        bad(check(head, message.payloads, {}, false), "it is not encrypted");
        for (const Payload& exposed : message.payloads) {
            bad(check(head, {exposed}, message.payloads, true), "is not encrypted");
        }
        CHECK(check(head, {kNotify, kVendor, kConfiguration}, message.payloads, true));
    }
    bad(check(header(informational, Way::request), {kDelete}, {}, true), "D is not encrypted");
}

TEST_CASE("unprotected notifications are answers, or informational") {
    using enum ExchangeType;
    for (const ExchangeType exchange : {ike_auth, create_child_sa, informational}) {
        CHECK(check(header(exchange, Way::response), {kError}, {}, false));
        CHECK(check(header(exchange, Way::response), {kVendor, kError}, {}, false));
        bad(check(header(exchange, Way::response), {}, {}, false), "not encrypted");
        bad(check(header(exchange, Way::response), {kVendor}, {}, false), "not encrypted");
        bad(check(header(exchange, Way::response), {kError, kDelete}, {}, false), "not encrypted");
    }
    CHECK(check(header(informational, Way::request), {kError}, {}, false));
    bad(check(header(informational, Way::request), {kDelete}, {}, false), "not encrypted");
    bad(check(header(ike_auth, Way::request), {kError}, {}, false), "not encrypted");
    bad(check(header(create_child_sa, Way::request), {kError}, {}, false), "not encrypted");
}

TEST_CASE("an exchange that nobody knows has a reason of its own") {
    const auto checked = check(header(static_cast<ExchangeType>(43), Way::request), {kNotify}, {}, false);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().reason == "ike-exchange");
    CHECK(checked.error().sentence == "unknown exchange 43");
}

TEST_CASE("critical and unknown") {
    CHECK_FALSE(critical_unknown({}));
    CHECK_FALSE(critical_unknown({kSa, kConfiguration, kEap}));
    const UnknownPayload critical{static_cast<PayloadType>(77), true, {}};
    CHECK(critical_unknown({kSa, kConfiguration, critical, UnknownPayload{static_cast<PayloadType>(78), true, {}}}) ==
          static_cast<PayloadType>(77));
    // The rules themselves don't look at it: who answers says UNSUPPORTED_CRITICAL_PAYLOAD.
    good(ExchangeType::informational, Way::request, {critical});
}
