#include "ike/key_exchange.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

void configure(TwoEnds& ends, const char* group) {
    ends.configure([&](Connection& of_a, Connection& of_z) {
        of_a.proposals = {*parse_ike_proposal(std::string("aes128gcm16-prfsha256-") + group, {})};
        of_z.proposals = of_a.proposals;
    });
}

/// What the end would have computed, which it did not get yet.
Event take_answer(End& end) {
    REQUIRE(end.errands.size() == 1);
    Event answer = end.answer(end.errands.front());
    end.errands.clear();
    return answer;
}

KeysExchanged failing(const Action& errand, const char* reason) {
    const auto& job = std::get<ExchangeKeys>(errand);
    return {.sa = job.sa, .epoch = job.epoch, .message = job.message, .result = fail(reason, "a test wants it so")};
}

/// The same for another message, or for another process.
std::array<KeysExchanged, 2> mistaken(const Event& answer) {
    const auto& right = std::get<KeysExchanged>(answer);
    std::array<KeysExchanged, 2> wrong;
    for (KeysExchanged& each : wrong) {
        each.sa = right.sa;
        each.epoch = right.epoch;
        each.message = right.message;
        each.result = fail("key-exchange-refused", "it was for somebody else");
    }
    wrong[0].message[0] ^= 1U;
    ++wrong[1].epoch;
    return wrong;
}

void hold_errands(TwoEnds& ends, bool hold) {
    ends.a.holds_errands = hold;
    ends.z.holds_errands = hold;
}

/// z has a's IKE_SA_INIT and has yet to compute.
void ask_z(TwoEnds& ends) {
    configure(ends, "ecp384");
    hold_errands(ends, true);
    ends.initiate(ends.a);
    ends.event(ends.a, take_answer(ends.a));
    ends.deliver();
    REQUIRE(ends.z.errands.size() == 1);
}

constexpr Duration kLinger = std::chrono::seconds(6);

/// Up, with a group that takes long in IKE and in the CHILD SA's rekeying.
TwoEnds& up(TwoEnds& ends, const std::string& group = "x448") {
    ends.configure([&](Connection& of_a, Connection& of_z) {
        of_a.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-" + group, {})};
        of_z.proposals = of_a.proposals;
        of_a.children[0].proposals = {*parse_esp_proposal("aes128gcm16-" + group, {})};
        of_z.children[0].proposals = of_a.children[0].proposals;
    });
    ends.initiate(ends.a);
    ends.settle();
    ends.check_up();
    return ends;
}

/// a has begun to rekey `child`, or the IKE SA, and z has yet to compute.
void ask_z_to_rekey(TwoEnds& ends, const std::string& child) {
    up(ends);
    ends.event(ends.a, Rekey{"a-z", child});
    hold_errands(ends, true);
    ends.deliver();
    REQUIRE(ends.z.errands.size() == 1);
    REQUIRE(ends.wire.empty());
}

void check_rekeyed(TwoEnds& ends, const std::string& child) {
    const auto kind = child.empty() ? Report::Kind::ike_rekeyed : Report::Kind::child_rekeyed;
    ends.pass(kLinger);
    ends.check_up();
    CHECK(ends.a.count(kind) == 1);
    CHECK(ends.z.count(kind) == 1);
    CHECK(ends.a.kernel.inbound().size() == 1);
    CHECK(ends.z.kernel.inbound().size() == 1);
}

/// "" for the IKE SA.
const std::array<std::string, 2> kBoth = {"net", ""};

}  // namespace

