#include <doctest/doctest.h>

#include <array>
#include <set>

#include "tests/exchange/gateway_site.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using namespace std::chrono_literals;

namespace {

using Site = ike::testing::GatewaySite;
using RewrittenSite = ike::testing::RewrittenGatewaySite;

void keep_up(Connection& rules) {
    rules.keep_up = true;
}

void go_back_at_once(Connection& rules) {
    rules.gateways.back = Gateways::Return::at_once;
    rules.gateways.check = 20s;
}

using Changes = std::vector<std::string>;

/// Something happens to one of the gateways, to the client or to what is between them.
void shake(Site& site, ike::testing::SeededRandom& dice) {
    const auto number = [&](std::uint32_t sides) { return dice.number<std::uint32_t>() % sides; };
    End& one = site.gateway(number(3));
    switch (number(9)) {
        case 0:
        case 1:
            site.off.insert(&one);
            break;
        case 2:
            site.off.erase(&one);
            break;
        case 3:
            one.kernel = {};
            one.endpoint = std::make_unique<Endpoint>(one.settings, one.random);
            one.endpoint->configure(one.connections);
            break;
        case 4:
            site.event(one, Terminate{"a-z"});
            break;
        case 5:
            site.client.rewrite();
            break;
        case 6:
            site.event(site.client, Rekey{"a-z", number(2) == 0 ? "net" : ""});
            break;
        case 7:
            if (site.unreachable.erase(&one) == 0) {
                site.unreachable.insert(&one);
            }
            break;
        case 8:
            site.move(site.client, {number(2) == 0 ? "192.0.2.1" : "203.0.113.1"});
            break;
    }
}

}  // namespace

