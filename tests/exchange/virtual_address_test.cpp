#include <doctest/doctest.h>

#include "ike/exchange.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::find_in;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

AddressPoolPtr pool(const char* name, const char* first, const char* last) {
    return std::make_shared<const AddressPool>(AddressPool{.name = name,
                                                           .first = address(first),
                                                           .last = address(last),
                                                           .dns = {address("10.2.0.53")},
                                                           .domains = {"corp.example"},
                                                           .subnets = {*Prefix::parse("10.2.0.0/16")}});
}

/// a asks, z gives.
void with_addresses(Connection& of_a, Connection& of_z) {
    of_a.virtual_addresses = {address("0.0.0.0")};
    of_a.children[0].local.clear();
    of_z.pools = {pool("v4", "10.9.0.1", "10.9.0.9"), pool("v6", "fd00:9::1", "fd00:9::9")};
    of_z.children[0].remote.clear();
}

const TrafficSelectors kFirst{*parse_selector("10.9.0.1")};

void check_selectors(const TwoEnds& ends, const TrafficSelectors& of_a) {
    for (const ChildSa& child : ends.a.sa()->children) {
        CHECK(child.spec.local_selectors == of_a);
    }
    for (const ChildSa& child : ends.z.sa()->children) {
        CHECK(child.spec.remote_selectors == of_a);
    }
}

/// z's answer to IKE_AUTH is on its way.
void until_answer(TwoEnds& ends) {
    ends.initiate(ends.a);
    ends.deliver();
    ends.deliver();
    ends.deliver();
}

std::vector<IpAddress> held(const End& end) {
    std::vector<IpAddress> addresses;
    for (const auto& [each, lease] : end.endpoint->leases().all()) {
        if (lease.holders > 0) {
            addresses.push_back(each);
        }
    }
    return addresses;
}

}  // namespace

