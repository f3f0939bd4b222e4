#include <doctest/doctest.h>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice::ike;
using namespace keysluice::ike::testing;

namespace {

/// Another process takes over at `end`, and the kernel that it finds does or does not have what was asked for.
void take_over(TwoEnds& ends, End& end, bool kernel_has_it) {
    end.rewrite();
    end.holds_installs = false;
    const Actions actions = end.endpoint->unconfirmed();
    REQUIRE(actions.size() == 1);
    const auto& install = std::get<InstallChild>(actions.front());
    if (!kernel_has_it) {
        end.kernel = {};
        REQUIRE(end.kernel.install(install));
    }
    ends.event(end, ChildInstalled{install.spec.inbound, {}});
    CHECK(end.endpoint->unconfirmed().empty());
}

}  // namespace

TEST_SUITE("exchange: a process takes over") {
    TEST_CASE("while the responder's kernel has yet to say that it has the first CHILD SA") {
        for (const bool kernel_has_it : {true, false}) {
            TwoEnds ends;
            ends.configure();
            ends.z.holds_installs = true;
            ends.initiate(ends.a);
            ends.settle();
            take_over(ends, ends.z, kernel_has_it);
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE("while the initiator's has") {
        for (const bool kernel_has_it : {true, false}) {
            TwoEnds ends;
            ends.configure();
            ends.a.holds_installs = true;
            ends.initiate(ends.a);
            ends.settle();
            take_over(ends, ends.a, kernel_has_it);
            ends.settle();
            ends.check_up();
        }
    }

    TEST_CASE("while the kernel has yet to take the outbound half of a rekeyed CHILD SA") {
        TwoEnds ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.settle();
        ends.z.holds_outbound = true;
        ends.event(ends.a, Rekey{"a-z", "net"});
        ends.settle();
        ends.z.rewrite();
        const Actions actions = ends.z.endpoint->unconfirmed();
        REQUIRE(actions.size() == 1);
        const auto& install = std::get<InstallOutbound>(actions.front());
        REQUIRE(ends.z.kernel.install(install));
        ends.event(ends.z, OutboundInstalled{install.spec.inbound});
        CHECK(ends.z.endpoint->unconfirmed().empty());
        ends.pass(std::chrono::minutes(1));
        ends.check_up();
    }
}
