#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "ike/exchange.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::find_in;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

TwoEnds& up(TwoEnds& ends) {
    ends.configure();
    ends.initiate(ends.a);
    ends.settle();
    ends.check_up();
    return ends;
}

/// Both requests are on the wire before either is delivered.
void both_rekey(TwoEnds& ends, const std::string& child) {
    ends.event(ends.a, Rekey{"a-z", child});
    ends.event(ends.z, Rekey{"a-z", child});
    REQUIRE(ends.wire.size() == 2);
}

constexpr Duration kLinger = std::chrono::seconds(6);
/// After what a rekeying that came to nothing has been tried again.
constexpr Duration kTriedAgain = std::chrono::seconds(15);

/// What an answer to the rekeying of a CHILD SA may be instead of what it should be.
struct BadAnswer {
    const char* reason;
    void (*change)(Payloads&);
};
const std::array kBadAnswers{
    BadAnswer{"ike-malformed", [](Payloads& all) { all = {notify(wire::NotifyType::additional_ts_possible)}; }},
    BadAnswer{
        "ts-not-offered",
        [](Payloads& all) { find_in<wire::TsResponderPayload>(all)->selectors = {*parse_selector("10.0.0.0/8")}; }},
    BadAnswer{"mode-refused", [](Payloads& all) { all.emplace_back(notify(wire::NotifyType::use_transport_mode)); }},
    BadAnswer{
        "answer-not-offered",
        [](Payloads& all) { find_in<wire::SaPayload>(all)->proposals.front().transforms.front().key_bits = 256; }},
    BadAnswer{"answer-not-offered",
              [](Payloads& all) {
                  std::erase_if(all, [](const auto& each) { return std::holds_alternative<wire::KePayload>(each); });
              }},
    BadAnswer{"key-exchange-refused",
              [](Payloads& all) { std::ranges::fill(find_in<wire::KePayload>(all)->value, std::uint8_t{0}); }},
};

}  // namespace

