#include "daemon/control/change_collector.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "daemon/shared/clock.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace std::chrono_literals;

namespace {

struct Fixture {
    Loop loop;
    ChangeCollector collector{loop};
    std::optional<Changes> told;

    void listen() {
        collector.next([this](Changes changes) { told = std::move(changes); });
    }
    Changes await() {
        listen();
        const Instant patience = now() + 10s;
        while (!told && now() < patience) {
            loop.turn(10ms);
        }
        REQUIRE(told);
        return *std::exchange(told, {});
    }
    void happen(std::size_t times = 1) {
        ike::Report report;
        report.kind = ike::Report::Kind::refused;
        report.error = {"no-connection", "nobody knows it"};
        for (std::size_t i = 0; i < times; ++i) {
            collector.add(report, nullptr);
        }
    }
};

ike::Sa sa_of(std::uint64_t spi, bool established = true) {
    ike::Sa sa;
    sa.initiator = true;
    sa.initiator_spi = {spi};
    sa.established_at = established ? Instant{1s} : Instant{};
    return sa;
}

}  // namespace

TEST_SUITE("control: change collector") {
    TEST_CASE_FIXTURE(Fixture, "nothing is collected before somebody listens") {
        happen();
        collector.touch(sa_of(7));
        collector.reloaded();
        listen();
        happen();
        const Changes changes = await();
        CHECK(changes.first == 0);
        CHECK(changes.happened.size() == 1);
        CHECK(changes.touched.empty());
        CHECK_FALSE(changes.reloaded);
    }

    TEST_CASE_FIXTURE(Fixture, "what happens within a tick is told at once, and once") {
        listen();
        happen(3);
        collector.touch(sa_of(9));
        collector.touch(sa_of(7));
        collector.touch(sa_of(7));
        const Changes first = await();
        CHECK(first.happened.size() == 3);
        CHECK(first.happened[2].reason == "no-connection");
        CHECK(first.happened[2].sentence == "nobody knows it");
        CHECK(first.touched == std::vector{ike::IkeSpi{7}, ike::IkeSpi{9}});
        happen();
        const Changes second = await();
        CHECK(second.first == 3);
        CHECK(second.happened.size() == 1);
        CHECK(second.touched.empty());
    }

    TEST_CASE_FIXTURE(Fixture, "a reader that is away loses happenings, and their numbers show it") {
        listen();
        happen();
        static_cast<void>(await());
        happen(ChangeCollector::kMostHappenings + 500);
        const Changes changes = await();
        CHECK(changes.first == 1);
        CHECK(changes.happened.size() == ChangeCollector::kMostHappenings);
        happen();
        CHECK(await().first == 1 + ChangeCollector::kMostHappenings + 500);
    }

    TEST_CASE_FIXTURE(Fixture, "touched SAs come in portions, and too many mean: look at all") {
        listen();
        for (std::uint64_t spi = 1; spi <= ChangeCollector::kTouchedAtOnce + 1; ++spi) {
            collector.touch(sa_of(spi));
        }
        CHECK(await().touched.size() == ChangeCollector::kTouchedAtOnce);
        CHECK(await().touched == std::vector{ike::IkeSpi{ChangeCollector::kTouchedAtOnce + 1}});
        for (std::uint64_t spi = 1; spi <= ChangeCollector::kMostTouched + 1; ++spi) {
            collector.touch(sa_of(spi));
        }
        const Changes changes = await();
        CHECK(changes.look_at_all);
        CHECK(changes.touched.empty());
        collector.touch(sa_of(5));
        CHECK(await().touched == std::vector{ike::IkeSpi{5}});
    }

    TEST_CASE_FIXTURE(Fixture, "what never was established is not told one by one") {
        listen();
        collector.touch(sa_of(7, false));
        collector.reloaded();
        const Changes changes = await();
        CHECK(changes.touched.empty());
        CHECK(changes.reloaded);
    }

    TEST_CASE_FIXTURE(Fixture, "a peer that falls silent and comes back: told beside what happens, in that order") {
        listen();
        ike::Report silent;
        silent.kind = ike::Report::Kind::failed;
        silent.connection = "hq";
        silent.error = {"peer-silent", "did not answer"};
        collector.add(silent, nullptr);
        collector.add(silent, nullptr);
        ike::Report established = silent;
        established.kind = ike::Report::Kind::established;
        established.error = {};
        collector.add(established, nullptr);
        const Changes changes = await();
        std::vector<std::string_view> kinds;
        for (const Happening& each : changes.happened) {
            kinds.push_back(each.kind);
        }
        CHECK(kinds ==
              std::vector<std::string_view>{"failed", "peer-unreachable", "failed", "peer-back", "ike-established"});
        CHECK(changes.happened[1].reason == "peer-silent");
        happen();
        CHECK(await().first == 5);
    }

    TEST_CASE("the kinds of events, by their names on the bus") {
        using Kind = ike::Report::Kind;
        CHECK(name_of(Kind::established) == "ike-established");
        CHECK(name_of(Kind::child_established) == "child-established");
        CHECK(name_of(Kind::child_rekeyed) == "child-rekeyed");
        CHECK(name_of(Kind::ike_rekeyed) == "ike-rekeyed");
        CHECK(name_of(Kind::child_closed) == "child-closed");
        CHECK(name_of(Kind::closed) == "ike-closed");
        CHECK(name_of(Kind::moved) == "peer-moved");
        CHECK(name_of(Kind::path_changed) == "path-changed");
        CHECK(name_of(Kind::offload_lost) == "offload-lost");
        CHECK(name_of(Kind::offload_regained) == "offload-regained");
        CHECK(name_of(Kind::offload_moved) == "offload-moved");
        CHECK(name_of(Kind::gateway_changed) == "gateway-changed");
        CHECK(name_of(Kind::reauthenticated) == "reauthenticated");
        CHECK(name_of(Kind::reauth_failed) == "reauth-failed");
        CHECK(name_of(Kind::failed) == "failed");
        CHECK(name_of(Kind::refused) == "refused");
    }
}