TEST_SUITE("exchange: virtual addresses") {
    TEST_CASE_TEMPLATE("the peer gets one with resolvers, and its children are for that", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure(with_addresses);
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up();
        check_selectors(ends, kFirst);
        REQUIRE(ends.a.sa()->given);
        const Assignment expected{.addresses = {address("10.9.0.1")},
                                  .dns = {address("10.2.0.53")},
                                  .domains = {"corp.example"},
                                  .subnets = {*Prefix::parse("10.2.0.0/16")}};
        CHECK(*ends.a.sa()->given == expected);
        CHECK(*ends.z.sa()->assigned == expected);
        CHECK(ends.a.count(Report::Kind::assigned) == 1);
        CHECK(ends.z.count(Report::Kind::assigned) == 1);
        CHECK(held(ends.z) == std::vector{address("10.9.0.1")});
    }

    TEST_CASE_TEMPLATE("both families, and a second child of the same IKE SA", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            with_addresses(of_a, of_z);
            of_a.virtual_addresses = {address("0.0.0.0"), address("fd00:9::7")};
            for (Connection* each : {&of_a, &of_z}) {
                ChildRule second = each->children.front();
                second.name = "second";
                TrafficSelectors& behind = each == &of_a ? second.remote : second.local;
                behind = {*parse_selector("10.3.0.0/16"), *parse_selector("fd00:3::/64")};
                each->children.push_back(std::move(second));
            }
        });
        ends.initiate(ends.a);
        ends.settle();
        ends.check_up(2);
        check_selectors(ends, {*parse_selector("10.9.0.1"), *parse_selector("fd00:9::7")});
    }

    TEST_CASE_TEMPLATE("it stays through rekeying of either end, and is given back at the end", Ends, TwoEnds,
                       RewrittenEnds) {
        for (const bool by_z : {false, true}) {
            CAPTURE(by_z);
            Ends ends;
            ends.configure(with_addresses);
            ends.initiate(ends.a);
            ends.settle();
            End& rekeys = by_z ? ends.z : ends.a;
            for (const char* child : {"net", ""}) {
                ends.event(rekeys, Rekey{.connection = "a-z", .child = child});
                ends.settle();
                ends.pass(std::chrono::seconds(10));
                ends.check_up();
                check_selectors(ends, kFirst);
                CHECK(held(ends.z) == std::vector{address("10.9.0.1")});
            }
            ends.event(rekeys, Terminate{.connection = "a-z"});
            ends.settle();
            CHECK(held(ends.z).empty());
        }
    }

    TEST_CASE_TEMPLATE("who comes back asks for what it had", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(with_addresses);
        CHECK(ends.z.endpoint->leases().all().empty());
        ends.initiate(ends.a);
        ends.settle();
        ends.event(ends.a, Terminate{.connection = "a-z"});
        ends.settle();
        ends.initiate(ends.a);
        ends.deliver();
        ends.deliver();
        bool asked = false;
        ends.tamper(ends.a, [&](Payloads& payloads) {
            const auto* request = find_in<wire::ConfigurationPayload>(payloads);
            asked = request != nullptr && wishes_in(*request) == std::vector{address("10.9.0.1")};
        });
        CHECK(asked);
        ends.settle();
        ends.check_up();
        check_selectors(ends, kFirst);
    }

    TEST_CASE_TEMPLATE("a peer that crashed gets its address again", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(with_addresses);
        ends.initiate(ends.a);
        ends.settle();
        const std::vector<ConnectionPtr> connections = ends.a.connections;
        ends.a.endpoint = std::make_unique<Endpoint>(ends.a.settings, ends.a.random);
        ends.a.endpoint->configure(connections);
        ends.a.kernel = {};
        ends.initiate(ends.a);
        ends.settle();
        CHECK(ends.a.sa()->given->addresses == std::vector{address("10.9.0.1")});
        CHECK(held(ends.z) == std::vector{address("10.9.0.1")});
    }

    TEST_CASE_TEMPLATE("no address is left: the gateway keeps the IKE SA, and who asked gives it up", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            with_addresses(of_a, of_z);
            of_a.virtual_addresses = {address("::")};
            of_z.pools = {pool("v4", "10.9.0.1", "10.9.0.9")};
        });
        ends.initiate(ends.a);
        ends.deliver();
        ends.deliver();
        ends.deliver();
        CHECK(ends.z.sa()->state == State::established);
        CHECK(ends.z.last_reason() == "no-virtual-address");
        ends.settle();
        CHECK(ends.a.last_reason() == "no-virtual-address");
        CHECK(ends.a.standing() == 0);
        CHECK(ends.z.standing() == 0);
        CHECK(ends.a.kernel.empty());
        CHECK(ends.z.kernel.empty());
    }

    TEST_CASE_TEMPLATE("who asks for none gets no child where each peer has one", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            with_addresses(of_a, of_z);
            of_a.virtual_addresses.clear();
            of_a.children[0].local = {*parse_selector("10.9.0.1")};
        });
        ends.initiate(ends.a);
        ends.settle();
        CHECK(ends.z.last_reason() == "no-virtual-address");
        CHECK(ends.a.last_reason() == "child-refused");
        CHECK(ends.a.sa()->state == State::established);
        CHECK(ends.a.installed() == 0);
    }

    TEST_CASE_TEMPLATE("who asks where there are no pools is told", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            with_addresses(of_a, of_z);
            of_z.pools.clear();
        });
        ends.initiate(ends.a);
        ends.settle();
        CHECK(ends.z.last_reason() == "no-virtual-address");
        CHECK(ends.a.last_reason() == "no-virtual-address");
    }

    // What the gateway answers is not believed beyond what it gave.
    TEST_CASE_TEMPLATE("traffic selectors wider than the address are narrowed to it", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(with_addresses);
        until_answer(ends);
        ends.tamper(ends.z, [](Payloads& payloads) {
            find_in<wire::TsInitiatorPayload>(payloads)->selectors = {*parse_selector("0.0.0.0/0")};
        });
        ends.settle();
        CHECK(ends.a.sa()->children.front().spec.local_selectors == kFirst);
    }

    TEST_CASE_TEMPLATE("an address that the selectors don't have is no use", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(with_addresses);
        until_answer(ends);
        ends.tamper(ends.z, [](Payloads& payloads) {
            find_in<wire::TsInitiatorPayload>(payloads)->selectors = {*parse_selector("10.9.0.2")};
        });
        ends.settle();
        CHECK(ends.a.last_reason() == "ts-unacceptable");
        CHECK(ends.a.installed() == 0);
    }

    TEST_CASE_TEMPLATE("addresses that nobody asked for are not taken", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure(with_addresses);
        until_answer(ends);
        ends.tamper(ends.z, [](Payloads& payloads) {
            auto& attributes = find_in<wire::ConfigurationPayload>(payloads)->attributes;
            const Assignment more{
                .addresses = {address("10.9.0.2"), address("fd00:9::2")}, .dns = {}, .domains = {}, .subnets = {}};
            for (auto& each : reply_with(more, {}).attributes) {
                attributes.push_back(std::move(each));
            }
        });
        ends.settle();
        CHECK(ends.a.sa()->given->addresses == std::vector{address("10.9.0.1")});
    }

    TEST_CASE_TEMPLATE("a virtual address is no way to the peer", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            with_addresses(of_a, of_z);
            of_a.local.reset();
        });
        ends.initiate(ends.a);
        ends.settle();
        const std::uint32_t asked = ends.a.sa()->window.next_request.value;
        const auto has = [&](const std::vector<IpAddress>& all) {
            ends.a.settings.addresses = all;  // as the next process finds them
            ends.event(ends.a, OwnAddresses{all});
            ends.settle();
        };
        has({ends.a.address.address, address("10.9.0.1")});
        CHECK(ends.a.sa()->window.next_request.value == asked);  // nothing to announce
        has({ends.a.address.address, address("10.9.0.1"), address("192.0.2.77")});
        CHECK(ends.z.sa()->mobility.peer_addresses == std::vector{ends.a.address.address, address("192.0.2.77")});
    }

    TEST_CASE_TEMPLATE("a way through the tunnel is no way to the tunnel's end", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure([](Connection& of_a, Connection& of_z) {
            with_addresses(of_a, of_z);
            of_a.local.reset();
        });
        ends.initiate(ends.a);
        ends.settle();
        const Sa& sa = *ends.a.sa();
        const Path before = sa.ends().path();
        const Path inside{address("10.9.0.1"), address("198.51.100.99")};
        ends.event(ends.a, PathsFound{.sa = sa.own_spi(), .paths = {{address("10.9.0.1"), before.remote}, inside}});
        CHECK(ends.a.sa()->ends().path() == before);
        const Path outside{address("192.0.2.77"), before.remote};
        ends.event(ends.a, PathsFound{.sa = ends.a.sa()->own_spi(), .paths = {inside, outside}});
        CHECK(ends.a.sa()->ends().path() == outside);
        CHECK(ends.a.sa()->mobility.paths == std::vector{outside});
    }

    TEST_CASE_TEMPLATE("an attempt that came to nothing does not make it forget what it had", Ends, TwoEnds,
                       RewrittenEnds) {
        Ends ends;
        ends.configure(with_addresses);
        ends.initiate(ends.a);
        ends.settle();
        CHECK(ends.a.sa()->given->addresses == std::vector{address("10.9.0.1")});
        for (int attempt = 0; attempt < 2; ++attempt) {
            ends.event(ends.a, Rekey{.connection = "a-z", .child = ""});
            ends.settle();
            ends.pass(std::chrono::seconds(10));
        }
        CHECK(ends.a.sa()->given->addresses == std::vector{address("10.9.0.1")});
    }
}