TEST_SUITE("exchange: rekeying a CHILD SA") {
    TEST_CASE_TEMPLATE("make before break: at no step does a packet find no SA", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.a, Rekey{"a-z", "net"});
        while (ends.deliver()) {
            // Whatever either end sends with, the other can read.
            ends.check_kernels();
            REQUIRE(ends.a.kernel.newest_outbound() != nullptr);
            REQUIRE(ends.z.kernel.newest_outbound() != nullptr);
        }
        CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
        CHECK(ends.z.count(Report::Kind::child_rekeyed) == 1);
        CHECK(ends.a.kernel.inbound().size() == 2);  // the old one takes what is still on its way
        ends.pass(kLinger);
        CHECK(ends.a.kernel.inbound().size() == 1);
        CHECK(ends.z.kernel.inbound().size() == 1);
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("from the other end too, again and again", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        for (int round = 0; round < 20; ++round) {
            ends.event(round % 2 == 0 ? ends.z : ends.a, Rekey{"a-z", "net"});
            ends.settle();
            ends.pass(kLinger);
            ends.check_up();
        }
        CHECK(ends.a.kernel.inbound().size() == 1);
    }

    TEST_CASE_TEMPLATE("no SPI is taken while another CHILD SA, or an offer for one, has it", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.a.random.few = ends.z.random.few = 6;
        ends.configure([](Connection& of_a, Connection& of_z) {
            for (Connection* each : {&of_a, &of_z}) {
                each->children.push_back(each->children.front());
                each->children.back().name = "other";
            }
            of_a.children[1].local = of_z.children[1].remote = {*parse_selector("10.3.0.0/16")};
        });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up(2);
        for (int round = 0; round < 20; ++round) {
            for (auto* each : {&ends.a, &ends.z}) {
                std::vector<EspSpi> inbound;
                std::ranges::transform(each->sa()->children, std::back_inserter(inbound),
                                       [](const ChildSa& child) { return child.spec.inbound; });
                for (const EspSpi spi : inbound) {
                    ends.event(*each, ChildSpent{spi});  // one offer waits behind the other
                }
                ends.settle();
                ends.pass(kLinger);
                ends.check_up(2);
            }
        }
    }

    TEST_CASE_TEMPLATE("with a key exchange of its own, and the wrong group first", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            of_a.children[0].proposals = {*parse_esp_proposal("aes128gcm16-ecp256-x25519", {})};
            of_z.children[0].proposals = {*parse_esp_proposal("aes128gcm16-x25519", {})};
        });
        ends.initiate(ends.a);
        ends.settle();
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.settle();
        ends.pass(kLinger);
        ends.check_up();
        CHECK(ends.a.sa()->children.front().spec.suite.group == GroupId::x25519);
    }

    TEST_CASE_TEMPLATE("both ends at once: one new SA survives", Ends, TwoEnds, RewrittenEnds) {
        // In which order the four messages arrive, and whether one is lost on the way.
        for (int order = 0; order < 64; ++order) {
            CAPTURE(order);
            Ends ends;
            up(ends);
            both_rekey(ends, "net");
            for (int step = 0; step < 6 && !ends.wire.empty(); ++step) {
                if (((order >> step) & 1) != 0) {
                    ends.wire.push_back(ends.wire.front());  // overtaken by the others
                    ends.wire.pop_front();
                }
                ends.deliver();
                ends.check_kernels();
            }
            ends.pass(std::chrono::seconds(20));
            ends.check_up();
            CHECK(ends.a.kernel.inbound().size() == 1);
            CHECK(ends.z.kernel.inbound().size() == 1);
        }
    }

    TEST_CASE_TEMPLATE("both at once, and any one packet is lost", Ends, TwoEnds, RewrittenEnds) {
        for (int lost = 0; lost < 10; ++lost) {
            CAPTURE(lost);
            Ends ends;
            up(ends);
            both_rekey(ends, "net");
            for (int step = 0; step < lost && !ends.wire.empty(); ++step) {
                ends.deliver();
            }
            if (!ends.wire.empty()) {
                ends.drop();
            }
            ends.pass(std::chrono::seconds(20));
            ends.check_up();
            CHECK(ends.a.kernel.inbound().size() == 1);
            CHECK(ends.z.kernel.inbound().size() == 1);
        }
    }

    TEST_CASE_TEMPLATE("an answer that is of no use: the child goes on, and is rekeyed soon after", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const BadAnswer& bad : kBadAnswers) {
            CAPTURE(std::string(bad.reason));
            Ends ends;
            ends.configure([](Connection& of_a, Connection& of_z) {
                for (Connection* each : {&of_a, &of_z}) {
                    each->children[0].proposals = {*parse_esp_proposal("aes128gcm16-x25519", {})};
                }
            });
            ends.initiate(ends.a);
            ends.settle();
            ends.event(ends.a, Rekey{"a-z", "net"});
            ends.deliver();
            ends.tamper(ends.z, bad.change);
            ends.settle();
            CHECK(ends.a.last_reason() == bad.reason);
            CHECK(ends.a.count(Report::Kind::child_rekeyed) == 0);
            ends.check_up();
            ends.pass(kTriedAgain);
            CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("a kernel that refuses the new one, at either end: tried again", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool at_initiator : {true, false}) {
            CAPTURE(at_initiator);
            Ends ends;
            up(ends);
            auto& refusing = at_initiator ? ends.a : ends.z;
            refusing.kernel.refuses = true;
            ends.event(ends.a, Rekey{"a-z", "net"});
            ends.settle();
            CHECK(refusing.last_reason() == "kernel-refused");
            refusing.kernel.refuses = false;
            ends.check_up();
            ends.pass(kTriedAgain);
            CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("the peer gives the new one up after it has taken the old one's place: another is made", Ends,
                       TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.a.holds_installs = true;  // its kernel has both halves, and says so late
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.settle();
        ends.a.holds_installs = false;
        const auto& of_z = ends.z.sa()->children;
        const auto fresh = std::ranges::find(of_z, ChildState::inbound_only, &ChildSa::state);
        REQUIRE(fresh != of_z.end());
        const EspSpi lost = fresh->spec.inbound;
        ends.z.kernel.delete_expired(lost);
        ends.event(ends.z, ChildLost{lost, {"sa-expired", "the kernel has deleted it"}});
        ends.settle();
        CHECK(ends.a.kernel.outbound().empty());
        ends.pass(kTriedAgain);
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("both at once, and the one that is to survive comes to nothing: tried again", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool of_a : {true, false}) {
            CAPTURE(of_a);
            Ends ends;
            up(ends);
            both_rekey(ends, "net");
            (of_a ? ends.a : ends.z).kernel.refuses = true;
            ends.settle();
            (of_a ? ends.a : ends.z).kernel.refuses = false;
            ends.pass(kTriedAgain);
            ends.pass(kLinger);
            CHECK(ends.a.count(Report::Kind::child_rekeyed) >= 1);
            ends.check_up();
            CHECK(ends.a.kernel.inbound().size() == 1);
            CHECK(ends.z.kernel.inbound().size() == 1);
        }
    }

    TEST_CASE_TEMPLATE("the new one asks for the same offload, at each end that of its own rule", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            of_a.children[0].offload = Offload::crypto;
            of_z.children[0].offload = Offload::packet;
        });
        ends.initiate(ends.a);
        ends.settle();
        for (int round = 0; round < 2; ++round) {
            ends.event(round == 0 ? ends.a : ends.z, Rekey{"a-z", "net"});
            ends.settle();
            CHECK(ends.a.sa()->children.size() == 2);
            for (auto& [end, offload] : {std::pair(&ends.a, Offload::crypto), std::pair(&ends.z, Offload::packet)}) {
                for (const ChildSa& child : end->sa()->children) {
                    CHECK(child.spec.offload == offload);
                }
                for (const auto& [spi, half] : end->kernel.outbound()) {
                    CHECK(half.spec.offload == offload);
                }
            }
            ends.pass(kLinger);
        }
    }

    TEST_CASE_TEMPLATE("by its own clock, before the lifetime is over", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        const EspSpi before = ends.a.sa()->children.front().spec.inbound;
        ends.pass(std::chrono::minutes(61));
        ends.check_up();
        CHECK_FALSE(ends.a.sa()->children.front().spec.inbound == before);
    }
}

