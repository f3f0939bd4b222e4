#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "ike/child_answer.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::find_in;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

constexpr auto kSentAgain = std::chrono::seconds(2);
constexpr auto kTriedAgain = std::chrono::seconds(30);

/// z's answer with a CHILD SA in it is lost, and z deletes what it made, before a asks again.
template <typename Ends>
struct Withdrawn {
    Withdrawn() {
        ends.configure([](Connection& of_a, Connection& of_z) {
            for (Connection* each : {&of_a, &of_z}) {
                each->children.push_back(each->children.front());
                each->children.back().name = "other";
            }
            of_a.children[1].local = of_z.children[1].remote = {*parse_selector("10.3.0.0/16")};
        });
    }
    void up() {
        ends.initiate(ends.a, "net");
        ends.settle();
        ends.check_up(1);
    }
    /// z has answered, and a does not know it.
    void lose_answer() {
        REQUIRE(ends.wire.size() == 1);
        ends.deliver();
        ends.drop();
        REQUIRE(ends.a.sa()->window.outstanding.has_value());
    }
    [[nodiscard]] const ChildSa& newest() const { return ends.z.sa()->children.back(); }
    /// Its kernel deletes what z has made last, and says so.
    void expire_newest() {
        const EspSpi inbound = newest().spec.inbound;
        ends.z.kernel.delete_expired(inbound);
        ends.event(ends.z, ChildLost{inbound, {"sa-expired", "the kernel has deleted it"}});
        REQUIRE(ends.wire.size() == 1);
    }
    [[nodiscard]] bool was_withdrawn() const {
        return std::ranges::any_of(ends.a.reports,
                                   [](const Report& each) { return each.error.reason == "child-withdrawn"; });
    }
    /// Both ends have the same, and nothing besides.
    void check_same(std::size_t children) {
        ends.check_up(children);
        CHECK(ends.a.kernel.inbound().size() == children);
        CHECK(ends.z.kernel.inbound().size() == children);
    }

    Ends ends;
};

}  // namespace

