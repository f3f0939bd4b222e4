#include <doctest/doctest.h>

#include "ike/create_child.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::find_in;
using keysluice::ike::testing::Packet;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

template <typename Ends>
struct Collision {
    Collision() {
        ends.configure();
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up();
        first = ends.a.sa()->children.front().spec.inbound;
    }
    /// The two requests are on the wire before either is delivered: the first one's last.
    void cross(const std::function<void()>& of_a, const std::function<void()>& of_z) {
        of_a();
        of_z();
        REQUIRE(ends.wire.size() == 2);
    }
    void rekey_child(End& end) { ends.event(end, Rekey{"a-z", "net"}); }
    void rekey_ike(End& end) { ends.event(end, Rekey{"a-z", {}}); }
    /// The end deletes its CHILD SA, and makes another one.
    void close_child(End& end) {
        const EspSpi inbound = end.sa()->children.front().spec.inbound;
        end.kernel.delete_expired(inbound);
        ends.event(end, ChildLost{inbound, {"sa-expired", "the kernel has deleted it"}});
    }
    void close_ike(End& end) { ends.event(end, Terminate{"a-z"}); }
    /// Delivers the oldest packet, and reads what its receiver says to it, the last packet there is.
    Payloads answered(const End& receiver) {
        ends.deliver();
        REQUIRE_FALSE(ends.wire.empty());
        const auto before = ends.wire;
        ends.wire = {before.back()};
        Payloads read;
        ends.tamper(receiver, [&](const Payloads& all) { read = all; });
        ends.wire = before;
        return read;
    }
    static bool says(const Payloads& payloads, wire::NotifyType type) {
        return find_notify(payloads, type) != nullptr;
    }
    /// In the end there is one IKE SA with one CHILD SA, which is not the first one.
    void check_new_child() {
        ends.pass(std::chrono::minutes(2));
        ends.check_up();
        CHECK(ends.a.kernel.inbound().size() == 1);
        CHECK(ends.z.kernel.inbound().size() == 1);
        CHECK(ends.a.sa()->children.front().spec.inbound != first);
    }
    void check_gone() {
        ends.pass(std::chrono::minutes(4));
        CHECK(ends.a.endpoint->sas().empty());
        CHECK(ends.z.endpoint->sas().empty());
        CHECK(ends.a.kernel.empty());
        CHECK(ends.z.kernel.empty());
    }

    Ends ends;
    EspSpi first;
};

}  // namespace