TEST_SUITE("exchange: rekeying an IKE SA") {
    TEST_CASE_TEMPLATE("the children are inherited, the old one is deleted", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        const IkeSpi before = ends.a.sa()->initiator_spi;
        const auto kernel = ends.a.kernel.inbound().begin()->first;
        ends.event(ends.z, Rekey{"a-z", {}});
        ends.settle();
        ends.check_up();
        CHECK_FALSE(ends.a.sa()->initiator_spi == before);
        CHECK(ends.z.sa()->initiator);  // z began this one
        CHECK(ends.a.kernel.inbound().begin()->first == kernel);
        // The new one works.
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.settle();
        ends.pass(kLinger);
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("both ends at once: one survives, with the children", Ends, TwoEnds, RewrittenEnds) {
        for (int order = 0; order < 64; ++order) {
            CAPTURE(order);
            Ends ends;
            up(ends);
            both_rekey(ends, {});
            for (int step = 0; step < 6 && !ends.wire.empty(); ++step) {
                if (((order >> step) & 1) != 0) {
                    ends.wire.push_back(ends.wire.front());
                    ends.wire.pop_front();
                }
                ends.deliver();
            }
            ends.pass(std::chrono::minutes(4));
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("both at once, and any one packet is lost", Ends, TwoEnds, RewrittenEnds) {
        for (int lost = 0; lost < 10; ++lost) {
            CAPTURE(lost);
            Ends ends;
            up(ends);
            both_rekey(ends, {});
            for (int step = 0; step < lost && !ends.wire.empty(); ++step) {
                ends.deliver();
            }
            if (!ends.wire.empty()) {
                ends.drop();
            }
            ends.pass(std::chrono::minutes(4));
            ends.check_up();
        }
    }

    TEST_CASE_TEMPLATE("both at once, and one uses its new SA before the other knows which one stays", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool delivered : {false, true}) {
            CAPTURE(delivered);
            Ends ends;
            up(ends);
            ends.event(ends.a, Rekey{"a-z", {}});
            const auto of_a = ends.wire.front();
            ends.drop();
            ends.event(ends.z, Rekey{"a-z", {}});
            ends.deliver();  // z's request
            ends.deliver();  // a's response: for z, that was all
            REQUIRE(ends.wire.size() == 1);
            const auto deletion = ends.wire.front();  // of the old SA: comes late
            ends.drop();
            ends.event(ends.z, Rekey{"a-z", "net"});
            ends.settle();
            CHECK(ends.z.count(Report::Kind::child_rekeyed) == 1);
            if (delivered) {
                ends.wire.push_back(of_a);
            }
            ends.wire.push_back(deletion);
            ends.settle();
            ends.pass(std::chrono::minutes(4));
            ends.check_up();
            CHECK(ends.a.count(Report::Kind::ike_rekeyed) == 1);
            CHECK(ends.a.count(Report::Kind::failed) == 0);
        }
    }

    TEST_CASE_TEMPLATE("both at once, and one gives the old IKE SA up before it hears of the outcome", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            of_a.liveness = of_z.liveness = std::chrono::minutes(3);  // not at the same time as the rekeyings
        });
        ends.initiate(ends.a);
        ends.settle();
        const IkeSpi before = ends.a.sa()->own_spi();
        ends.event(ends.a, Rekey{"a-z", {}});
        ends.pass_silently(std::chrono::seconds(90));
        ends.wire.clear();
        ends.event(ends.z, Rekey{"a-z", {}});
        ends.deliver();
        const auto response = ends.wire.front();  // comes late
        ends.drop();
        while (ends.a.endpoint->sas().at(before)->state != State::dead) {
            ends.now = ends.a.endpoint->next_deadline();
            ends.event(ends.a, TimePassed{});
            ends.wire.clear();
        }
        ends.wire.push_back(response);
        ends.pass(std::chrono::minutes(4));
        ends.check_up();
        CHECK(ends.a.count(Report::Kind::failed) == 0);
    }

    TEST_CASE_TEMPLATE("one end rekeys the IKE SA while the other rekeys the child", Ends, TwoEnds, RewrittenEnds) {
        for (int order = 0; order < 64; ++order) {
            CAPTURE(order);
            Ends ends;
            up(ends);
            ends.event(ends.a, Rekey{"a-z", {}});
            ends.event(ends.z, Rekey{"a-z", "net"});
            for (int step = 0; step < 6 && !ends.wire.empty(); ++step) {
                if (((order >> step) & 1) != 0) {
                    ends.wire.push_back(ends.wire.front());
                    ends.wire.pop_front();
                }
                ends.deliver();
            }
            ends.pass(std::chrono::minutes(4));
            ends.check_up();
        }
    }
}

