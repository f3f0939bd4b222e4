#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

/// What either end sends, the other one can read; and who was up stays up.
void check_traffic(const TwoEnds& ends, bool up) {
    for (const auto& [here, there] : {std::pair{&ends.a, &ends.z}, std::pair{&ends.z, &ends.a}}) {
        const auto* sends = here->kernel.newest_outbound();
        REQUIRE((sends != nullptr || !up));
        if (up) {
            CHECK(there->kernel.inbound().contains(sends->spec.outbound));
        }
    }
}

/// As pass(), a packet after the other, with a look at the traffic after each.
void pass_watched(TwoEnds& ends, Duration time) {
    const Instant end = ends.now + time;
    while (ends.now < end) {
        while (ends.deliver()) {
            check_traffic(ends, true);
        }
        ends.now = std::min(
            {end, std::max(ends.now, std::min(ends.a.endpoint->next_deadline(), ends.z.endpoint->next_deadline()))});
        for (End* each : {&ends.a, &ends.z}) {
            if (each->endpoint->next_deadline() <= ends.now) {
                ends.event(*each, TimePassed{});
                check_traffic(ends, true);
            }
        }
    }
}

void keep_both_up(Connection& of_a, Connection& of_z) {
    of_a.keep_up = of_z.keep_up = true;
}

void check_one_of_each(const TwoEnds& ends) {
    ends.check_up();
    CHECK(ends.a.kernel.inbound().size() == 1);
    CHECK(ends.z.kernel.inbound().size() == 1);
}

/// Both begin; of the packets that follow, one is lost.
void both_begin(TwoEnds& ends, int lost) {
    ends.initiate(ends.a);
    ends.initiate(ends.z);
    for (int each = 0; each < 12 && !ends.wire.empty(); ++each) {
        ends.now += std::chrono::milliseconds(1);
        if (each == lost) {
            ends.drop();
        } else {
            ends.deliver();
        }
    }
}

}  // namespace

TEST_SUITE("exchange: what stands twice") {
    TEST_CASE_TEMPLATE("both ends begin at once: one IKE SA and one CHILD SA stay, and no packet finds none", Ends,
                       TwoEnds, RewrittenEnds) {
        for (std::uint8_t seed = 0; seed < 4; ++seed) {
            CAPTURE(seed);
            Ends ends;
            std::array<std::uint8_t, 8> skipped{};
            for (std::uint8_t each = 0; each < seed; ++each) {
                ends.a.random.fill(skipped);  // so that names are others, and the other one survives
            }
            ends.configure(keep_both_up);
            both_begin(ends, -1);
            REQUIRE(ends.a.standing() == 2);
            REQUIRE(ends.z.standing() == 2);
            pass_watched(ends, std::chrono::minutes(3));
            check_one_of_each(ends);
            CHECK(ends.a.count(Report::Kind::failed) == 0);
            CHECK(ends.z.count(Report::Kind::failed) == 0);
            CHECK(ends.a.count(Report::Kind::closed) == 0);
            CHECK(ends.z.count(Report::Kind::closed) == 0);
        }
    }

    TEST_CASE_TEMPLATE("the same, and any one packet is lost: INITIAL_CONTACT ends nothing that the peer has", Ends,
                       TwoEnds, RewrittenEnds) {
        for (int lost = 0; lost < 8; ++lost) {
            CAPTURE(lost);
            Ends ends;
            ends.configure(keep_both_up);
            both_begin(ends, lost);
            ends.pass(std::chrono::seconds(5));  // what was lost has been sent again
            CHECK(ends.a.standing() == ends.z.standing());
            check_traffic(ends, true);
            pass_watched(ends, std::chrono::minutes(3));
            check_one_of_each(ends);
            CHECK(ends.a.count(Report::Kind::failed) == 0);
            CHECK(ends.z.count(Report::Kind::failed) == 0);
        }
    }

    TEST_CASE_TEMPLATE("both ends make the CHILD SA that they lack: one stays", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            for (Connection* each : {&of_a, &of_z}) {
                each->children.push_back(each->children.front());
                each->children.back().name = "other";
                for (TrafficSelectors* one : {&each->children.back().local, &each->children.back().remote}) {
                    *one = {*parse_selector(one->front().first.text().starts_with("10.1") ? "10.3.0.0/16"
                                                                                          : "10.4.0.0/16")};
                }
            }
        });
        ends.initiate(ends.a, "net");
        ends.settle();
        ends.check_up();
        ends.initiate(ends.a, "other");
        ends.initiate(ends.z, "other");
        REQUIRE(ends.wire.size() == 2);
        ends.settle();
        CHECK(ends.a.installed() == 3);
        CHECK(ends.z.installed() == 3);
        pass_watched(ends, std::chrono::minutes(2));
        ends.check_up(2);
        CHECK(ends.a.kernel.inbound().size() == 2);
        CHECK(ends.z.kernel.inbound().size() == 2);
    }

    TEST_CASE_TEMPLATE("a survivor that the peer has forgotten closes nothing", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        both_begin(ends, -1);
        REQUIRE(ends.a.standing() == 2);
        // Silence on the one that is to survive: all messages of it are lost.
        const auto& sas = ends.z.endpoint->sas();
        const auto survivor = std::ranges::max_element(sas, {}, [](const auto& each) {
                                  return each.second->initiator_spi;
                              })->second->initiator_spi;
        const Instant end = ends.now + std::chrono::minutes(5);
        while (ends.now < end) {
            while (!ends.wire.empty()) {
                const auto message = wire::parse(ends.wire.front().bytes);
                if (message && message->header.initiator_spi == survivor) {
                    ends.drop();
                } else {
                    ends.deliver();
                }
            }
            ends.now = std::min(end, std::min(ends.a.endpoint->next_deadline(), ends.z.endpoint->next_deadline()));
            ends.event(ends.a, TimePassed{});
            ends.event(ends.z, TimePassed{});
        }
        ends.wire.clear();
        ends.check_up();
        CHECK(ends.a.sa()->initiator_spi != survivor);
    }
}