// RFC 7296 section 2.25.1.
TEST_SUITE("exchange: collisions while rekeying or closing CHILD SAs") {
    // "If a peer receives a request to rekey a Child SA that it is currently trying to close, it SHOULD reply with
    // TEMPORARY_FAILURE." "If a peer receives a request to close a Child SA that it is currently rekeying, it SHOULD
    // reply as usual, with a Delete payload."
    TEST_CASE_TEMPLATE("one end rekeys the CHILD SA that the other one closes", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.rekey_child(ends.a); }, [&] { both.close_child(ends.z); });
        CHECK(both.says(both.answered(ends.z), wire::NotifyType::temporary_failure));
        Payloads answer = both.answered(ends.a);
        const auto* deleted = find_in<wire::DeletePayload>(answer);
        REQUIRE(deleted != nullptr);
        CHECK(deleted->spis == std::vector<EspSpi>{both.first});
        both.check_new_child();
    }

    // "If a peer receives a request to rekey a Child SA that it is currently rekeying, it SHOULD reply as usual, and
    // SHOULD prepare to close redundant SAs later based on the nonces (see Section 2.8.1)."
    TEST_CASE_TEMPLATE("both ends rekey the CHILD SA", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.rekey_child(ends.a); }, [&] { both.rekey_child(ends.z); });
        for (const End* each : {&ends.z, &ends.a}) {
            Payloads answer = both.answered(*each);
            CHECK(find_in<wire::SaPayload>(answer) != nullptr);
        }
        both.check_new_child();
    }

    // "If a peer receives a request to rekey a Child SA that does not exist, it SHOULD reply with
    // CHILD_SA_NOT_FOUND." Section 2.25: "A peer that receives a CHILD_SA_NOT_FOUND notification SHOULD silently
    // delete the Child SA (if it still exists) and send a request to create a new Child SA from scratch (if the Child
    // SA does not yet exist)."
    TEST_CASE_TEMPLATE("the CHILD SA to rekey is not there any more, at the peer or at both ends", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool at_both : {false, true}) {
            CAPTURE(at_both);
            Collision<Ends> both;
            auto& ends = both.ends;
            // z has deleted it, and its request crosses a's.
            both.rekey_child(ends.a);
            const Packet rekeying = ends.wire.front();
            ends.wire.clear();
            both.close_child(ends.z);
            const Packet deletion = ends.wire.front();
            ends.wire.clear();
            REQUIRE(ends.z.sa()->window.outstanding.has_value());
            ends.wire.push_back(rekeying);
            ends.tamper(ends.a, [](Payloads& all) {
                for (wire::Payload& each : all) {
                    auto* rekey = std::get_if<wire::NotifyPayload>(&each);
                    if (rekey != nullptr && rekey->type == wire::NotifyType::rekey_sa) {
                        rekey->spi = octets_of(EspSpi{0x01020304});
                    }
                }
            });
            const Payloads answer = both.answered(ends.z);
            const auto* refusal = find_notify(answer, wire::NotifyType::child_sa_not_found);
            REQUIRE(refusal != nullptr);
            CHECK(refusal->protocol == wire::Protocol::esp);
            CHECK(refusal->spi == octets_of(EspSpi{0x01020304}));
            if (at_both) {
                ends.wire.push_front(deletion);  // overtakes the answer
            } else {
                ends.wire.push_back(deletion);
            }
            ends.deliver();
            ends.deliver();
            REQUIRE(ends.a.sa() != nullptr);
            CHECK(ends.a.kernel.empty());
            CHECK(has_child(*ends.a.sa(), "net"));
            both.check_new_child();
        }
    }

    // "If a peer receives a request to close a Child SA that it is currently trying to close, it SHOULD reply without
    // a Delete payload (see Section 1.4.1)."
    TEST_CASE_TEMPLATE("both ends close the CHILD SA", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.close_child(ends.a); }, [&] { both.close_child(ends.z); });
        for (const End* each : {&ends.z, &ends.a}) {
            Payloads answer = both.answered(*each);
            CHECK(find_in<wire::DeletePayload>(answer) == nullptr);
        }
        both.check_new_child();
    }

    // "If a peer receives a request to close a Child SA that does not exist, it SHOULD reply without a Delete
    // payload."
    TEST_CASE_TEMPLATE("the CHILD SA to close is not there", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.close_child(ends.a);
        ends.tamper(ends.a, [](Payloads& all) { find_in<wire::DeletePayload>(all)->spis = {EspSpi{0x01020304}}; });
        Payloads answer = both.answered(ends.z);
        CHECK(find_in<wire::DeletePayload>(answer) == nullptr);
        CHECK(ends.z.installed() == 1);
    }

    // "If a peer receives a request to rekey the IKE SA, and it is currently creating, rekeying, or closing a Child
    // SA of that IKE SA, it SHOULD reply with TEMPORARY_FAILURE." Section 2.25.2: "If a peer receives a request to
    // create or rekey a Child SA when it is currently rekeying the IKE SA, it SHOULD reply with TEMPORARY_FAILURE."
    TEST_CASE_TEMPLATE("one end rekeys the IKE SA, the other one a CHILD SA of it", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.rekey_ike(ends.a); }, [&] { both.rekey_child(ends.z); });
        CHECK(both.says(both.answered(ends.z), wire::NotifyType::temporary_failure));
        CHECK(both.says(both.answered(ends.a), wire::NotifyType::temporary_failure));
        both.check_new_child();
        CHECK(ends.a.count(Report::Kind::ike_rekeyed) == 1);
    }

    // The same, of creating.
    TEST_CASE_TEMPLATE("one end rekeys the IKE SA, the other one makes a CHILD SA", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.close_child(ends.z);
        ends.deliver();
        ends.deliver();  // z asks for another one
        REQUIRE(ends.wire.size() == 1);
        both.rekey_ike(ends.a);
        REQUIRE(ends.wire.size() == 2);
        CHECK(both.says(both.answered(ends.a), wire::NotifyType::temporary_failure));
        CHECK(both.says(both.answered(ends.z), wire::NotifyType::temporary_failure));
        both.check_new_child();
        CHECK(ends.a.count(Report::Kind::ike_rekeyed) == 1);
    }

    // The same, of closing. Section 2.25.2: "If a peer receives a request to delete a Child SA when it is currently
    // rekeying the IKE SA, it SHOULD reply as usual, with a Delete payload."
    TEST_CASE_TEMPLATE("one end rekeys the IKE SA, the other one closes a CHILD SA of it", Ends, TwoEnds,
                       RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.rekey_ike(ends.a); }, [&] { both.close_child(ends.z); });
        CHECK(both.says(both.answered(ends.z), wire::NotifyType::temporary_failure));
        Payloads answer = both.answered(ends.a);
        CHECK(find_in<wire::DeletePayload>(answer) != nullptr);
        both.check_new_child();
        CHECK(ends.a.count(Report::Kind::ike_rekeyed) == 1);
    }
}