TEST_SUITE("exchange: ending") {
    TEST_CASE_TEMPLATE("either end closes, and nothing is left", Ends, TwoEnds, RewrittenEnds) {
        for (const bool initiator_closes : {true, false}) {
            Ends ends;
            up(ends);
            ends.event(initiator_closes ? ends.a : ends.z, Terminate{"a-z"});
            ends.settle();
            CHECK(ends.a.standing() == 0);
            CHECK(ends.z.standing() == 0);
            CHECK(ends.a.kernel.empty());
            CHECK(ends.z.kernel.empty());
            ends.pass(std::chrono::minutes(1));
            CHECK(ends.a.endpoint->sas().empty());
            CHECK(ends.z.endpoint->sas().empty());
        }
    }

    TEST_CASE_TEMPLATE("both close at once", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.a, Terminate{"a-z"});
        ends.event(ends.z, Terminate{"a-z"});
        ends.pass(std::chrono::minutes(4));
        CHECK(ends.a.endpoint->sas().empty());
        CHECK(ends.z.endpoint->sas().empty());
        CHECK(ends.a.kernel.empty());
        CHECK(ends.z.kernel.empty());
    }

    TEST_CASE_TEMPLATE("a peer that is gone is noticed", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.pass_silently(std::chrono::minutes(4));
        CHECK(ends.a.standing() == 0);
        CHECK(ends.a.kernel.empty());
        CHECK(ends.a.last_reason() == "peer-silent");
    }

    TEST_CASE_TEMPLATE("a connection that is kept up comes back by itself", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection&) { of_a.keep_up = true; });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up();
        ends.pass_silently(std::chrono::minutes(5));
        CHECK(ends.a.kernel.empty());
        ends.pass(std::chrono::minutes(2));
        ends.check_up();
    }

    TEST_CASE("attempts come as configured, and with the first pause again once one has lasted") {
        using std::chrono::seconds;
        TwoEnds ends;
        const RetryPauses pauses{.first = seconds(5), .most = seconds(20), .growth = RetryPauses::Growth::linear};
        const auto prepare = [&](bool agreed) {
            ends.configure([&](Connection& of_a, Connection& of_z) {
                of_a.keep_up = true;
                of_a.retry = pauses;
                if (!agreed) {
                    of_z.proposals = {parse_ike_proposal("aes256-sha512-prfsha512-ecp521", {}).value()};
                }
            });
        };
        // The pauses between failures until `end`.
        const auto attempts_until = [&](seconds end) {
            std::string text;
            seconds pause{};
            for (seconds at{}; at < end; at += seconds(1), pause += seconds(1)) {
                const std::size_t before = ends.a.count(Report::Kind::failed);
                ends.pass(seconds(1));
                if (ends.a.count(Report::Kind::failed) > before) {
                    text += std::to_string(pause.count() + 1) + " ";
                    pause = seconds(-1);
                }
            }
            return text;
        };
        prepare(false);
        ends.initiate(ends.a);
        ends.settle();
        // A refusal counts when no other answer has come for two seconds.
        CHECK(attempts_until(seconds(98)) == "2 5 5 10 15 20 20 20 ");
        prepare(true);
        ends.pass(seconds(60));
        ends.check_up();
        prepare(false);
        ends.event(ends.a, Terminate{"a-z", ends.a.sa()->own_spi()});
        ends.settle();
        CHECK(attempts_until(seconds(25)) == "7 5 10 ");
    }

    TEST_CASE_TEMPLATE("silence is asked about, and an answer is enough", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.pass(std::chrono::minutes(10));
        ends.check_up();
    }
}
