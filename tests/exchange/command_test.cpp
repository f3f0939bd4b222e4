#include <doctest/doctest.h>

#include <algorithm>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

constexpr IkeSpi kNobody{1};

template <typename Ends>
IkeSpi up(Ends& ends, bool keep_up = false) {
    ends.configure([keep_up](Connection& of_a, Connection&) { of_a.keep_up = keep_up; });
    ends.initiate(ends.a);
    ends.settle();
    ends.check_up();
    return ends.a.sa()->own_spi();
}

}  // namespace

TEST_SUITE("exchange: commands for one IKE SA") {
    TEST_CASE_TEMPLATE("to close: that one, and no other", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        const IkeSpi spi = up(ends);
        ends.event(ends.a, Terminate{"a-z", kNobody});
        CHECK(ends.wire.empty());
        ends.check_up();
        ends.event(ends.a, Terminate{"a-z", spi});
        ends.settle();
        CHECK(ends.a.standing() == 0);
        CHECK(ends.a.count(Report::Kind::closed) == 1);
    }

    TEST_CASE_TEMPLATE("a connection that is to be up comes up again after it", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        const IkeSpi spi = up(ends, true);
        ends.event(ends.a, Terminate{"a-z", spi});
        ends.settle();
        CHECK(ends.a.standing() == 0);
        ends.pass(std::chrono::seconds(30));
        ends.check_up();
        CHECK(ends.a.sa()->own_spi() != spi);
        // The connection as a whole stays down.
        ends.event(ends.a, Terminate{"a-z"});
        ends.settle();
        ends.pass(std::chrono::minutes(10));
        CHECK(ends.a.standing() == 0);
    }

    TEST_CASE_TEMPLATE("to rekey: that one, or its child", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        const IkeSpi spi = up(ends);
        ends.event(ends.a, Rekey{"a-z", {}, kNobody});
        ends.event(ends.a, Rekey{"a-z", "net", kNobody});
        CHECK(ends.wire.empty());
        ends.event(ends.a, Rekey{"a-z", "net", spi});
        ends.settle();
        CHECK(ends.a.count(Report::Kind::child_rekeyed) == 1);
        ends.event(ends.a, Rekey{"a-z", {}, spi});
        ends.settle();
        CHECK(ends.a.count(Report::Kind::ike_rekeyed) == 1);
        CHECK(ends.a.sa()->own_spi() != spi);
    }
}

TEST_SUITE("exchange: states are told") {
    TEST_CASE("each change of state is an action, in its order") {
        TwoEnds ends;
        ends.configure();
        const auto states = [](const Actions& actions) {
            std::vector<State> all;
            for (const Action& action : actions) {
                if (const auto* changed = std::get_if<StateChanged>(&action)) {
                    all.push_back(changed->to);
                }
            }
            return all;
        };
        const Initiate begin{"a-z", {}, ends.a.address, ends.z.address};
        const Actions first = ends.a.endpoint->on(begin, ends.now);
        CHECK(states(first).empty());  // it begins as init-sent
        // Nobody answers: the SA ends.
        Instant now = ends.now;
        std::vector<State> seen;
        while (seen.empty() && ends.a.endpoint->next_deadline() != Instant::max()) {
            now = ends.a.endpoint->next_deadline();
            seen = states(ends.a.endpoint->on(TimePassed{}, now));
        }
        CHECK(seen == std::vector{State::dead});
    }
}
