#include <doctest/doctest.h>

#include "ike/exchange.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

constexpr auto kUnknownType = static_cast<wire::PayloadType>(200);

wire::UnknownPayload unknown(bool critical) {
    return {.type = kUnknownType, .critical = critical, .data = {1, 2, 3}};
}

/// The first message of the wire, in the clear, with the payload behind what it has.
void add_in_clear(TwoEnds& ends, const wire::UnknownPayload& payload) {
    REQUIRE(ends.wire.size() == 1);
    auto message = wire::parse(ends.wire.front().bytes);
    REQUIRE(message);
    message->payloads.emplace_back(payload);
    ends.wire.front().bytes = wire::emit(message->header, message->payloads);
}

}  // namespace

// RFC 7296 section 2.5: "If the critical flag is set and the payload type is unrecognized, the message MUST be
// rejected and the response to the IKE request containing that payload MUST include a Notify payload
// UNSUPPORTED_CRITICAL_PAYLOAD".
TEST_SUITE("exchange: a payload that nobody knows") {
    TEST_CASE("critical in an IKE_SA_INIT: refused by its type, and nothing is kept, not even with a cookie") {
        for (const std::size_t cookie_after : {100U, 0U}) {
            CAPTURE(cookie_after);
            Settings settings;
            settings.cookie_after = cookie_after;
            TwoEnds ends({}, settings);
            ends.configure();
            ends.initiate(ends.a);
            add_in_clear(ends, unknown(true));
            ends.deliver();
            CHECK(ends.z.endpoint->sas().empty());
            CHECK(ends.z.last_reason() == "ike-payloads");
            REQUIRE(ends.wire.size() == 1);
            const auto answer = wire::parse(ends.wire.front().bytes);
            REQUIRE(answer);
            REQUIRE(answer->payloads.size() == 1);
            const auto* refusal = find_notify(answer->payloads, wire::NotifyType::unsupported_critical_payload);
            REQUIRE(refusal != nullptr);
            CHECK(refusal->data == wire::Octets{200});
        }
    }

    TEST_CASE_TEMPLATE("critical in the answer to an IKE_SA_INIT: the true answer is waited for", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.deliver();
        const auto true_answer = ends.wire.front();
        add_in_clear(ends, unknown(true));
        ends.deliver();
        REQUIRE(ends.a.sa() != nullptr);
        CHECK(ends.a.sa()->state == State::init_sent);
        CHECK(ends.wire.empty());
        ends.wire.push_back(true_answer);
        ends.settle();
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("critical in a protected request: refused, and the IKE SA goes on", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.settle();
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.tamper(ends.a, [](Payloads& all) { all.emplace_back(unknown(true)); });
        ends.deliver();
        ends.tamper(ends.z, [](Payloads& all) {
            REQUIRE(all.size() == 1);
            const auto* refusal = find_notify(all, wire::NotifyType::unsupported_critical_payload);
            REQUIRE(refusal != nullptr);
            CHECK(refusal->data == wire::Octets{200});
        });
        ends.settle();
        ends.check_up();
    }

    // "Payloads sent in IKE response messages MUST NOT have the critical flag set."
    TEST_CASE_TEMPLATE("critical in a protected response: a message that can't be read", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.settle();
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.deliver();
        ends.tamper(ends.z, [](Payloads& all) { all.emplace_back(unknown(true)); });
        ends.deliver();
        CHECK(ends.a.last_reason() == "ike-payloads");
        CHECK(ends.a.standing() == 0);
        CHECK(ends.a.kernel.empty());
    }

    TEST_CASE_TEMPLATE("not critical: ignored", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        // It is a part of what AUTH covers, so z sees another message than a has sent.
        const auto request = ends.wire.front();
        add_in_clear(ends, unknown(false));
        ends.deliver();
        CHECK(ends.z.standing() == 1);
        ends.wire.clear();
        ends.event(ends.z, Terminate{"a-z"});
        ends.pass_silently(std::chrono::minutes(1));
        ends.wire.push_back(request);
        ends.settle();
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.tamper(ends.a, [](Payloads& all) { all.emplace_back(unknown(false)); });
        ends.deliver();
        ends.tamper(ends.z, [](Payloads& all) { all.emplace_back(unknown(false)); });
        ends.settle();
        CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
        ends.check_up();
    }
}