// RFC 7296 section 2.25.2.
TEST_SUITE("exchange: collisions while rekeying or closing IKE SAs") {
    // "If a peer receives a request to rekey an IKE SA that it is currently rekeying, it SHOULD reply as usual, and
    // SHOULD prepare to close redundant SAs and move inherited Child SAs later based on the nonces (see
    // Section 2.8.2)."
    TEST_CASE_TEMPLATE("both ends rekey the IKE SA", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.rekey_ike(ends.a); }, [&] { both.rekey_ike(ends.z); });
        for (const End* each : {&ends.z, &ends.a}) {
            Payloads answer = both.answered(*each);
            CHECK(find_in<wire::SaPayload>(answer) != nullptr);
        }
        ends.pass(std::chrono::minutes(4));
        ends.check_up();
    }

    // "If a peer receives a request to rekey an IKE SA that it is currently trying to close, it SHOULD reply with
    // TEMPORARY_FAILURE." "If a peer receives a request to close an IKE SA that it is currently rekeying, it SHOULD
    // reply as usual, and forget about its own rekeying request."
    TEST_CASE_TEMPLATE("one end rekeys the IKE SA that the other one closes", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.rekey_ike(ends.a); }, [&] { both.close_ike(ends.z); });
        CHECK(both.says(both.answered(ends.z), wire::NotifyType::temporary_failure));
        CHECK(both.answered(ends.a).empty());
        CHECK(ends.a.standing() == 0);
        both.check_gone();
    }

    // "If a peer receives a request to close an IKE SA that it is currently trying to close, it SHOULD reply as
    // usual, and forget about its own close request."
    TEST_CASE_TEMPLATE("both ends close the IKE SA", Ends, TwoEnds, RewrittenEnds) {
        Collision<Ends> both;
        auto& ends = both.ends;
        both.cross([&] { both.close_ike(ends.a); }, [&] { both.close_ike(ends.z); });
        CHECK(both.answered(ends.z).empty());
        CHECK(both.answered(ends.a).empty());
        CHECK(ends.a.standing() == 0);
        CHECK(ends.z.standing() == 0);
        both.check_gone();
    }

    // An IKE SA that is closed takes its CHILD SAs with it (section 1.4.1), whatever happens to them.
    TEST_CASE_TEMPLATE("one end closes the IKE SA, the other one rekeys or closes its CHILD SA", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool rekeys : {true, false}) {
            CAPTURE(rekeys);
            Collision<Ends> both;
            auto& ends = both.ends;
            both.cross([&] { both.close_ike(ends.a); },
                       [&] { rekeys ? both.rekey_child(ends.z) : both.close_child(ends.z); });
            CHECK(both.answered(ends.z).empty());
            if (rekeys) {
                CHECK(both.says(both.answered(ends.a), wire::NotifyType::temporary_failure));
            }
            both.check_gone();
        }
    }
}