TEST_SUITE("exchange: key exchanges that take long") {
    TEST_CASE_TEMPLATE("an IKE SA in each large group", Ends, TwoEnds, RewrittenEnds) {
        for (const char* group : {"modp2048", "modp3072", "modp4096", "ecp384", "ecp521", "x448"}) {
            CAPTURE(group);
            Ends ends;
            configure(ends, group);
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE("the other groups are no errands") {
        for (const char* group : {"x25519", "ecp256"}) {
            TwoEnds ends;
            configure(ends, group);
            ends.a.holds_errands = true;
            ends.z.holds_errands = true;
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE("the responder computes once, and answers when it is done") {
        TwoEnds ends;
        ask_z(ends);
        CHECK(ends.z.sa()->state == State::half_open);
        CHECK(ends.wire.empty());
        ends.now += std::chrono::seconds(1);
        ends.event(ends.a, TimePassed{});  // a asks again
        ends.settle();
        CHECK(ends.z.errands.size() == 1);
        CHECK(ends.wire.empty());
        ends.event(ends.z, take_answer(ends.z));
        CHECK(ends.wire.size() == 1);
        ends.deliver();
        ends.event(ends.a, take_answer(ends.a));
        ends.settle();
        ends.check_up();
    }

    TEST_CASE(
        "the initiator looks at one answer, whatever comes meanwhile, and does not ask again once it has keys") {
        TwoEnds ends;
        ask_z(ends);
        ends.event(ends.z, take_answer(ends.z));
        const auto answer = ends.wire.front();
        ends.deliver();
        const Event computed = take_answer(ends.a);
        ends.event(ends.a, DatagramReceived{answer.to, answer.from, answer.bytes});
        CHECK(ends.a.errands.empty());
        CHECK(ends.a.sa()->state == State::init_sent);
        const wire::Header forged{.initiator_spi = ends.a.sa()->initiator_spi,
                                  .responder_spi = {},
                                  .exchange = wire::ExchangeType::ike_sa_init,
                                  .from_initiator = false,
                                  .is_response = true,
                                  .message_id = {}};
        const wire::Octets cookie = wire::emit(forged, {notify(wire::NotifyType::cookie, wire::Octets(8, 1))});
        ends.event(ends.a, DatagramReceived{answer.to, answer.from, cookie});
        CHECK(ends.wire.empty());
        ends.event(ends.a, computed);
        ends.event(ends.a, computed);  // as if it came twice
        CHECK(ends.wire.size() == 1);
        ends.settle();
        ends.check_up();
    }

    TEST_CASE("an answer that is for somebody else changes nothing") {
        TwoEnds ends;
        ask_z(ends);
        const Event computed = take_answer(ends.z);
        for (KeysExchanged& wrong : mistaken(computed)) {
            ends.event(ends.z, std::move(wrong));
        }
        CHECK(ends.z.reports.empty());
        hold_errands(ends, false);
        ends.event(ends.z, computed);
        ends.settle();
        ends.check_up();
    }

    TEST_CASE("a value that is none of its group is refused, and nothing of it stays") {
        TwoEnds ends;
        ask_z(ends);
        ends.event(ends.z, failing(ends.z.errands.front(), "key-exchange-refused"));
        CHECK(ends.z.endpoint->sas().empty());
        CHECK(ends.z.last_reason() == "key-exchange-refused");
        REQUIRE(ends.wire.size() == 1);
        ends.pass(std::chrono::seconds(10));
        CHECK(ends.a.last_reason() == "ike-init-refused");
        CHECK(ends.a.standing() == 0);
    }

    TEST_CASE("a responder without time says nothing, and the same request may come again") {
        TwoEnds ends;
        ask_z(ends);
        ends.event(ends.z, failing(ends.z.errands.front(), "key-exchange-busy"));
        CHECK(ends.wire.empty());
        CHECK(ends.z.endpoint->sas().empty());
        CHECK(ends.z.last_reason() == "key-exchange-busy");
        hold_errands(ends, false);
        ends.pass(std::chrono::seconds(2));
        ends.check_up();
    }

    TEST_CASE("an answer that comes to nothing leaves the initiator waiting for a better one") {
        TwoEnds ends;
        ask_z(ends);
        ends.event(ends.z, take_answer(ends.z));
        ends.deliver();
        ends.event(ends.a, failing(ends.a.errands.front(), "key-exchange-refused"));
        CHECK(ends.a.sa()->state == State::init_sent);
        CHECK(ends.a.sa()->responder_spi.value == 0);
        ends.a.holds_errands = false;
        ends.pass(std::chrono::seconds(1));  // asks again, and gets the same answer again
        ends.check_up();
    }

    TEST_CASE("who never computes ends all the same") {
        TwoEnds ends;
        ask_z(ends);
        ends.pass(std::chrono::seconds(150));
        CHECK(ends.a.standing() == 0);
        CHECK(ends.a.last_reason() == "peer-silent");
        CHECK(ends.z.standing() == 0);
        CHECK(ends.z.last_reason() == "half-open-timeout");
    }

    TEST_CASE_TEMPLATE("the peer wants another large group", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            of_a.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-ecp384-x448", {})};
            of_z.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x448", {})};
        });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up();
        CHECK(ends.a.sa()->suite.group == GroupId::x448);
    }

    TEST_CASE("an initiator without a key pair asks nothing, hears nothing, and ends") {
        TwoEnds ends;
        configure(ends, "x448");
        ends.a.holds_errands = true;
        ends.initiate(ends.a);
        CHECK(ends.wire.empty());
        CHECK(ends.a.sa()->state == State::init_sent);
        SUBCASE("when nobody has time for it") {
            ends.event(ends.a, failing(ends.a.errands.front(), "key-exchange-busy"));
        }
        SUBCASE("when nobody answers") {
            ends.pass(std::chrono::seconds(14));
            CHECK(ends.a.standing() == 1);
            ends.pass(std::chrono::seconds(2));
        }
        SUBCASE("when it is no longer wanted") {
            ends.event(ends.a, Terminate{"a-z"});
            ends.event(ends.a, take_answer(ends.a));
            CHECK(ends.a.reports.empty());
            CHECK(ends.a.standing() == 0);
            return;
        }
        CHECK(ends.a.last_reason() == "key-exchange-busy");
        CHECK(ends.a.standing() == 0);
    }
}

TEST_SUITE("exchange: rekeyings whose key exchange takes long") {
    TEST_CASE_TEMPLATE("in each large group, from either end", Ends, TwoEnds, RewrittenEnds) {
        for (const char* group : {"modp2048", "ecp384", "ecp521", "x448"}) {
            CAPTURE(group);
            for (const std::string& child : kBoth) {
                Ends ends;
                up(ends, group);
                for (End* end : {&ends.a, &ends.z}) {
                    ends.event(*end, Rekey{"a-z", child});
                    ends.pass(kLinger);
                    ends.check_up();
                }
                CHECK(ends.a.count(child.empty() ? Report::Kind::ike_rekeyed : Report::Kind::child_rekeyed) == 2);
            }
        }
    }

    TEST_CASE_TEMPLATE("both ends at once: one new SA survives", Ends, TwoEnds, RewrittenEnds) {
        for (const std::string& child : kBoth) {
            for (int order = 0; order < 16; ++order) {
                CAPTURE(order);
                Ends ends;
                up(ends);
                ends.event(ends.a, Rekey{"a-z", child});
                ends.event(ends.z, Rekey{"a-z", child});
                REQUIRE(ends.wire.size() == 2);
                hold_errands(ends, !ends.rewriting);
                for (int step = 0; step < 4; ++step) {
                    End& end = ((order >> step) & 1) != 0 ? ends.a : ends.z;
                    ends.deliver();
                    if (!end.errands.empty()) {
                        ends.event(end, take_answer(end));
                    }
                    ends.check_kernels();
                }
                hold_errands(ends, false);
                for (End* end : {&ends.a, &ends.z}) {
                    if (!end->errands.empty()) {
                        ends.event(*end, take_answer(*end));
                    }
                }
                ends.pass(std::chrono::minutes(4));  // the loser may not know what it has made at the other end
                ends.check_up();
                CHECK(ends.a.kernel.inbound().size() == 1);
                CHECK(ends.z.kernel.inbound().size() == 1);
            }
        }
    }

    TEST_CASE("a request that waits is computed once, and nothing else is looked at") {
        for (const std::string& child : kBoth) {
            TwoEnds ends;
            ask_z_to_rekey(ends, child);
            ends.now += std::chrono::seconds(1);
            ends.event(ends.a, TimePassed{});  // a asks again
            ends.settle();
            CHECK(ends.z.errands.size() == 1);
            CHECK(ends.wire.empty());
            const Event computed = take_answer(ends.z);
            ends.event(ends.z, computed);
            CHECK(ends.wire.size() == 1);
            ends.event(ends.z, computed);  // as if it came twice
            CHECK(ends.wire.size() == 1);
            ends.deliver();
            const Event also = take_answer(ends.a);
            hold_errands(ends, false);
            ends.event(ends.a, also);
            ends.event(ends.a, also);
            check_rekeyed(ends, child);
        }
    }

    TEST_CASE("a response that waits leaves its exchange open") {
        for (const std::string& child : kBoth) {
            TwoEnds ends;
            ask_z_to_rekey(ends, child);
            ends.event(ends.z, take_answer(ends.z));
            const auto response = ends.wire.front();
            ends.deliver();
            REQUIRE(ends.a.errands.size() == 1);
            CHECK(ends.a.sa()->window.outstanding.has_value());
            ends.event(ends.a, DatagramReceived{response.to, response.from, response.bytes});
            CHECK(ends.a.errands.size() == 1);
            const Event computed = take_answer(ends.a);
            hold_errands(ends, false);
            ends.event(ends.a, computed);
            check_rekeyed(ends, child);
        }
    }

    TEST_CASE("what nobody has time to compute has never come") {
        for (const std::string& child : kBoth) {
            TwoEnds ends;
            ask_z_to_rekey(ends, child);
            SUBCASE("a request") {
                ends.event(ends.z, failing(ends.z.errands.front(), "key-exchange-busy"));
                CHECK(ends.z.last_reason() == "key-exchange-busy");
            }
            SUBCASE("a response") {
                ends.event(ends.z, take_answer(ends.z));
                ends.deliver();
                ends.event(ends.a, failing(ends.a.errands.front(), "key-exchange-busy"));
                CHECK(ends.a.last_reason() == "key-exchange-busy");
            }
            CHECK(ends.wire.empty());
            hold_errands(ends, false);
            ends.pass(std::chrono::seconds(2));  // a asks again
            check_rekeyed(ends, child);
        }
    }

    TEST_CASE("who never computes asks again, and an answer to what was given up is none to another message") {
        TwoEnds ends;
        ask_z_to_rekey(ends, "net");
        ends.pass_silently(std::chrono::seconds(14));
        CHECK(ends.z.last_reason().empty());
        ends.pass_silently(std::chrono::seconds(2));
        CHECK(ends.z.last_reason() == "key-exchange-busy");
        const Event late = take_answer(ends.z);
        ends.event(ends.z, late);
        CHECK(ends.wire.empty());
        ends.pass(std::chrono::seconds(16));  // a asks again
        REQUIRE(ends.z.errands.size() == 1);
        const Event computed = take_answer(ends.z);
        hold_errands(ends, false);
        ends.event(ends.z, computed);
        check_rekeyed(ends, "net");
    }

    TEST_CASE("an answer that is for somebody else changes nothing") {
        TwoEnds ends;
        ask_z_to_rekey(ends, "net");
        const Event computed = take_answer(ends.z);
        for (KeysExchanged& wrong : mistaken(computed)) {
            ends.event(ends.z, std::move(wrong));
        }
        CHECK(ends.z.last_reason().empty());
        hold_errands(ends, false);
        ends.event(ends.z, computed);
        check_rekeyed(ends, "net");
    }

    TEST_CASE("a peer that has lost its memory comes back while its request waits") {
        for (const std::string& child : kBoth) {
            TwoEnds ends;
            ask_z_to_rekey(ends, child);
            const Event computed = take_answer(ends.z);
            hold_errands(ends, false);
            ++ends.a.settings.epoch;
            ends.a.endpoint = std::make_unique<Endpoint>(ends.a.settings, ends.a.random);
            ends.a.endpoint->configure(ends.a.connections);
            ends.a.kernel = {};
            ends.initiate(ends.a);
            ends.settle();
            ends.check_up();
            ends.event(ends.z, computed);
            CHECK(ends.wire.empty());
            ends.check_up();
        }
    }

    TEST_CASE("a pair that nobody has time to make is asked for again") {
        for (const std::string& child : kBoth) {
            TwoEnds ends;
            up(ends);
            ends.a.holds_errands = true;
            ends.event(ends.a, Rekey{"a-z", child});
            CHECK(ends.wire.empty());
            REQUIRE(ends.a.errands.size() == 1);
            SUBCASE("since it was refused") {
                ends.event(ends.a, failing(ends.a.errands.front(), "key-exchange-busy"));
                CHECK(ends.a.last_reason() == "key-exchange-busy");
            }
            SUBCASE("since nobody answers") {}
            ends.a.holds_errands = false;
            ends.pass(std::chrono::seconds(16));
            check_rekeyed(ends, child);
        }
    }

    TEST_CASE("closing while a request waits") {
        for (const std::string& child : kBoth) {
            TwoEnds ends;
            ask_z_to_rekey(ends, child);
            const Event computed = take_answer(ends.z);
            hold_errands(ends, false);
            ends.event(ends.z, Terminate{"a-z"});
            SUBCASE("the answer comes first") {
                ends.event(ends.z, computed);
            }
            SUBCASE("the peer's agreement comes first") {
                ends.settle();
                ends.event(ends.z, computed);
            }
            ends.pass(std::chrono::minutes(5));
            CHECK(ends.a.endpoint->sas().empty());
            CHECK(ends.z.endpoint->sas().empty());
            CHECK(ends.a.kernel.empty());
            CHECK(ends.z.kernel.empty());
        }
    }

    TEST_CASE("closing while a response waits") {
        for (const std::string& child : kBoth) {
            TwoEnds ends;
            ask_z_to_rekey(ends, child);
            ends.event(ends.z, take_answer(ends.z));
            ends.deliver();
            const Event computed = take_answer(ends.a);
            hold_errands(ends, false);
            SUBCASE("this end") {
                ends.event(ends.a, Terminate{"a-z"});
            }
            SUBCASE("the other end") {
                ends.event(ends.z, Terminate{"a-z"});
                ends.settle();  // is not looked at
                CHECK(ends.a.standing() == 1);
            }
            ends.event(ends.a, computed);
            ends.pass(std::chrono::minutes(5));
            CHECK(ends.a.endpoint->sas().empty());
            CHECK(ends.z.endpoint->sas().empty());
            CHECK(ends.a.kernel.empty());
            CHECK(ends.z.kernel.empty());
        }
    }

    TEST_CASE("a value that is none of its group") {
        TwoEnds ends;
        ask_z_to_rekey(ends, "net");
        SUBCASE("in a request ends the IKE SA: the peer can't be understood") {
            ends.event(ends.z, failing(ends.z.errands.front(), "key-exchange-refused"));
            CHECK(ends.z.last_reason() == "key-exchange-refused");
            ends.settle();
            CHECK(ends.a.last_reason() == "peer-invalid-syntax");
            CHECK(ends.z.standing() == 0);
        }
        SUBCASE("in a response ends the new CHILD SA") {
            ends.event(ends.z, take_answer(ends.z));
            ends.deliver();
            const Event refusal = failing(ends.a.errands.front(), "key-exchange-refused");
            hold_errands(ends, false);
            ends.event(ends.a, refusal);
            CHECK(ends.a.last_reason() == "key-exchange-refused");
            ends.pass(kLinger);
            ends.check_up();
        }
    }
}
