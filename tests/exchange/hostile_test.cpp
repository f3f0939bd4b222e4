#include <doctest/doctest.h>

#include <algorithm>

#include "ike/exchange.hpp"
#include "ike/protection.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::SeededRandom;
using keysluice::ike::testing::TwoEnds;

namespace {

/// Both ends are up, and then somebody who has z's keys speaks in its place, as no honest peer would.
template <typename Ends>
struct Hostile {
    explicit Hostile(const std::function<void(Connection&, Connection&)>& change = {}) {
        ends.configure(change);
        ends.initiate(ends.a, "net");
        ends.settle();
        ends.check_up();
        request = ends.z.sa()->window.next_request;
    }

    [[nodiscard]] const Sa& a() const { return *ends.a.sa(); }
    [[nodiscard]] const Connection& rules() const { return *ends.a.connections.front(); }

    void say(wire::ExchangeType exchange, bool response, MessageId id, const Payloads& payloads) {
        const Sa& z = *ends.z.sa();
        const wire::Header header{.initiator_spi = z.initiator_spi,
                                  .responder_spi = z.responder_spi,
                                  .exchange = exchange,
                                  .from_initiator = z.initiator,
                                  .is_response = response,
                                  .message_id = id};
        const auto sealed = seal_message(tools, z.suite, z.sending(), iv, header, payloads, {});
        REQUIRE(sealed);
        ends.event(ends.a, DatagramReceived{ends.a.address, ends.z.address, sealed->front()});
    }
    void ask(const Payloads& payloads) {
        say(wire::ExchangeType::create_child_sa, false, request, payloads);
        ++request.value;
    }
    /// Answers what a has asked last, which never reaches z.
    void answer(const Payloads& payloads) {
        REQUIRE(asked() != nullptr);
        const OutstandingRequest outstanding = *asked()->window.outstanding;
        ends.wire.clear();
        say(outstanding.exchange, true, outstanding.id, payloads);
    }
    [[nodiscard]] const Sa* asked() const {
        for (const auto& [spi, sa] : ends.a.endpoint->sas()) {
            if (sa->window.outstanding) {
                return sa.get();
            }
        }
        return nullptr;
    }
    /// What a answered last, opened with z's keys.
    [[nodiscard]] Payloads heard() {
        REQUIRE_FALSE(ends.wire.empty());
        const auto message = wire::parse(ends.wire.back().bytes);
        REQUIRE(message);
        const Sa& z = *ends.z.sa();
        auto plaintext = open_part(tools, z.suite, z.receiving(), *message->encrypted);
        REQUIRE(plaintext);
        return wire::parse_payloads(message->encrypted->first_inner, *plaintext).value();
    }
    [[nodiscard]] bool heard(wire::NotifyType type) { return find_notify(heard(), type) != nullptr; }

    /// A request for a new IKE SA in place of this one.
    Payloads rekeying() {
        auto pair = new_key_pair(random, GroupId::x25519);
        return {offer(rules().proposals, octets_of(IkeSpi{random.template number<std::uint64_t>()}), true),
                wire::NoncePayload{new_nonce(random)},
                wire::KePayload{.group = static_cast<std::uint16_t>(GroupId::x25519), .value = pair->public_value}};
    }
    Payloads child_request() {
        const ChildRule& rule = rules().children.front();
        const EspSpi spi{random.template number<std::uint32_t>() | 0x1000U};
        return {offer(rule.proposals, octets_of(spi), true), wire::NoncePayload{new_nonce(random)},
                wire::TsInitiatorPayload{rule.remote}, wire::TsResponderPayload{rule.local}};
    }

    Ends ends;
    Toolbox tools;
    SeededRandom random{99};
    IvCounter iv{.epoch = 77, .next = 0};
    MessageId request;
};

Payloads error(wire::NotifyType type, Bytes data = {}) {
    return {notify(type, data)};
}

Payloads other_group(std::uint16_t group) {
    Writer data;
    data.be(group);
    return error(wire::NotifyType::invalid_ke_payload, data.view());
}

}  // namespace