TEST_SUITE("exchange: a CHILD SA that is deleted before the answer that made it comes through") {
    TEST_CASE_TEMPLATE("in a rekeying: the old one goes on, and is rekeyed again", Ends, TwoEnds, RewrittenEnds) {
        Withdrawn<Ends> of;
        Ends& ends = of.ends;
        of.up();
        const EspSpi before = ends.a.sa()->children.front().spec.inbound;
        ends.event(ends.a, Rekey{"a-z", "net"});
        of.lose_answer();
        of.expire_newest();
        ends.settle();
        CHECK(ends.a.sa()->children.size() == 1);
        ends.pass(kSentAgain);
        CHECK(of.was_withdrawn());
        ends.check_up();
        CHECK(ends.a.sa()->children.front().spec.inbound == before);
        ends.pass(kTriedAgain);
        of.check_same(1);
        CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
        CHECK(ends.a.sa()->children.front().spec.inbound != before);
    }

    TEST_CASE_TEMPLATE("in a rekeying, and the old one is deleted as well: another one is made", Ends, TwoEnds,
                       RewrittenEnds) {
        Withdrawn<Ends> of;
        Ends& ends = of.ends;
        of.up();
        const EspSpi before = ends.z.sa()->children.front().spec.inbound;
        ends.event(ends.a, Rekey{"a-z", "net"});
        of.lose_answer();
        of.expire_newest();
        ends.settle();
        ends.z.kernel.delete_expired(before);
        ends.event(ends.z, ChildLost{before, {"sa-expired", "the kernel has deleted it"}});
        ends.settle();
        ends.pass(kTriedAgain);
        CHECK(of.was_withdrawn());
        of.check_same(1);
    }

    TEST_CASE_TEMPLATE("where both rekey: what the other exchange made stays", Ends, TwoEnds, RewrittenEnds) {
        for (int drawn = 0; drawn < 6; ++drawn) {  // whosever nonce is the lowest
            CAPTURE(drawn);
            Withdrawn<Ends> of;
            Ends& ends = of.ends;
            of.up();
            for (int each = 0; each < drawn; ++each) {
                static_cast<void>(ends.a.random.template number<std::uint32_t>());
            }
            ends.event(ends.a, Rekey{"a-z", "net"});
            of.lose_answer();
            of.expire_newest();
            ends.settle();
            ends.event(ends.z, Rekey{"a-z", "net"});
            ends.settle();
            ends.pass(kSentAgain);
            CHECK(ends.a.installed() == 1);
            ends.pass(kTriedAgain);
            of.check_same(1);
            CHECK(ends.z.count(Report::Kind::child_rekeyed) >= 1);
        }
    }

    TEST_CASE_TEMPLATE("a new one: what the peer makes in its place stands alone", Ends, TwoEnds, RewrittenEnds) {
        Withdrawn<Ends> of;
        Ends& ends = of.ends;
        of.up();
        ends.initiate(ends.a, "other");
        of.lose_answer();
        of.expire_newest();
        ends.settle();
        ends.pass(kTriedAgain);
        CHECK(of.was_withdrawn());
        of.check_same(2);
    }

    TEST_CASE_TEMPLATE("the first one, of IKE_AUTH", Ends, TwoEnds, RewrittenEnds) {
        Withdrawn<Ends> of;
        Ends& ends = of.ends;
        ends.initiate(ends.a, "net");
        ends.deliver();
        ends.deliver();
        of.lose_answer();
        of.expire_newest();
        ends.settle();
        ends.pass(kTriedAgain);
        CHECK(of.was_withdrawn());
        of.check_same(1);
    }

    TEST_CASE_TEMPLATE("what another CHILD SA's deletion says is about that one", Ends, TwoEnds, RewrittenEnds) {
        Withdrawn<Ends> of;
        Ends& ends = of.ends;
        of.up();
        const EspSpi first = ends.z.sa()->children.front().spec.inbound;
        ends.initiate(ends.a, "other");
        of.lose_answer();
        ends.z.kernel.delete_expired(first);
        ends.event(ends.z, ChildLost{first, {"sa-expired", "the kernel has deleted it"}});
        ends.settle();
        ends.pass(kTriedAgain);
        CHECK_FALSE(of.was_withdrawn());
        of.check_same(2);
    }

    TEST_CASE_TEMPLATE("the peer rekeys what we have yet to hear of: it may ask again", Ends, TwoEnds,
                       RewrittenEnds) {
        Withdrawn<Ends> of;
        Ends& ends = of.ends;
        of.up();
        ends.initiate(ends.a, "other");
        of.lose_answer();
        const EspSpi made = of.newest().spec.inbound;
        ends.event(ends.z, ChildSpent{made});
        ends.settle();
        REQUIRE(ends.z.sa()->find_child(made) != nullptr);  // it would be gone on CHILD_SA_NOT_FOUND
        ends.pass(kTriedAgain);
        of.check_same(2);
        CHECK(ends.z.count(Report::Kind::child_rekeyed) == 1);
        CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
    }

    TEST_CASE_TEMPLATE("however much the peer deletes that nobody knows of, only so much is kept", Ends, TwoEnds,
                       RewrittenEnds) {
        Withdrawn<Ends> of;
        Ends& ends = of.ends;
        of.up();
        ends.event(ends.a, Rekey{"a-z", "net"});
        of.lose_answer();
        of.expire_newest();
        ends.tamper(ends.z, [](Payloads& all) {
            std::vector<EspSpi>& spis = find_in<wire::DeletePayload>(all)->spis;
            spis.clear();
            for (std::uint32_t each = 0; each < 1000; ++each) {
                spis.push_back(EspSpi{0x0100'0000 + each});
            }
        });
        ends.deliver();
        const Sa& sa = *ends.a.sa();
        REQUIRE(sa.current);
        CHECK(std::get<ChildOffer>(*sa.current).deleted.size() == ends.a.settings.children_most);
    }
}
