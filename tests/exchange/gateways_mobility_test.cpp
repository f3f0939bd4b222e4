#include <doctest/doctest.h>

#include "tests/exchange/gateway_site.hpp"

// A host with several gateways that roams: MOBIKE is between it and the gateway in use, and another gateway is what
// is left when that one does not answer by any of its addresses.

using namespace keysluice;
using namespace keysluice::ike;
using namespace std::chrono_literals;

namespace {

using Site = ike::testing::GatewaySite;
using RewrittenSite = ike::testing::RewrittenGatewaySite;
using Changes = std::vector<std::string>;

constexpr const char* kElsewhere = "203.0.113.1";
const IpAddress kOtherOfFirst = *IpAddress::parse("198.51.100.11");

void keep_up(Connection& rules) {
    rules.keep_up = true;
    rules.liveness = 4s;
}

/// Between which addresses the newest CHILD SA sends.
Path path_of_child(const Site& site) {
    const ChildSaSpec& spec = site.client.kernel.newest_outbound()->spec;
    return {spec.local, spec.remote};
}

EspSpi child_of(const Site& site) {
    return site.client.kernel.newest_outbound()->spec.outbound;
}

}  // namespace

TEST_SUITE("exchange: several gateways and MOBIKE") {
    TEST_CASE_TEMPLATE("the host is elsewhere, its gateway is the same; when that dies, the next is found from there",
                       Case, Site, RewrittenSite) {
        Case site(keep_up);
        site.move(site.client, {"192.0.2.1"});
        site.up();
        site.pass(1min);
        REQUIRE(site.served_by() == 0);
        const EspSpi before = child_of(site);
        site.move(site.client, {kElsewhere});
        site.pass(1s);
        CHECK(site.served_by() == 0);
        CHECK(child_of(site) == before);
        const Path path{*IpAddress::parse(kElsewhere), site.gateway(0).address.address};
        CHECK(path_of_child(site) == path);
        CHECK(site.gateway(0).sa()->remote.address == path.local);
        CHECK(site.changes().empty());
        site.off = {&site.gateway(0)};
        site.pass(4s + 7s);
        CHECK(site.served_by() == 1);
        CHECK(path_of_child(site) == Path{path.local, site.gateway(1).address.address});
        CHECK(site.changes() == Changes{"1>2 peer-silent"});
    }

    TEST_CASE_TEMPLATE("another address of the gateway comes before another gateway", Case, Site, RewrittenSite) {
        Case site(keep_up);
        site.move(site.client, {"192.0.2.1"});
        site.move(site.gateway(0), {"198.51.100.1", "198.51.100.11"});
        site.up();
        site.pass(1min);
        const EspSpi before = child_of(site);
        site.cut = {site.gateway(0).address.address};
        site.pass(4s + 7s);
        CHECK(site.served_by() == 0);
        CHECK(child_of(site) == before);
        CHECK(path_of_child(site).remote == kOtherOfFirst);
        CHECK(site.changes().empty());
        CHECK(site.client.endpoint->gateway("a-z") == site.gateway(0).address);
        site.off = {&site.gateway(0)};
        site.pass(4s + 7s);
        CHECK(site.served_by() == 1);
        CHECK(site.changes() == Changes{"1>2 peer-silent"});
    }

    TEST_CASE_TEMPLATE("two addresses of one gateway in the list: where MOBIKE goes is the gateway in use", Case,
                       Site, RewrittenSite) {
        const UdpEndpoint other{kOtherOfFirst, 500};
        Case site([&](Connection& rules) {
            keep_up(rules);
            rules.gateways.back = Gateways::Return::at_once;
            rules.gateways.check = 20s;
            rules.gateways.all.insert(rules.gateways.all.begin() + 1, other);
        });
        site.move(site.client, {"192.0.2.1"});
        site.move(site.gateway(0), {"198.51.100.1", "198.51.100.11"});
        site.up();
        site.pass(1min);
        const UdpEndpoint first = site.gateway(0).address;
        const EspSpi before = child_of(site);
        site.cut = {first.address};
        site.pass(4s + 7s);
        CHECK(child_of(site) == before);
        CHECK(site.client.endpoint->gateway("a-z") == other);
        site.cut.clear();
        site.pass(40s);
        CHECK(site.client.endpoint->gateway("a-z") == first);
        CHECK(path_of_child(site).remote == first.address);
        CHECK(site.client.standing() == 1);
        std::vector<std::tuple<UdpEndpoint, UdpEndpoint, std::string_view>> changes;
        for (const Report& report : site.client.reports) {
            if (report.kind == Report::Kind::gateway_changed) {
                changes.emplace_back(*report.from, report.peer, report.error.reason);
            }
        }
        CHECK(changes == decltype(changes){{first, other, "path-lost"}, {other, first, "gateway-returned"}});
    }

    TEST_CASE_TEMPLATE("a gateway without MOBIKE is begun with again from where the host is", Case, Site,
                       RewrittenSite) {
        for (const bool kept : {true, false}) {
            CAPTURE(kept);
            Case site([&](Connection& rules) { rules.keep_up = kept; });
            auto immobile = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
            immobile->mobike = false;
            site.gateway(0).configure(immobile);
            site.move(site.client, {"192.0.2.1"});
            site.up();
            site.pass(10s);
            site.move(site.client, {kElsewhere});
            site.pass(1s);
            CHECK(site.client.last_reason() == "address-gone");
            CHECK(site.served_by() == 0);
            CHECK(path_of_child(site).local == *IpAddress::parse(kElsewhere));
            CHECK(site.changes().empty());
        }
    }

    TEST_CASE_TEMPLATE("the host moves while a better gateway is tried", Case, Site, RewrittenSite) {
        for (int packets = 0; packets < 8; ++packets) {
            CAPTURE(packets);
            Case site([](Connection& rules) {
                keep_up(rules);
                rules.gateways.back = Gateways::Return::at_once;
                rules.gateways.check = 20s;
            });
            site.move(site.client, {"192.0.2.1"});
            site.off = {&site.gateway(0)};
            site.up();
            site.pass(8s);
            REQUIRE(site.served_by() == 1);
            site.off.clear();
            const std::size_t seeks = site.seeks;
            while (site.seeks == seeks) {
                site.settle();
                site.now += 500ms;
                site.event(site.client, TimePassed{});
            }
            site.settle_some(packets);
            site.move(site.client, {kElsewhere});
            site.pass(1min);
            CHECK(site.served_by() == 0);
            CHECK(path_of_child(site).local == *IpAddress::parse(kElsewhere));
            CHECK(site.changes() == Changes{"1>2 peer-silent", "2>1 gateway-returned"});
            CHECK(site.client.standing() == 1);
            CHECK(site.gateway(1).standing() == 0);
        }
    }
}