TEST_SUITE("exchange: an authenticated peer that misbehaves") {
    TEST_CASE_TEMPLATE("suggests groups for the IKE SA that were never offered", Ends, TwoEnds, RewrittenEnds) {
        for (const int group : {0, 1, 2, 14, 20, 999, 0xFFFF}) {
            CAPTURE(group);
            Hostile<Ends> z;
            z.ends.event(z.ends.a, Rekey{"a-z", {}});
            z.answer(other_group(static_cast<std::uint16_t>(group)));
            CHECK(z.ends.a.last_reason() == "rekey-refused");
            CHECK(z.asked() == nullptr);
            CHECK(z.a().state == State::established);
        }
    }

    TEST_CASE_TEMPLATE("suggests the same group again and again", Ends, TwoEnds, RewrittenEnds) {
        Hostile<Ends> z([](Connection& of_a, Connection&) {
            of_a.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x25519-ecp256", {})};
        });
        z.ends.event(z.ends.a, Rekey{"a-z", {}});
        int asked = 0;
        for (; z.asked() != nullptr && asked < 100; ++asked) {
            const bool even = asked % 2 == 0;
            z.answer(other_group(static_cast<std::uint16_t>(even ? GroupId::ecp256 : GroupId::x25519)));
        }
        CHECK(asked < 10);
        CHECK(z.a().state == State::established);
    }

    TEST_CASE_TEMPLATE("rekeys the IKE SA twice while we rekey it: one rival is enough", Ends, TwoEnds,
                       RewrittenEnds) {
        Hostile<Ends> z;
        z.ends.event(z.ends.a, Rekey{"a-z", {}});
        z.ask(z.rekeying());
        CHECK(z.ends.a.endpoint->sas().size() == 2);
        z.ask(z.rekeying());
        CHECK(z.ends.a.endpoint->sas().size() == 2);
        CHECK(z.heard(wire::NotifyType::temporary_failure));
        // The rival stands, and is not forgotten: ours fails, and it inherits the children.
        z.answer(error(wire::NotifyType::temporary_failure));
        z.ends.pass_silently(std::chrono::minutes(10));
        CHECK(z.ends.a.endpoint->sas().empty());
        CHECK(z.ends.a.kernel.empty());
    }

    TEST_CASE_TEMPLATE("rekeys the IKE SA without ever deleting an old one", Ends, TwoEnds, RewrittenEnds) {
        Hostile<Ends> z;
        z.ask(z.rekeying());
        const auto& sas = z.ends.a.endpoint->sas();
        REQUIRE(sas.size() == 2);
        const auto next =
            std::ranges::find_if(sas, [](const auto& each) { return each.second->state == State::established; });
        REQUIRE(next != sas.end());
        // Whoever answers the next one looks at this.
        CHECK(next->second->predecessor.has_value());
    }

    TEST_CASE_TEMPLATE("sends what is badly formatted, or finds ours so: both give the IKE SA up", Ends, TwoEnds,
                       RewrittenEnds) {
        Hostile<Ends> asks;
        asks.ask({offer(asks.rules().proposals, octets_of(IkeSpi{7}), true)});  // a rekeying without a key
        CHECK(asks.heard(wire::NotifyType::invalid_syntax));
        CHECK(asks.ends.a.standing() == 0);
        CHECK(asks.ends.a.kernel.empty());

        Hostile<Ends> answers;
        answers.ends.event(answers.ends.a, Rekey{"a-z", "net"});
        answers.answer(error(wire::NotifyType::invalid_syntax));
        CHECK(answers.ends.a.last_reason() == "peer-invalid-syntax");
        CHECK(answers.ends.a.standing() == 0);
        CHECK(answers.ends.a.kernel.empty());
    }

    TEST_CASE_TEMPLATE("asks for children without end", Ends, TwoEnds, RewrittenEnds) {
        Hostile<Ends> z;
        for (int count = 0; count < 400; ++count) {
            z.ends.wire.clear();
            z.ask(z.child_request());
        }
        CHECK(z.heard(wire::NotifyType::no_additional_sas));
        CHECK(z.a().children.size() == Settings{}.children_most);
        CHECK(z.a().state == State::established);
    }

    TEST_CASE_TEMPLATE("refuses every new child for the moment: asked again after a while, and not for ever", Ends,
                       TwoEnds, RewrittenEnds) {
        Hostile<Ends> z([](Connection& of_a, Connection& of_z) {
            for (Connection* each : {&of_a, &of_z}) {
                each->children.push_back(each->children.front());
                each->children.back().name = "other";
            }
        });
        z.ends.initiate(z.ends.a, "other");
        z.answer(error(wire::NotifyType::temporary_failure));
        CHECK(z.asked() == nullptr);
        CHECK(z.ends.wire.empty());
        int asked = 1;
        const Instant begin = z.ends.now;
        while (z.ends.a.standing() != 0 && asked < 200) {
            z.ends.now = std::max(z.ends.now, z.ends.a.endpoint->next_deadline());
            z.ends.event(z.ends.a, TimePassed{});
            if (const Sa* sa = z.asked()) {
                const bool child = sa->window.outstanding->exchange == wire::ExchangeType::create_child_sa;
                z.answer(child ? error(wire::NotifyType::temporary_failure) : Payloads{});
                ++asked;
            }
        }
        CHECK(asked > 3);
        CHECK(asked < 60);
        CHECK(z.ends.now - begin >= std::chrono::minutes(3));
        CHECK(z.ends.now - begin < std::chrono::minutes(4));
        CHECK(std::ranges::any_of(z.ends.a.reports,
                                  [](const Report& report) { return report.error.reason == "peer-busy"; }));
        CHECK(z.ends.a.kernel.empty());
    }
}

TEST_SUITE("exchange: a peer that never proves who it is") {
    TEST_CASE_TEMPLATE("IKE SAs whose IKE_AUTH was refused count as half-open until they are gone", Ends, TwoEnds,
                       RewrittenEnds) {
        Settings few;
        few.half_open_per_address = 3;
        Ends ends({}, few);
        ends.configure([](Connection& of_a, Connection&) {
            of_a.keys.set_for_all(SharedKey(as_bytes("a key that z does not know")));
        });
        for (int attempt = 0; attempt < 10; ++attempt) {
            ends.initiate(ends.a);
            ends.settle();
            ends.event(ends.a, Terminate{"a-z"});
            ends.settle();
        }
        CHECK(ends.z.endpoint->sas().size() == 3);
        ends.pass(std::chrono::minutes(2));
        CHECK(ends.z.endpoint->sas().empty());
        ends.initiate(ends.a);
        ends.settle();
        CHECK(ends.z.endpoint->sas().size() == 1);
    }
}