TEST_SUITE("exchange: several gateways") {
    TEST_CASE_TEMPLATE("one that does not answer is followed by the next at once", Case, Site, RewrittenSite) {
        Case site;
        site.off = {&site.gateway(0), &site.gateway(1)};
        site.up();
        site.pass(7s);
        CHECK(site.changes() == Changes{"1>2 peer-silent"});
        site.pass(7s);
        CHECK(site.served_by() == 2);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent"});
        CHECK(site.client.endpoint->gateway("a-z") == site.gateway(2).address);
    }

    TEST_CASE_TEMPLATE("so is one that refuses", Case, Site, RewrittenSite) {
        Case site;
        auto strict = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
        strict->keys.set_for_all(SharedKey(as_bytes("another one")));
        site.gateway(0).configure(strict);
        site.up();
        site.settle();
        CHECK(site.served_by() == 1);
        CHECK(site.changes() == Changes{"1>2 auth-refused"});
    }

    TEST_CASE("a gateway to which there is no way is passed over") {
        Site site;
        site.unreachable = {&site.gateway(1)};
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(7s);
        CHECK(site.served_by() == 2);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 no-route"});
    }

    TEST_CASE("a round that begins with a gateway to which there is no way begins behind it") {
        Site site;
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.down();
        site.settle();
        REQUIRE(site.client.endpoint->gateway("a-z") == site.gateway(1).address);
        // As from a command: the first of the list is sought, and there is no way to it.
        site.unreachable = {&site.gateway(0)};
        site.event(site.client, NoWay{"a-z", {}, site.gateway(0).address, {"no-route", "no way"}});
        site.settle();
        CHECK(site.served_by() == 1);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>1 gateway-returned", "1>2 no-route"});
    }

    TEST_CASE_TEMPLATE("the peer rekeys the IKE SA with which a better one is tried", Case, Site, RewrittenSite) {
        for (const bool old_one_dies : {true, false}) {
            CAPTURE(old_one_dies);
            Case site([](Connection& rules) {
                go_back_at_once(rules);
                rules.liveness = Duration::zero();
            });
            site.off = {&site.gateway(0)};
            site.up();
            site.pass(8s + 18s);  // the next look comes 20 s after the beginning, which took 7
            REQUIRE(site.served_by() == 1);
            // The old one is not at rest, so that the two stand beside each other.
            site.off = {&site.gateway(1)};
            site.event(site.client, Rekey{"a-z", "net"});
            site.pass(2s);
            REQUIRE(site.gateway(0).standing() == 1);
            site.event(site.gateway(0), Rekey{"a-z", ""});
            site.settle();
            REQUIRE(site.gateway(0).count(Report::Kind::ike_rekeyed) == 1);
            if (!old_one_dies) {
                site.off.clear();
            }
            site.pass(20s);
            CHECK(site.served_by() == 0);
            CHECK(site.client.standing() == 1);
            CHECK(site.client.endpoint->gateway("a-z") == site.gateway(0).address);
            CHECK(site.changes() ==
                  Changes{"1>2 peer-silent", old_one_dies ? "2>1 peer-silent" : "2>1 gateway-returned"});
        }
    }

    TEST_CASE("this end closes the IKE SA: that is not put down to the gateway") {
        Site site([](Connection& rules) {
            rules.keep_up = true;
            rules.liveness = Duration::zero();
            rules.reauth_time = 10min;
        });
        site.up();
        site.settle();
        REQUIRE(site.served_by() == 0);
        auto strict = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
        strict->keys.set_for_all(SharedKey(as_bytes("another one")));
        site.gateway(0).configure(strict);
        site.pass(site.client.sa()->reauth.over_at - site.now - 2s);
        REQUIRE(site.client.count(Report::Kind::reauth_failed) > 0);
        // The time is over while an exchange is under way: the IKE SA is closed behind that.
        site.off = {&site.gateway(0)};
        site.event(site.client, Rekey{"a-z", "net"});
        site.pass(2500ms);
        CHECK(site.changes().empty());
        site.off.clear();
        site.pass(4s);
        CHECK(site.served_by() == 1);
        CHECK(site.changes() == Changes{"1>2 gateway-left"});
    }

    TEST_CASE("after a reauthentication in vain, better gateways are looked for again") {
        Site site([](Connection& rules) {
            go_back_at_once(rules);
            rules.liveness = Duration::zero();
        });
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.pass(14s);
        site.off = {&site.gateway(0), &site.gateway(1)};
        site.event(site.client, Reauthenticate{.connection = "a-z"});
        site.pass(20s);  // it comes to nothing while a look is due
        REQUIRE(site.client.count(Report::Kind::reauth_failed) == 1);
        site.off.clear();
        site.pass(1min);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE_TEMPLATE("what is dead is left, and what was to be up is up again with the next", Case, Site,
                       RewrittenSite) {
        for (const bool kept : {true, false}) {
            CAPTURE(kept);
            Case site([&](Connection& rules) {
                rules.keep_up = kept;
                rules.liveness = 4s;
            });
            site.up();
            site.pass(1min);
            REQUIRE(site.served_by() == 0);
            site.off = {&site.gateway(0)};
            site.pass(4s + 7s);
            CHECK(site.served_by() == 1);
            CHECK(site.changes() == Changes{"1>2 peer-silent"});
            // And the other way round: from the last one the first is the next.
            site.off = {&site.gateway(1), &site.gateway(2)};
            site.pass(4s + 7s + 7s);
            CHECK(site.served_by() == 0);
            CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent", "3>1 peer-silent"});
        }
    }

    TEST_CASE("one that closes the IKE SA is followed by the next") {
        Site site(keep_up);
        site.up();
        site.pass(10s);
        site.event(site.gateway(0), Terminate{"a-z"});
        site.settle();
        CHECK(site.served_by() == 1);
        CHECK(site.changes() == Changes{"1>2 gateway-closed"});
    }

    TEST_CASE("between rounds there are the pauses of the connection") {
        Site site([](Connection& rules) {
            keep_up(rules);
            rules.retry = {.first = 5s, .most = 5s};
        });
        site.off = {&site.gateway(0), &site.gateway(1), &site.gateway(2)};
        site.up();
        site.pass(21s);
        CHECK(site.seeks == 2);  // the first began without
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent", "3>1 peer-silent"});
        site.pass(4s);
        CHECK(site.seeks == 2);
        site.pass(1s);
        CHECK(site.seeks == 3);
        site.off.clear();
        site.pass(4s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("without a wish for more, one round is all") {
        Site site;
        site.off = {&site.gateway(0), &site.gateway(1), &site.gateway(2)};
        site.up();
        site.pass(5min);
        CHECK(site.seeks == 2);
        CHECK(site.client.standing() == 0);
        site.off.clear();
        site.up();
        site.settle();
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("gateways that take everybody and keep nobody don't make a storm") {
        Site site([](Connection& rules) {
            keep_up(rules);
            rules.retry = {.first = 5s, .most = 5s};
        });
        site.up();
        for (int round = 0; round < 20; ++round) {
            site.settle();
            for (const auto& gateway : site.gateways) {
                site.event(*gateway, Terminate{"a-z"});
            }
        }
        CHECK(site.seeks <= 3);
        site.pass(20s);
        CHECK(site.served_by());
    }

    TEST_CASE("what is taken down stays down, and what an administrator closes is no fault of the gateway's") {
        Site site(keep_up);
        site.up();
        site.pass(10s);
        const IkeSpi spi = site.client.sa()->own_spi();
        site.event(site.client, Terminate{"a-z", spi});
        site.pass(10s);
        CHECK(site.served_by() == 0);
        CHECK(site.changes().empty());
        site.down();
        site.pass(10min);
        CHECK(site.client.standing() == 0);
        CHECK(site.changes().empty());
    }

    TEST_CASE("priority begins with the first again; rotation goes on where it stopped") {
        for (const auto order : {Gateways::Order::priority, Gateways::Order::rotation}) {
            CAPTURE(static_cast<int>(order));
            Site site([&](Connection& rules) { rules.gateways.order = order; });
            const std::size_t first = order == Gateways::Order::priority ? 0 : 1;
            const auto begun = site.client.endpoint->gateway("a-z");
            site.off = {};
            for (const auto& gateway : site.gateways) {
                if (gateway->address == begun) {
                    site.off = {gateway.get()};
                }
            }
            site.up();
            site.pass(8s);
            const auto served = site.served_by();
            REQUIRE(served);
            site.off.clear();
            site.down();
            site.pass(1min);
            site.up();
            site.settle();
            CHECK((site.served_by() == served) == (first == 1));
        }
    }

    TEST_CASE("rotation spreads its beginnings") {
        std::set<UdpEndpoint> begun;
        for (std::uint8_t seed = 0; seed < 20; ++seed) {
            Site site;
            std::array<std::uint8_t, 32> skipped{};
            for (std::uint8_t each = 0; each < seed; ++each) {
                site.client.random.fill(skipped);
            }
            auto rules = Site::rules("client.example", "gw.example", "10.1.0.0/16", "10.2.0.0/16");
            rules->name = "spread";
            rules->gateways = site.client.connections.front()->gateways;
            rules->gateways.order = Gateways::Order::rotation;
            site.client.configure(rules);
            begun.insert(*site.client.endpoint->gateway("spread"));
        }
        CHECK(begun.size() == 3);
    }

    TEST_CASE_TEMPLATE("a better one is used again as soon as it is there: make before break", Case, Site,
                       RewrittenSite) {
        Case site(go_back_at_once);
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.pass(1min);
        CHECK(site.served_by() == 1);  // tried in vain
        site.off.clear();
        const auto before = site.client.kernel.newest_outbound()->spec.outbound;
        for (int step = 0; step < 60 && site.served_by() != 0; ++step) {
            site.pass(500ms);
            CHECK(site.client.installed() >= 1);
        }
        REQUIRE(site.served_by() == 0);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>1 gateway-returned"});
        CHECK(site.client.standing() == 1);
        CHECK_FALSE(site.client.kernel.outbound().contains(before));
        CHECK(site.client.kernel.inbound().size() == 2);  // what is on its way still comes in
        const Sa& serving = *site.client.sa();
        REQUIRE(serving.children.size() == 2);
        CHECK(serving.children.back().state == ChildState::installed);
        CHECK(site.gateway(1).standing() == 0);
        site.pass(10s);
        CHECK(site.client.kernel.inbound().size() == 1);
        // There is none better, and nobody looks.
        const std::size_t seeks = site.seeks;
        site.pass(4min);
        CHECK(site.seeks == seeks);
    }

    TEST_CASE("looks for a better one are bounded, and don't disturb the one in use") {
        Site site(go_back_at_once);
        site.off = {&site.gateway(0), &site.gateway(1)};
        site.up();
        site.pass(15s);
        REQUIRE(site.served_by() == 2);
        const auto child = site.client.kernel.newest_outbound()->spec.outbound;
        const std::size_t seeks = site.seeks;
        site.pass(5min);
        // Each look tries both, 7 s each, and the next comes 20 s later.
        CHECK(site.seeks - seeks <= 2 * (300 / (20 + 14) + 1));
        CHECK(site.seeks - seeks >= 2 * (300 / (20 + 14) - 1));
        CHECK(site.client.kernel.newest_outbound()->spec.outbound == child);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent"});
        // The second of them is better than the third, and the first is looked for from there.
        site.off = {&site.gateway(0)};
        site.pass(40s);
        CHECK(site.served_by() == 1);
        site.off.clear();
        site.pass(40s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("a better gateway that lacks a child is not used") {
        Site site([](Connection& rules) {
            go_back_at_once(rules);
            ChildRule other = rules.children.front();
            other.name = "other";
            other.local = {*parse_selector("10.9.0.0/16")};
            rules.children.push_back(other);
        });
        auto both = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
        ChildRule other = both->children.front();
        other.name = "other";
        other.remote = {*parse_selector("10.9.0.0/16")};
        both->children.push_back(other);
        site.gateway(1).configure(both);
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.client.installed() == 2);
        site.off.clear();
        site.pass(1min);
        CHECK(site.client.installed() == 2);
        CHECK(site.client.last_reason() == "gateway-lacks-child");
        CHECK(site.changes() == Changes{"1>2 peer-silent"});
        CHECK(site.gateway(0).standing() == 0);
        // It is looked at again, and used once it has them.
        site.gateway(0).configure(both);
        site.pass(30s);
        CHECK(site.served_by_all(2) == 0);
    }

    TEST_CASE("an administrator closes the IKE SA with which a better one is tried") {
        Site site(go_back_at_once);
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s + 21s);
        REQUIRE(site.client.standing() == 2);
        for (const auto& [spi, sa] : site.client.endpoint->sas()) {
            if (sa->state == State::init_sent) {
                site.event(site.client, Terminate{"a-z", spi});
                break;
            }
        }
        CHECK(site.served_by() == 1);
        site.off.clear();
        site.pass(30s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("when the one in use dies while a better one is tried, that one is it") {
        Site site([](Connection& rules) {
            go_back_at_once(rules);
            rules.liveness = 4s;
        });
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.off = {&site.gateway(0), &site.gateway(1), &site.gateway(2)};
        site.pass(9s);  // the next look comes 20 s after the beginning, and finds nobody for 7 s
        site.off = {&site.gateway(1), &site.gateway(2)};
        site.pass(30s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE_TEMPLATE("when-idle waits until nothing has passed for a while", Case, Site, RewrittenSite) {
        Case site([](Connection& rules) {
            go_back_at_once(rules);
            rules.gateways.back = Gateways::Return::when_idle;
            rules.gateways.idle = 30s;
            rules.liveness = 10s;
        });
        site.client.traffic = Traffic{};
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.off.clear();
        const std::size_t seeks = site.seeks;
        for (int second = 0; second < 120; ++second) {
            site.client.traffic->in += 10;
            site.client.traffic->out += 10;
            site.pass(1s);
        }
        CHECK(site.seeks == seeks);
        CHECK(site.served_by() == 1);
        site.pass(29s - 5s);
        CHECK(site.served_by() == 1);
        site.pass(20s + 5s);
        CHECK(site.served_by() == 0);
        CHECK(site.changes().back() == "2>1 gateway-returned");
    }

    TEST_CASE("gateways die and return, lose their memory and close, at random: in the end the first one serves") {
        for (std::uint64_t seed = 0; seed < 60; ++seed) {
            CAPTURE(seed);
            ike::testing::SeededRandom dice(seed);
            Site site([&](Connection& rules) {
                keep_up(rules);
                go_back_at_once(rules);
                rules.liveness = 4s;
                rules.retry = {.first = 2s, .most = 10s};
            });
            site.up();
            for (int step = 0; step < 60; ++step) {
                shake(site, dice);
                site.pass(std::chrono::milliseconds(dice.number<std::uint32_t>() % 30'000));
            }
            site.off.clear();
            site.unreachable.clear();
            site.pass(6min);
            CHECK(site.served_by() == 0);
            CHECK(site.client.standing() == 1);
            CHECK(site.gateway(0).installed() == 1);
            CHECK(site.gateway(1).standing() + site.gateway(2).standing() == 0);
            CHECK(site.client.endpoint->gateway("a-z") == site.gateway(0).address);
            site.down();
            site.pass(2min);
            CHECK(site.client.kernel.empty());
            CHECK(site.client.standing() == 0);
        }
    }

    TEST_CASE("who stays never looks") {
        Site site;
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        site.off.clear();
        const std::size_t seeks = site.seeks;
        site.pass(1h);
        CHECK(site.served_by() == 1);
        CHECK(site.seeks == seeks);
    }

    TEST_CASE("a gateway may begin, and is answered, whichever it is") {
        Site site;
        auto begins = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
        begins->remote = site.client.address.address;
        site.gateway(2).configure(begins);
        site.event(site.gateway(2), Initiate{"a-z", {}, site.gateway(2).address, site.client.address});
        site.settle();
        CHECK(site.served_by() == 2);
        CHECK(site.changes().empty());
        site.move(site.client, {"203.0.113.1"});
        site.settle();
        CHECK(site.client.count(Report::Kind::path_changed) == 1);
        CHECK(site.changes().empty());
    }
}
