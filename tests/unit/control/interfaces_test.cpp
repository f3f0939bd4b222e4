#include "daemon/control/interfaces.hpp"

#include <doctest/doctest.h>

#include "daemon/control/configuration.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::control;
using keysluice::ike::testing::TwoEnds;
using netlink::InterfaceRoute;

namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}

/// The tunnel of the exchange tests, in which a's side is behind an interface.
struct Behind {
    explicit Behind(const std::function<void(ike::Connection&, ike::Connection&)>& change = {}) {
        ends.configure([&](ike::Connection& of_a, ike::Connection& of_z) {
            of_a.interface = {.name = "ks-a", .id = 0x6b000001};
            if (change) {
                change(of_a, of_z);
            }
        });
        connection.rules = std::make_shared<ike::Connection>();
        connection.rules->name = "a-z";
        connection.rules->interface = {.name = "ks-a", .id = 0x6b000001};
        connection.rules->remote = ends.z.address.address;
        connection.rules->children = ends.a.connections.front()->children;
        connection.rules->pools = ends.a.connections.front()->pools;
    }
    void up() {
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up();
    }
    [[nodiscard]] netlink::XfrmInterface wanted() const {
        const auto all = wanted_interfaces({connection}, *ends.a.endpoint);
        REQUIRE(all.size() == 1);
        return all.begin()->second;
    }

    TwoEnds ends;
    IkeConnection connection;
};

}  // namespace

TEST_CASE("interfaces: without a connection that has one there is none") {
    TwoEnds ends;
    ends.configure();
    ends.initiate(ends.a);
    ends.settle();
    CHECK(wanted_interfaces({}, *ends.a.endpoint).empty());
}

TEST_CASE(
    "interfaces: who starts when asked has a bare one; who starts by itself leads there what is to be protected") {
    Behind behind;
    behind.connection.start = IkeStart::manual;
    CHECK(behind.wanted() == netlink::XfrmInterface{.name = "ks-a", .id = 0x6b000001});
    behind.connection.start = IkeStart::on_traffic;
    CHECK(behind.wanted().routes == std::set{InterfaceRoute{.to = prefix("10.2.0.0/16")}});
}

TEST_CASE(
    "interfaces: a CHILD SA's traffic is led there, as far as it was narrowed, also when its connection is gone") {
    Behind behind([](ike::Connection& of_a, ike::Connection& of_z) {
        of_a.children[0].remote = {*ike::parse_selector("10.2.0.0-10.2.1.127")};
        of_z.children[0].local = {*ike::parse_selector("10.2.0.0/23")};
    });
    behind.up();
    const std::set<InterfaceRoute> expected{{.to = prefix("10.2.0.0/24")}, {.to = prefix("10.2.1.0/25")}};
    CHECK(behind.wanted().routes == expected);
    const auto orphaned = wanted_interfaces({}, *behind.ends.a.endpoint);
    REQUIRE(orphaned.contains("ks-a"));
    CHECK(orphaned.at("ks-a").routes == expected);
    behind.ends.event(behind.ends.a, ike::Terminate{.connection = "a-z"});
    behind.ends.settle();
    CHECK(wanted_interfaces({}, *behind.ends.a.endpoint).empty());
}

TEST_CASE("interfaces: what the peer gave us is there, and what we send comes from it") {
    Behind behind([](ike::Connection& of_a, ike::Connection& of_z) {
        of_a.virtual_addresses = {address("0.0.0.0")};
        of_a.children[0].local.clear();
        of_z.children[0].remote.clear();
        of_z.pools = {std::make_shared<const ike::AddressPool>(
            ike::AddressPool{.name = "p", .first = address("10.9.0.5"), .last = address("10.9.0.5")})};
    });
    behind.up();
    CHECK(behind.wanted().addresses == std::set{address("10.9.0.5")});
    CHECK(behind.wanted().routes ==
          std::set{InterfaceRoute{.to = prefix("10.2.0.0/16"), .source = address("10.9.0.5")}});
}

TEST_CASE("interfaces: a gateway leads there all of its pools") {
    Behind behind([](ike::Connection& of_a, ike::Connection&) {
        of_a.pools = {std::make_shared<const ike::AddressPool>(
            ike::AddressPool{.name = "p", .first = address("10.9.0.4"), .last = address("10.9.0.9")})};
    });
    behind.connection.start = IkeStart::manual;
    CHECK(behind.wanted().routes ==
          std::set{InterfaceRoute{.to = prefix("10.9.0.4/30")}, InterfaceRoute{.to = prefix("10.9.0.8/31")}});
}

TEST_CASE("interfaces: everything but the peer itself") {
    Behind behind([](ike::Connection& of_a, ike::Connection&) {
        of_a.children[0].remote = {*ike::parse_selector("0.0.0.0/0")};
    });
    behind.connection.start = IkeStart::on_load;
    const auto routes = behind.wanted().routes;
    CHECK(routes.size() == 32);
    const IpAddress peer = behind.ends.z.address.address;
    const auto leads = [&](const IpAddress& to) {
        return std::ranges::count_if(
            routes, [&](const InterfaceRoute& route) { return route.to.first() <= to && to <= route.to.last(); });
    };
    CHECK(leads(peer) == 0);
    CHECK(leads(*peer.next()) == 1);
    CHECK(leads(address("0.0.0.0")) == 1);
    CHECK(leads(address("255.255.255.255")) == 1);
    CHECK(leads(address("8.8.8.8")) == 1);
}
