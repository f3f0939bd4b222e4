#include <doctest/doctest.h>

#include <algorithm>

#include "ike/exchange.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::find_in;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// a begins, and each IKE SA is good for an hour.
void for_an_hour(Connection& of_a, Connection& /*of_z*/) {
    of_a.reauth_time = minutes(60);
    of_a.liveness = Duration::zero();
}

void with_second(Connection& of_a, Connection& of_z) {
    for_an_hour(of_a, of_z);
    for (Connection* each : {&of_a, &of_z}) {
        ChildRule second = each->children.front();
        second.name = "second";
        (each == &of_a ? second.remote : second.local) = TrafficSelectors{*parse_selector("10.3.0.0/16")};
        each->children.push_back(std::move(second));
    }
}

/// What either end sends, the other one can read.
void check_traffic(const TwoEnds& ends) {
    for (const auto& [here, there] : {std::pair{&ends.a, &ends.z}, std::pair{&ends.z, &ends.a}}) {
        const auto* sends = here->kernel.newest_outbound();
        REQUIRE(sends != nullptr);
        CHECK(there->kernel.inbound().contains(sends->spec.outbound));
    }
}

/// As settle(), with a look at the traffic after each packet.
void settle_watched(TwoEnds& ends) {
    check_traffic(ends);
    while (ends.deliver()) {
        check_traffic(ends);
    }
}

const Report* last(const End& end, Report::Kind kind) {
    const auto found = std::ranges::find(end.reports.rbegin(), end.reports.rend(), kind, &Report::kind);
    return found == end.reports.rend() ? nullptr : &*found;
}

void check_one_of_each(TwoEnds& ends) {
    ends.pass(seconds(10));
    ends.check_up();
    CHECK(ends.a.kernel.inbound().size() == 1);
    CHECK(ends.z.kernel.inbound().size() == 1);
    CHECK_FALSE(ends.a.sa()->reauth.old);
    CHECK_FALSE(ends.a.sa()->reauth.fresh);
}

/// What the kernel has yet to say something of.
std::vector<EspSpi> installing(const End& end) {
    std::vector<EspSpi> found;
    for (const auto& [spi, sa] : end.endpoint->sas()) {
        for (const ChildSa& child : sa->children) {
            if (child.state == ChildState::installing) {
                found.push_back(child.spec.inbound);
            }
        }
    }
    return found;
}

void bring_up(TwoEnds& ends, const std::function<void(Connection&, Connection&)>& change = for_an_hour,
              std::size_t children = 1) {
    ends.configure(change);
    ends.initiate(ends.a);
    ends.settle();
    ends.check_up(children);
}

}  // namespace

