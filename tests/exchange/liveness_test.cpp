#include <doctest/doctest.h>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;
using namespace std::chrono_literals;

namespace {

void ask_soon(Connection& of_a, Connection& of_z) {
    of_a.liveness = 2s;
    of_a.liveness_idle = 1min;
    of_z.liveness = 0s;
    of_a.mobike = false;  // it would ask once more, how it is seen
}

/// How often `a` has asked whether `z` is there: nothing else is sent.
std::uint32_t questions(const TwoEnds& ends) {
    return ends.a.sa()->window.next_request.value - 2;
}

}  // namespace

TEST_SUITE("exchange: liveness") {
    TEST_CASE_TEMPLATE("who sends ESP is not asked", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(ask_soon);
        ends.a.traffic = Traffic{};
        ends.initiate(ends.a);
        ends.settle();
        for (int step = 0; step < 600; ++step) {
            ends.a.traffic->out += 3;
            ends.a.traffic->in += 2;
            ends.pass(500ms);
        }
        CHECK(questions(ends) == 0);
        // Nor where it only sends.
        for (int step = 0; step < 600; ++step) {
            ends.a.traffic->in += 1;
            ends.pass(500ms);
        }
        CHECK(questions(ends) == 0);
    }

    TEST_CASE_TEMPLATE("who does not answer is asked after half the time at the earliest and the whole at the latest",
                       Ends, TwoEnds, RewrittenEnds) {
        for (const Duration after : {10ms, 300ms, 600ms, 900ms, 1001ms, 1900ms}) {
            CAPTURE(after.count());
            Ends ends;
            ends.configure(ask_soon);
            ends.a.traffic = Traffic{.in = 7, .out = 7};
            ends.initiate(ends.a);
            ends.settle();
            ends.pass(10s + after);
            ends.a.traffic->out += 1;  // a packet goes, and others follow
            const Instant gone = ends.now;
            while (questions(ends) == 0 && ends.now < gone + 10s) {
                ends.a.traffic->out += 1;
                ends.pass(10ms);
            }
            CHECK(ends.now - gone >= 1s);
            CHECK(ends.now - gone <= 2s + 10ms);
        }
    }

    TEST_CASE("an answer that a look comes in front of is no silence") {
        TwoEnds ends;
        ends.configure(ask_soon);
        ends.a.traffic = Traffic{};
        ends.initiate(ends.a);
        ends.settle();
        for (int step = 0; step < 100; ++step) {  // a packet before each look, its answer behind it
            ends.pass(999ms);
            ends.a.traffic->out += 1;
            ends.pass(2ms);
            ends.a.traffic->in += 1;
        }
        CHECK(questions(ends) == 0);
    }

    TEST_CASE_TEMPLATE("where nothing passes, the peer is asked rarely", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(ask_soon);
        ends.a.traffic = Traffic{};
        ends.initiate(ends.a);
        ends.settle();
        ends.pass(59s);
        CHECK(questions(ends) == 0);
        ends.pass(2s);
        CHECK(questions(ends) == 1);
        ends.pass(8min);
        CHECK(questions(ends) >= 8);
        CHECK(questions(ends) <= 9);
    }

    TEST_CASE("a one-way stream is asked for once in the time, and who is dead is found out") {
        TwoEnds ends({.retransmission = {.first = 100ms, .tries = 3}});
        ends.configure(ask_soon);
        ends.a.traffic = Traffic{};
        ends.initiate(ends.a);
        ends.settle();
        for (int step = 0; step < 200; ++step) {
            ends.a.traffic->out += 1;
            ends.pass(100ms);
        }
        CHECK(questions(ends) >= 20s / 3s);
        CHECK(questions(ends) <= 20s / 1s);
        for (int step = 0; step < 27; ++step) {
            ends.a.traffic->out += 1;
            ends.pass_silently(100ms);
        }
        CHECK(ends.a.last_reason() == "peer-silent");
    }

    TEST_CASE("a kernel that can't tell leaves the peer to be asked") {
        TwoEnds ends;
        ends.configure(ask_soon);
        ends.initiate(ends.a);
        ends.settle();
        ends.pass(20s);
        CHECK(questions(ends) >= 9);
        CHECK(questions(ends) <= 10);
    }

    TEST_CASE_TEMPLATE("such a kernel is asked again when it is time to ask the peer, and not later", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure(ask_soon);
        ends.a.traffic.reset();
        ends.initiate(ends.a);
        ends.settle();
        const auto heard_at = [&] { return ends.a.sa()->heard_at; };
        for (std::uint32_t round = 0; round < 3; ++round) {
            CAPTURE(round);
            ends.pass(heard_at() + 2s - 1ms - ends.now);
            CHECK(questions(ends) == round);
            ends.pass(1ms);
            CHECK(questions(ends) == round + 1);
        }
        // Something that has come puts it off.
        ends.pass(1s);
        ends.event(ends.z, Rekey{.connection = "a-z", .child = "net"});
        ends.settle();
        const std::uint32_t asked = questions(ends);
        ends.pass(heard_at() + 2s - 1ms - ends.now);
        CHECK(questions(ends) == asked);
        ends.pass(1ms);
        CHECK(questions(ends) == asked + 1);
    }

    TEST_CASE("nobody asks where nobody wants to know") {
        TwoEnds ends;
        ends.configure([](Connection& of_a, Connection& of_z) { of_a.liveness = of_z.liveness = 0s; });
        ends.initiate(ends.a);
        ends.settle();
        ends.pass(20min);
        CHECK(questions(ends) == 0);
    }

    TEST_CASE("what a CHILD SA took with it when it went is no sign of life, nor of silence") {
        TwoEnds ends;
        ends.configure(ask_soon);
        ends.a.traffic = Traffic{.in = 1000, .out = 1000};
        ends.initiate(ends.a);
        ends.settle();
        ends.pass(5s);
        ends.a.traffic = Traffic{.in = 3, .out = 0};
        ends.pass(5s);
        CHECK(questions(ends) == 0);
    }
}
