#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <string>
#include <vector>

#include "tests/support/child_installing.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

TEST_SUITE_BEGIN("child installer: trapping");

TEST_CASE_FIXTURE(ChildInstalling, "a packet that meets a trap asks for its child") {
    installer->trap(spec("net", 0));
    await_idle();
    REQUIRE(tables.policies.size() == 1);
    xfrm::Acquire acquire;
    acquire.templates = tables.policies.begin()->second.templates;
    installer->hear(acquire);
    CHECK(wanted == std::vector<std::string>{"net"});
    acquire.templates.clear();
    installer->hear(acquire);
    ++tables.policies.begin()->second.templates[0].reqid.value;
    acquire.templates = tables.policies.begin()->second.templates;
    installer->hear(acquire);
    CHECK(wanted.size() == 1);
}

TEST_CASE_FIXTURE(ChildInstalling, "what an earlier process had trapped is trapped again, and goes with that") {
    installer->trap(spec("net", 0));
    std::size_t carrying = 0;
    SUBCASE("alone") {}
    SUBCASE("beside SAs, which carry traffic for the time being") {
        ike::InstallChild whole = child_that_asks(ike::Offload::off);
        whole.outbound = some_keys();
        installer->perform(std::move(whole));
        carrying = 2;
    }
    await_idle();
    Inventory left{.sas = tables.sas, .policies = {}};
    std::ranges::copy(std::views::values(tables.policies), std::back_inserter(left.policies));
    installer = std::make_unique<ChildInstaller>(loop, std::make_unique<FakeDatabases>(tables), *this);
    installer->settle(left);
    installer->trap(spec("net", 0));
    installer->untrap_all_but({});
    await_idle();
    CHECK(tables.sas.size() == carrying);
    CHECK(tables.policies.empty() == (carrying == 0));
    installer->give_up();
    await_idle();
    CHECK(tables.sas.empty());
    CHECK(tables.policies.empty());
}

TEST_CASE_FIXTURE(ChildInstalling,
                  "events are lost: a policy that has gone is put back, unless nobody wants it any more") {
    installer->perform(child_that_asks(ike::Offload::off));
    installer->trap(spec("other", 0));
    await_idle();
    const auto before = tables.policies;
    REQUIRE(before.size() == 3);
    tables.policies.clear();
    SUBCASE("wanted") {
        installer->hear(xfrm::Lost{});
        await_idle();
        CHECK(tables.policies == before);
        const std::size_t transactions = tables.transactions;
        installer->hear(xfrm::Lost{});
        await_idle();
        CHECK(tables.transactions == transactions);  // all is well now
    }
    SUBCASE("removed meanwhile") {
        installer->hear(xfrm::Lost{});
        installer->clear();
        await_idle();
        CHECK(tables.policies.empty());
    }
    CHECK(progress > 0);
}

TEST_CASE_FIXTURE(ChildInstalling, "events are lost: the kernel's placeholder says which packet asked for a child") {
    installer->trap(spec("net", 0));
    await_idle();
    REQUIRE(tables.policies.size() == 1);
    xfrm::SaState placeholder;
    placeholder.id.destination = kOutbound.destination;
    placeholder.reqid = tables.policies.begin()->second.templates.at(0).reqid;
    placeholder.selector = xfrm::Selector{};
    placeholder.acquire_sequence = 7;
    tables.sas.emplace(placeholder.id, placeholder);
    SUBCASE("of ours") {
        installer->hear(xfrm::Lost{});
        await_idle();
        CHECK(wanted == std::vector<std::string>{"net"});
        ike::InstallChild answer = child_that_asks(ike::Offload::off);
        answer.outbound = some_keys();
        installer->perform(std::move(answer));
        await_idle();
        CHECK(tables.sas.at(kOutbound).acquire_sequence == 7);
    }
    SUBCASE("another program's") {
        ++tables.sas.begin()->second.reqid.value;
        installer->hear(xfrm::Lost{});
        await_idle();
        CHECK(wanted.empty());
    }
}

TEST_CASE_FIXTURE(ChildInstalling,
                  "the CHILD SA that a packet asked for answers it, also where other things were negotiated") {
    installer->trap(spec("net", 0));
    installer->trap(spec("other", 0));
    await_idle();
    xfrm::Acquire acquire;
    acquire.templates = tables.policies.begin()->second.templates;
    acquire.sequence = 9;
    const xfrm::ReqId asked = acquire.templates[0].reqid;
    installer->hear(acquire);
    const std::string& child = wanted.at(0);

    bool late = false;
    SUBCASE("its outbound half at once") {}
    SUBCASE("its outbound half later") {
        late = true;
    }
    const auto install = [&](const std::string& name) {
        ike::ChildSaSpec made = spec(name, 300);
        made.udp_ports = {4500, 4500};
        made.remote_selectors = {*ike::parse_selector("10.2.3.0/24")};
        ike::InstallChild half{.spec = made, .inbound = some_keys(), .outbound = {}, .replaces_outbound = {}};
        if (late) {
            installer->perform(std::move(half));
            installer->perform(ike::InstallOutbound{.spec = made, .outbound = some_keys(), .replaces_outbound = {}});
        } else {
            half.outbound = some_keys();
            installer->perform(std::move(half));
        }
        await_idle();
        REQUIRE(tables.sas.contains(kOutbound));
        CHECK(tables.sas.at(kOutbound).reqid != asked);
        CHECK(tables.sas.at(kInbound).acquire_sequence == 0);
        const std::uint32_t answered = tables.sas.at(kOutbound).acquire_sequence;
        installer->perform(ike::RemoveChild{made});
        await_idle();
        return answered;
    };
    CHECK(install(child == "net" ? "other" : "net") == 0);
    CHECK(install(child) == 9);
    CHECK(install(child) == 0);
}

TEST_SUITE_END();