TEST_SUITE("exchange: reauthentication") {
    TEST_CASE_TEMPLATE("another IKE SA comes in the place of the old one, and each packet finds its way", Ends,
                       TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        const IkeSpi old = ends.a.sa()->own_spi();
        ends.event(ends.a, Reauthenticate{.connection = "a-z"});
        settle_watched(ends);
        check_one_of_each(ends);
        CHECK(ends.a.sa()->own_spi() != old);
        CHECK_FALSE(ends.a.sa()->replacement);
        const Report* report = last(ends.a, Report::Kind::reauthenticated);
        REQUIRE(report != nullptr);
        CHECK(report->from_sa == old);
        CHECK(report->sa == ends.a.sa()->own_spi());
        CHECK(report->error.reason == "reauth-asked");
        CHECK(ends.a.count(Report::Kind::reauthenticated) == 1);
        CHECK(ends.a.count(Report::Kind::reauth_failed) == 0);
        CHECK(ends.a.count(Report::Kind::closed) == 0);
        CHECK(ends.z.count(Report::Kind::closed) == 0);
    }

    TEST_CASE_TEMPLATE("when its time has come, up to a tenth earlier", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        const IkeSpi old = ends.a.sa()->own_spi();
        ends.pass(minutes(54) - seconds(20));
        CHECK(ends.a.sa()->own_spi() == old);
        ends.pass(minutes(6) + seconds(21));
        REQUIRE(ends.a.sa() != nullptr);
        CHECK(ends.a.sa()->own_spi() != old);
        CHECK(last(ends.a, Report::Kind::reauthenticated)->error.reason == "reauth-time");
        check_one_of_each(ends);
    }

    TEST_CASE_TEMPLATE("a rekeying does not begin the time anew", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        for (int each = 0; each < 3; ++each) {
            ends.pass(minutes(15));
            ends.event(each == 1 ? ends.z : ends.a, Rekey{.connection = "a-z", .child = {}});
            ends.settle();
        }
        CHECK(ends.a.count(Report::Kind::reauthenticated) == 0);
        ends.pass(minutes(15));
        CHECK(ends.a.count(Report::Kind::reauthenticated) == 1);
        check_one_of_each(ends);
    }

    TEST_CASE_TEMPLATE("the responder's time is told, heeded, and the end of who does not heed it", Ends, TwoEnds,
                       RewrittenEnds) {
        const auto of_z = [](Connection& /*of_a*/, Connection& other) {
            other.reauth_time = minutes(60);
            other.liveness = Duration::zero();
        };
        Ends ends;
        bring_up(ends, of_z);
        const IkeSpi old = ends.a.sa()->own_spi();
        ends.pass(minutes(54) + seconds(10));
        CHECK(ends.a.sa()->own_spi() != old);
        CHECK(last(ends.a, Report::Kind::reauthenticated)->error.reason == "auth-lifetime");
        check_one_of_each(ends);

        Ends deaf;
        deaf.configure(of_z);
        deaf.initiate(deaf.a);
        for (int each = 0; each < 3; ++each) {
            deaf.deliver();
        }
        deaf.tamper(deaf.z, [](Payloads& payloads) {
            std::erase_if(payloads, [](const wire::Payload& each) {
                const auto* notify = std::get_if<wire::NotifyPayload>(&each);
                return notify != nullptr && notify->type == wire::NotifyType::auth_lifetime;
            });
        });
        deaf.settle();
        deaf.pass(minutes(59));
        deaf.check_up();
        deaf.pass(minutes(1) + seconds(5));
        CHECK(deaf.z.standing() == 0);
        CHECK(deaf.a.standing() == 0);
        CHECK(deaf.z.last_reason() == "auth-expired");
    }

    TEST_CASE_TEMPLATE("with a virtual address, which stays", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends, [](Connection& of_a, Connection& of_z) {
            for_an_hour(of_a, of_z);
            of_a.virtual_addresses = {*IpAddress::parse("0.0.0.0")};
            of_a.children[0].local.clear();
            of_z.pools = {std::make_shared<const AddressPool>(AddressPool{.name = "pool",
                                                                          .first = *IpAddress::parse("10.9.0.1"),
                                                                          .last = *IpAddress::parse("10.9.0.9"),
                                                                          .dns = {},
                                                                          .domains = {},
                                                                          .subnets = {}})};
            of_z.children[0].remote.clear();
        });
        const auto before = ends.a.sa()->given->addresses;
        for (int each = 0; each < 3; ++each) {
            ends.event(ends.a, Reauthenticate{.connection = "a-z"});
            settle_watched(ends);
            check_one_of_each(ends);
            CHECK(ends.a.sa()->given->addresses == before);
        }
        CHECK(ends.a.count(Report::Kind::reauthenticated) == 3);
        for (const auto& [address, lease] : ends.z.endpoint->leases().all()) {
            CHECK(lease.holders == 1);
        }
    }

    TEST_CASE_TEMPLATE("each of several children", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends, with_second, 2);
        ends.event(ends.a, Reauthenticate{.connection = "a-z"});
        settle_watched(ends);
        ends.pass(seconds(10));
        ends.check_up(2);
        CHECK(ends.a.count(Report::Kind::reauthenticated) == 1);
    }

    TEST_CASE_TEMPLATE("what fails leaves the old one, is tried again, and ends it when its time is over", Ends,
                       TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        const IkeSpi old = ends.a.sa()->own_spi();
        ends.configure([](Connection& of_a, Connection& of_z) {
            for_an_hour(of_a, of_z);
            of_z.keys.set_for_all(SharedKey(as_bytes("another secret")));
        });
        ends.pass(minutes(60) + seconds(1));
        const auto failures = ends.a.count(Report::Kind::reauth_failed);
        CHECK(failures >= 1);
        const Report* report = last(ends.a, Report::Kind::reauth_failed);
        CHECK(report->from_sa == old);
        CHECK(report->error.reason == "auth-refused");
        CHECK(ends.a.endpoint->sas().at(old)->state == State::established);
        SUBCASE("another try does it") {
            ends.configure(for_an_hour);
            ends.pass(minutes(2));
            CHECK(ends.a.count(Report::Kind::reauthenticated) == 1);
            check_one_of_each(ends);
        }
        SUBCASE("none does") {
            ends.pass(minutes(6));
            CHECK(ends.a.count(Report::Kind::reauth_failed) > failures);
            CHECK(last(ends.a, Report::Kind::failed) != nullptr);
            CHECK(std::ranges::count_if(ends.a.reports,
                                        [](const Report& each) { return each.error.reason == "auth-expired"; }) == 1);
            ends.pass(minutes(1));
            CHECK(ends.a.standing() == 0);
            CHECK(ends.a.kernel.empty());
        }
    }

    TEST_CASE_TEMPLATE("the peer refuses one of the children: the old one stays whole", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        bring_up(ends, with_second, 2);
        ends.configure([&](Connection& of_a, Connection& of_z) {
            with_second(of_a, of_z);
            of_z.children.pop_back();
        });
        ends.event(ends.a, Reauthenticate{.connection = "a-z"});
        settle_watched(ends);
        CHECK(last(ends.a, Report::Kind::reauth_failed)->error.reason == "reauth-lacks-child");
        ends.pass(seconds(10));
        ends.check_up(2);
    }

    TEST_CASE_TEMPLATE("an old one that ends meanwhile leaves everything to the new one", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        ends.event(ends.a, Reauthenticate{.connection = "a-z"});
        for (int each = 0; each < 3; ++each) {
            ends.deliver();
        }
        REQUIRE(ends.z.endpoint->sas().size() == 2);
        const auto& sas = ends.z.endpoint->sas();
        const auto old = std::ranges::find_if(
            sas, [](const auto& each) { return std::ranges::any_of(each.second->children, &ChildSa::sends); });
        REQUIRE(old != sas.end());
        ends.event(ends.z, Terminate{.connection = "a-z", .sa = old->first});
        REQUIRE(ends.wire.size() == 2);
        SUBCASE("before the peer's answer comes") {
            std::swap(ends.wire.front(), ends.wire.back());
        }
        SUBCASE("while the kernel is asked") {
            ends.a.holds_installs = true;
        }
        SUBCASE("after it") {}
        ends.settle();
        for (const EspSpi inbound : installing(ends.a)) {
            ends.event(ends.a, ChildInstalled{inbound, {}});
        }
        ends.settle();
        check_one_of_each(ends);
    }

    TEST_CASE_TEMPLATE("the peer closes the new one: the old one stays", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        const IkeSpi old = ends.a.sa()->own_spi();
        ends.a.holds_installs = true;
        ends.event(ends.a, Reauthenticate{.connection = "a-z"});
        ends.settle();
        const auto& sas = ends.z.endpoint->sas();
        const auto fresh = std::ranges::find_if(
            sas, [](const auto& each) { return std::ranges::none_of(each.second->children, &ChildSa::sends); });
        REQUIRE(fresh != sas.end());
        ends.event(ends.z, Terminate{.connection = "a-z", .sa = fresh->first});
        ends.settle();
        REQUIRE(last(ends.a, Report::Kind::reauth_failed) != nullptr);
        CHECK(last(ends.a, Report::Kind::reauth_failed)->error.reason == "reauth-refused");
        CHECK(ends.a.endpoint->sas().at(old)->state == State::established);
        ends.a.holds_installs = false;
        check_one_of_each(ends);  // by another try
        CHECK(ends.a.count(Report::Kind::reauthenticated) == 1);
    }

    TEST_CASE("an IKE SA that is being closed has no deadline but those of its request") {
        Sa sa;
        sa.close_at = Instant(seconds(1));  // of the time before, when it was replaced
        sa.state = State::closing;
        CHECK(next_deadline(sa, Settings{}) == Instant::max());
        sa.state = State::replaced;
        CHECK(next_deadline(sa, Settings{}) == sa.close_at);
    }

    TEST_CASE_TEMPLATE("a close in between closes both", Ends, TwoEnds, RewrittenEnds) {
        for (int packets = 0; packets < 4; ++packets) {
            CAPTURE(packets);
            Ends ends;
            bring_up(ends);
            const IkeSpi old = ends.a.sa()->own_spi();
            ends.event(ends.a, Reauthenticate{.connection = "a-z"});
            for (int each = 0; each < packets; ++each) {
                ends.deliver();
            }
            ends.event(ends.a, Terminate{.connection = "a-z", .sa = old});
            ends.settle();
            ends.pass(minutes(3));
            CHECK(ends.a.standing() == 0);
            CHECK(ends.a.kernel.empty());
            CHECK(ends.z.kernel.empty());
            CHECK(ends.a.count(Report::Kind::reauth_failed) == 0);
        }
    }

    TEST_CASE_TEMPLATE("a packet that is lost on the way changes nothing", Ends, TwoEnds, RewrittenEnds) {
        for (int lost = 0; lost < 6; ++lost) {
            CAPTURE(lost);
            Ends ends;
            bring_up(ends);
            ends.event(ends.a, Reauthenticate{.connection = "a-z"});
            for (int each = 0; each < lost; ++each) {
                ends.deliver();
                check_traffic(ends);
            }
            if (!ends.wire.empty()) {
                ends.drop();
            }
            ends.pass(minutes(3));
            check_one_of_each(ends);
            CHECK(ends.a.count(Report::Kind::reauthenticated) == 1);
        }
    }

    TEST_CASE_TEMPLATE("either end rekeys the old IKE SA meanwhile", Ends, TwoEnds, RewrittenEnds) {
        for (const bool by_z : {false, true}) {
            for (int packets = 0; packets < 4; ++packets) {
                CAPTURE(by_z);
                CAPTURE(packets);
                Ends ends;
                bring_up(ends);
                ends.event(ends.a, Reauthenticate{.connection = "a-z"});
                for (int each = 0; each < packets; ++each) {
                    ends.deliver();
                }
                ends.event(by_z ? ends.z : ends.a, Rekey{.connection = "a-z", .child = {}});
                ends.settle();
                ends.pass(minutes(3));
                check_one_of_each(ends);
                CHECK(ends.a.count(Report::Kind::reauthenticated) == 1);
            }
        }
    }

    TEST_CASE_TEMPLATE("who answered can't", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        ends.event(ends.z, Reauthenticate{.connection = "a-z"});
        CHECK(ends.wire.empty());
    }

    TEST_CASE_TEMPLATE("what the peer sends through the new one before its answer is here is understood", Ends,
                       TwoEnds, RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        ends.event(ends.a, Reauthenticate{.connection = "a-z"});
        for (int each = 0; each < 3; ++each) {
            ends.deliver();
        }
        CHECK(ends.a.kernel.inbound().size() == 2);
        SUBCASE("which is as before") {}
        SUBCASE("or has other selectors") {
            ends.tamper(ends.z, [](Payloads& payloads) {
                find_in<wire::TsResponderPayload>(payloads)->selectors = {*parse_selector("10.2.7.0/24")};
            });
        }
        SUBCASE("or is refused") {
            ends.tamper(ends.z, [](Payloads& payloads) {
                std::erase_if(payloads, [](const wire::Payload& each) {
                    return std::holds_alternative<wire::SaPayload>(each) ||
                           std::holds_alternative<wire::TsInitiatorPayload>(each) ||
                           std::holds_alternative<wire::TsResponderPayload>(each);
                });
                payloads.emplace_back(notify(wire::NotifyType::no_proposal_chosen));
            });
        }
        ends.settle();
        ends.pass(minutes(1));
        CHECK(ends.a.kernel.inbound().size() == 1);
        CHECK(ends.a.standing() == 1);
    }

    TEST_CASE_TEMPLATE("a peer that has forgotten the old one without a word is sent to soon", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        bring_up(ends);
        ends.event(ends.a, Reauthenticate{.connection = "a-z"});
        for (int each = 0; each < 4; ++each) {
            ends.deliver();
        }
        const EspSpi fresh = ends.z.endpoint->sas().begin()->second->children.empty()
                                 ? EspSpi{}
                                 : ends.z.kernel.newest_outbound()->spec.outbound;
        ends.wire.clear();
        ends.pass_silently(seconds(3));
        CHECK(ends.z.kernel.newest_outbound()->spec.outbound != fresh);
        CHECK(ends.z.installed() == 2);
    }
}
