#include <doctest/doctest.h>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

void up(TwoEnds& ends) {
    ends.configure();
    ends.initiate(ends.a);
    ends.settle();
    ends.check_up();
}

EspSpi inbound_of(const End& end) {
    return end.sa()->children.front().spec.inbound;
}

/// The kernel deletes an SA at its hard limit, and says so.
void expire(TwoEnds& ends, End& end) {
    const EspSpi inbound = inbound_of(end);
    end.kernel.delete_expired(inbound);
    ends.event(end, ChildLost{inbound, {"sa-expired", "the kernel has deleted it"}});
}

constexpr Duration kLinger = std::chrono::seconds(6);

}  // namespace

TEST_SUITE("exchange: what the kernel tells") {
    TEST_CASE_TEMPLATE("an outbound half that is refused: the peer hears of it, and another child is made", Ends,
                       TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.deliver();  // z installs the inbound half, answers
        ends.deliver();  // a installs both, deletes the old one
        ends.z.kernel.refuses = true;
        ends.deliver();  // z answers, and its kernel refuses the outbound half
        CHECK(ends.z.last_reason() == "kernel-refused");
        ends.z.kernel.refuses = false;
        ends.settle();
        ends.pass(kLinger);
        ends.check_up();
        CHECK(ends.a.kernel.inbound().size() == 1);
        CHECK(ends.z.kernel.inbound().size() == 1);
    }

    TEST_CASE_TEMPLATE("a kernel that goes on refusing: nothing is left at either end", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.deliver();
        ends.deliver();
        ends.z.kernel.refuses = true;
        ends.settle();
        ends.pass(kLinger);
        CHECK(ends.a.kernel.empty());
        CHECK(ends.z.kernel.empty());
        CHECK(ends.z.last_reason() == "kernel-refused");
        CHECK(ends.a.count(Report::Kind::child_closed) >= 2);  // the one that was lost, and another attempt
        REQUIRE(ends.z.sa() != nullptr);
        CHECK(ends.z.sa()->state == State::established);
        CHECK(ends.z.sa()->children.empty());
    }

    TEST_CASE_TEMPLATE("a soft limit, of both halves and at both ends: one rekeying", Ends, TwoEnds, RewrittenEnds) {
        for (const bool both_ends : {false, true}) {
            CAPTURE(both_ends);
            Ends ends;
            up(ends);
            const EspSpi before = inbound_of(ends.a);
            const EspSpi before_of_z = inbound_of(ends.z);
            for (int half = 0; half < 2; ++half) {
                ends.event(ends.a, ChildSpent{before});
                if (both_ends) {
                    ends.event(ends.z, ChildSpent{before_of_z});
                }
            }
            CHECK(ends.wire.size() == (both_ends ? 2 : 1));
            while (ends.deliver()) {
                ends.check_kernels();
                REQUIRE(ends.a.kernel.newest_outbound() != nullptr);
                REQUIRE(ends.z.kernel.newest_outbound() != nullptr);
            }
            // When both rekey at once, one of the two new ones lives for some messages.
            const std::size_t rekeyed = ends.a.count(Report::Kind::child_rekeyed);
            CHECK(rekeyed == (both_ends ? 2 : 1));
            ends.event(ends.a, ChildSpent{before});  // late, of one that lingers
            ends.pass(kLinger);
            ends.event(ends.a, ChildSpent{before});  // too late
            ends.settle();
            ends.check_up();
            CHECK(inbound_of(ends.a) != before);
            CHECK(ends.a.count(Report::Kind::child_rekeyed) == rekeyed);
        }
    }

    TEST_CASE_TEMPLATE("a hard limit: deleted at the peer, and made again", Ends, TwoEnds, RewrittenEnds) {
        for (const bool at_initiator : {false, true}) {
            CAPTURE(at_initiator);
            Ends ends;
            up(ends);
            End& expiring = at_initiator ? ends.a : ends.z;
            expire(ends, expiring);
            CHECK(expiring.last_reason() == "sa-expired");
            ends.settle();
            ends.pass(kLinger);
            ends.check_up();
            CHECK(ends.a.kernel.inbound().size() == 1);
            CHECK(ends.z.kernel.inbound().size() == 1);
            CHECK(ends.a.sa()->window.next_request.value + ends.z.sa()->window.next_request.value > 2);
        }
    }

    TEST_CASE_TEMPLATE("a hard limit in the middle of a rekeying: the rekeying goes on", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.a, ChildSpent{inbound_of(ends.a)});
        expire(ends, ends.a);
        ends.settle();
        ends.pass(kLinger);
        ends.check_up();
        CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
        CHECK(ends.a.count(Report::Kind::child_established) == 1);
    }

    TEST_CASE_TEMPLATE("a hard limit while a rekeying waits for its turn: another child is made", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        up(ends);
        const EspSpi before = inbound_of(ends.a);
        ends.now += ends.a.sa()->connection->liveness;
        ends.event(ends.a, TimePassed{});  // a asks whether z is there
        REQUIRE(ends.wire.size() == 1);
        ends.event(ends.a, ChildSpent{before});
        expire(ends, ends.a);
        REQUIRE(ends.wire.size() == 1);
        ends.settle();
        ends.pass(kLinger);
        ends.check_up();
        CHECK(inbound_of(ends.a) != before);
        CHECK(ends.a.count(Report::Kind::child_established) == 2);
    }

    TEST_CASE_TEMPLATE("an IKE SA that took the child over hears of it too", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.z, Rekey{"a-z", {}});
        ends.settle();
        ends.pass(kLinger);
        const EspSpi before = inbound_of(ends.a);
        ends.event(ends.a, ChildSpent{before});
        ends.settle();
        ends.pass(kLinger);
        ends.check_up();
        CHECK(inbound_of(ends.a) != before);
    }

    TEST_CASE_TEMPLATE("a device that is lost and back again is reported, and changes nothing by itself", Ends,
                       TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.a, OffloadLost{inbound_of(ends.a), {"offload-lost", "eth7 is gone"}});
        CHECK(ends.a.reports.back().error.reason == "offload-lost");
        CHECK(ends.a.reports.back().child == ends.a.sa()->children.front().spec.child);
        ends.event(ends.a, OffloadRegained{inbound_of(ends.a)});
        CHECK(ends.a.count(Report::Kind::offload_lost) == 1);
        CHECK(ends.a.count(Report::Kind::offload_regained) == 1);
        CHECK(ends.wire.empty());
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("what the kernel tells of nobody's SA changes nothing", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        up(ends);
        ends.event(ends.a, ChildLost{EspSpi{77}, {"sa-expired", ""}});
        ends.event(ends.a, ChildSpent{EspSpi{77}});
        ends.event(ends.a, OffloadLost{EspSpi{77}, {"offload-lost", ""}});
        ends.event(ends.a, OffloadRegained{EspSpi{77}});
        CHECK(ends.wire.empty());
        CHECK(ends.a.count(Report::Kind::offload_lost) == 0);
        ends.check_up();
    }
}
