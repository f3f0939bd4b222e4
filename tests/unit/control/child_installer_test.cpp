#include "daemon/control/child_installer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <string>
#include <vector>

#include "tests/support/child_installing.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

TEST_SUITE_BEGIN("child installer");

TEST_CASE_FIXTURE(ChildInstalling, "a queue that is full: nothing new is begun, and what is there can be removed") {
    std::promise<void> gate;
    tables.refuse = [opened = gate.get_future().share()](const xfrm::Transaction&) -> Result<void> {
        opened.wait();
        return {};
    };
    ike::InstallChild half{.spec = spec("net", 300), .inbound = {}, .outbound = {}, .replaces_outbound = {}};
    installer->perform(std::move(half));
    for (std::size_t i = 1; i < KernelThread::kMostWaiting; ++i) {
        installer->trap(spec("child" + std::to_string(i), 0));
    }
    CHECK(events.empty());
    installer->perform(ike::InstallOutbound{.spec = spec("net", 300), .outbound = {}, .replaces_outbound = {}});
    REQUIRE(events.size() == 1);
    CHECK(std::get<ike::ChildLost>(events[0]).why.reason == "kernel-busy");
    CHECK(std::get<ike::ChildLost>(events[0]).inbound == ike::EspSpi{300});
    installer->perform(
        ike::InstallChild{.spec = spec("late", 301), .inbound = {}, .outbound = {}, .replaces_outbound = {}});
    REQUIRE(events.size() == 2);
    CHECK(std::get<ike::ChildInstalled>(events[1]).result.error().reason == "kernel-busy");
    installer->perform(ike::RemoveChild{spec("net", 300)});
    installer->clear();
    gate.set_value();
    await_idle();
    CHECK(tables.sas.empty());
    CHECK(tables.policies.empty());
}

TEST_CASE_FIXTURE(ChildInstalling, "selectors that the kernel can't have are refused before it is asked") {
    ike::ChildSaSpec wrong = spec("net", 300);
    wrong.remote_selectors = {*ike::parse_selector("fd02::/16")};
    installer->perform(ike::InstallChild{.spec = wrong, .inbound = {}, .outbound = {}, .replaces_outbound = {}});
    REQUIRE(events.size() == 1);
    CHECK(std::get<ike::ChildInstalled>(events[0]).result.error().reason == "selectors-empty");
    CHECK(installer->idle());
}

TEST_CASE_FIXTURE(ChildInstalling, "a child that asks for no offload: no device is looked for") {
    tables.device = fail("no-route", "nowhere");
    installer->perform(child_that_asks(ike::Offload::off));
    await_idle();
    CHECK(installed() == "");
    CHECK(installer->offload({300}) == nullptr);
}

TEST_CASE_FIXTURE(ChildInstalling, "offload of both halves, of which the later one comes alone") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    installer->perform(child_that_asks(ike::Offload::crypto));
    await_idle();
    CHECK(installed() == "");
    installer->perform(late_half(ike::Offload::crypto));
    await_idle();
    REQUIRE(events.size() == 2);
    CHECK(std::holds_alternative<ike::OutboundInstalled>(events.back()));
    CHECK(tables.sas.at(kInbound).offload == xfrm::Offload{7, true, false});
    CHECK(tables.sas.at(kOutbound).offload == xfrm::Offload{7, false, false});
    REQUIRE(installer->offload({300}) != nullptr);
    CHECK(installer->offload({300})->in_force == ike::Offload::crypto);
    CHECK(installer->offload({300})->device == "eth7");
    installer->perform(ike::RemoveChild{spec("net", 300)});
    CHECK(installer->offload({300}) == nullptr);
}

TEST_CASE_FIXTURE(ChildInstalling,
                  "where one half stays with the kernel, no offload is in force, and the other is not given away") {
    bool inbound = false;
    SUBCASE("the first") {}
    SUBCASE("the later one") {
        inbound = true;
    }
    tables.takes = [inbound](const xfrm::Sa& sa) { return (sa.direction == xfrm::Direction::in) == inbound; };
    installer->perform(child_that_asks(ike::Offload::automatic));
    await_idle();
    CHECK(installed() == "");
    installer->perform(late_half(ike::Offload::automatic));
    await_idle();
    CHECK(events.size() == 2);
    CHECK(tables.sas.at(kInbound).offload.has_value() == inbound);
    CHECK_FALSE(tables.sas.at(kOutbound).offload);
    CHECK(installer->offload({300})->in_force == ike::Offload::off);
    CHECK(installer->offload({300})->reason.starts_with("eth7 does not take over"));
}

TEST_CASE_FIXTURE(ChildInstalling, "a later half that the device does not take, where nothing less will do") {
    tables.takes = [](const xfrm::Sa& sa) { return sa.direction == xfrm::Direction::in; };
    installer->perform(child_that_asks(ike::Offload::crypto));
    await_idle();
    CHECK(installed() == "");
    installer->perform(late_half(ike::Offload::crypto));
    await_idle();
    REQUIRE(events.size() == 2);
    CHECK(std::get<ike::ChildLost>(events[1]).why.reason == "offload-declined");
    CHECK_FALSE(tables.sas.contains(kOutbound));
}

TEST_CASE_FIXTURE(ChildInstalling, "no way to the peer, so no device") {
    tables.device = fail("no-route", "nowhere");
    installer->perform(child_that_asks(ike::Offload::packet));
    await_idle();
    CHECK(installed() == "offload-declined");
    CHECK(tables.sas.empty());
    CHECK(installer->offload({300}) == nullptr);
    installer->perform(child_that_asks(ike::Offload::automatic));
    await_idle();
    CHECK(installed() == "");
    CHECK(*installer->offload({300}) == OffloadState{.requested = ike::Offload::automatic,
                                                     .in_force = ike::Offload::off,
                                                     .device = {},
                                                     .reason = "nowhere"});
}

TEST_CASE_FIXTURE(ChildInstalling, "the device is looked for, and meanwhile …") {
    ike::InstallChild child = child_that_asks(ike::Offload::automatic);
    child.spec.udp_ports = {4500, 4500};
    const ike::ChildSaSpec before = child.spec;
    installer->perform(std::move(child));
    SUBCASE("the peer moves") {
        ike::ChildSaSpec after = before;
        after.udp_ports = {4500, 62000};
        installer->perform(ike::MoveChild{.from = before, .to = after});
        await_idle();
        CHECK(installed() == "");
        CHECK(tables.sas.at(kInbound).encapsulation->source_port == 62000);
    }
    SUBCASE("the child is no longer wanted") {
        installer->perform(ike::RemoveChild{before});
        await_idle();
        CHECK(events.empty());
        CHECK(tables.sas.empty());
        CHECK(progress > 0);  // who waits for the end hears of it
    }
    SUBCASE("everything is taken out") {
        installer->clear();
        await_idle();
        CHECK(tables.sas.empty());
    }
}

namespace {

netlink::LinkChange link(bool up, std::uint32_t index = 7) {
    return {.device = netlink::Device{index, "eth" + std::to_string(index)}, .up = up};
}

/// What the kernel does with SAs whose device goes down.
void flush(FakeDatabases::Tables& tables) {
    std::erase_if(tables.sas, [](const auto& each) { return each.second.offload.has_value(); });
}

struct LostDevice : ChildInstalling {
    LostDevice() {
        tables.takes = [](const xfrm::Sa&) { return true; };
    }
    void bring_up(ike::Offload offload) {
        installer->perform(child_that_asks(offload));
        await_idle();
        installer->perform(late_half(offload));
        await_idle();
        events.clear();
    }
    void lose() {
        flush(tables);
        installer->hear(link(false));
        await_idle();
    }
    template <typename Event>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            events, [](const ike::Event& event) { return std::holds_alternative<Event>(event); }));
    }
    /// As IKE does it.
    void rekey() {
        ike::InstallChild next = child_that_asks(ike::Offload::automatic);
        next.spec.inbound = {301};
        next.spec.outbound = {1301};
        next.outbound = some_keys();
        next.replaces_outbound = ike::EspSpi{1300};
        installer->perform(std::move(next));
        await_idle();
        installer->perform(ike::RemoveChild{child_that_asks(ike::Offload::automatic).spec});
        await_idle();
    }
};

}  // namespace

TEST_CASE_FIXTURE(LostDevice, "a device goes down with its SAs: they are rekeyed, and IKE hears why, once") {
    bring_up(ike::Offload::automatic);
    lose();
    installer->hear(link(false));
    await_idle();
    REQUIRE(events.size() == 2);
    const auto& lost = std::get<ike::OffloadLost>(events[0]);
    CHECK(lost.inbound == ike::EspSpi{300});
    CHECK(lost.why.reason == "offload-lost");
    CHECK(lost.why.sentence.find("eth7 is down or gone, and with it the kernel has deleted the ESP SA 0000012c") ==
          0);
    CHECK(std::get<ike::ChildSpent>(events[1]).inbound == ike::EspSpi{300});
    const OffloadState* const state = installer->offload({300});
    REQUIRE(state != nullptr);
    CHECK(state->in_force == ike::Offload::off);
    CHECK(state->reason == lost.why.sentence);
}

TEST_CASE_FIXTURE(LostDevice, "a device goes down that has taken one half only") {
    xfrm::Direction taken = xfrm::Direction::in;
    SUBCASE("the first, and the other came later") {
        tables.takes = [](const xfrm::Sa& sa) { return sa.direction == xfrm::Direction::in; };
        bring_up(ike::Offload::automatic);
    }
    SUBCASE("of two that came together") {
        SUBCASE("in") {}
        SUBCASE("out") {
            taken = xfrm::Direction::out;
        }
        tables.takes = [taken](const xfrm::Sa& sa) { return sa.direction == taken; };
        ike::InstallChild both = child_that_asks(ike::Offload::automatic);
        both.outbound = some_keys();
        installer->perform(std::move(both));
        await_idle();
        events.clear();
    }
    CHECK(tables.sas.size() == 2);
    CHECK(installer->offload({300})->in_force == ike::Offload::off);
    lose();
    CHECK(tables.sas.size() == 1);
    REQUIRE(events.size() == 2);
    CHECK(std::holds_alternative<ike::OffloadLost>(events[0]));
    CHECK(std::get<ike::ChildSpent>(events[1]).inbound == ike::EspSpi{300});
}

TEST_CASE_FIXTURE(LostDevice, "events of IPsec are lost as well: what went with a device is not missed twice") {
    ike::Offload requested = ike::Offload::automatic;
    SUBCASE("whose part the kernel can do") {}
    SUBCASE("where no less will do") {
        requested = ike::Offload::crypto;
    }
    bring_up(requested);
    lose();
    CHECK(events.size() == 2);
    installer->hear(xfrm::Lost{});
    await_idle();
    CHECK(events.size() == 2);
    rekey();
    flush(tables);
    tables.sas.clear();
    events.clear();
    installer->hear(xfrm::Lost{});
    await_idle();
    CHECK(count<ike::ChildLost>() > 0);  // its successor is, whose SAs another program has deleted
}

TEST_CASE_FIXTURE(LostDevice, "a link that changes otherwise is nobody's loss") {
    bring_up(ike::Offload::automatic);
    SUBCASE("its SAs are there") {
        installer->hear(link(false));
    }
    SUBCASE("another device") {
        flush(tables);
        installer->hear(link(false, 8));
    }
    SUBCASE("up") {
        flush(tables);
        installer->hear(link(true));
    }
    SUBCASE("messages were lost, and the SAs are there") {
        installer->hear(netlink::LinkChange{});
    }
    await_idle();
    CHECK(events.empty());
    CHECK(installer->offload({300})->in_force == ike::Offload::crypto);
}

TEST_CASE_FIXTURE(LostDevice, "messages about devices were lost: every SA that is with one is looked for") {
    bring_up(ike::Offload::automatic);
    flush(tables);
    installer->hear(netlink::LinkChange{});
    await_idle();
    CHECK(count<ike::OffloadLost>() == 1);
}

TEST_CASE_FIXTURE(LostDevice, "what can't be rekeyed is closed") {
    SUBCASE("half a CHILD SA") {
        installer->perform(child_that_asks(ike::Offload::automatic));
        await_idle();
    }
    SUBCASE("policies that went with the device") {
        bring_up(ike::Offload::packet);
    }
    events.clear();
    lose();
    REQUIRE(events.size() == 2);
    CHECK(std::holds_alternative<ike::OffloadLost>(events[0]));
    CHECK(std::get<ike::ChildLost>(events[1]).why.reason == "offload-lost");
}

TEST_CASE_FIXTURE(LostDevice, "the device comes back: the successor is rekeyed once it is on the way to the peer") {
    bring_up(ike::Offload::automatic);
    tables.device = netlink::Device{9, "eth9"};
    tables.takes = [](const xfrm::Sa& sa) { return sa.offload->device == 7; };
    lose();
    rekey();
    CHECK(installer->offload({301})->in_force == ike::Offload::off);
    CHECK(count<ike::OffloadRegained>() == 0);
    events.clear();
    installer->hear(link(true));
    const auto await_look = [&] {
        for (int i = 0; i < 1000 && events.empty(); ++i) {
            loop.turn(std::chrono::milliseconds(10));
        }
    };
    SUBCASE("and takes it") {
        tables.device = netlink::Device{7, "eth7"};
        await_look();
        REQUIRE(count<ike::ChildSpent>() == 1);
        ike::InstallChild next = child_that_asks(ike::Offload::automatic);
        next.spec.inbound = {302};
        next.spec.outbound = {1302};
        events.clear();
        installer->perform(std::move(next));
        await_idle();
        REQUIRE(events.size() == 2);
        CHECK(std::holds_alternative<ike::ChildInstalled>(events[0]));
        CHECK(std::get<ike::OffloadRegained>(events[1]).inbound == ike::EspSpi{302});
    }
    SUBCASE("and no longer does it: nobody asks again") {
        tables.takes = [](const xfrm::Sa&) { return false; };
        tables.device = netlink::Device{7, "eth7"};
        await_look();
        ike::InstallChild next = child_that_asks(ike::Offload::automatic);
        next.spec.inbound = {302};
        events.clear();
        installer->perform(std::move(next));
        await_idle();
        CHECK(count<ike::OffloadRegained>() == 0);
        events.clear();
        installer->hear(link(true));
        for (int i = 0; i < 5; ++i) {
            loop.turn(std::chrono::milliseconds(100));
        }
        CHECK(events.empty());
    }
}

TEST_CASE_FIXTURE(LostDevice, "packets go by another device that does it too: the same SAs go along") {
    bring_up(ike::Offload::crypto);
    installer->follow_routes();
    await_idle();
    CHECK(events.empty());  // it is the same one
    tables.device = netlink::Device{9, "eth9"};
    installer->follow_routes();
    await_idle();
    REQUIRE(events.size() == 1);
    const auto& moved = std::get<ike::OffloadMoved>(events[0]);
    CHECK(moved.inbound == ike::EspSpi{300});
    CHECK(moved.from == "eth7");
    CHECK(moved.to == "eth9");
    CHECK(installer->offload({300})->device == "eth9");
    CHECK(installer->offload({300})->in_force == ike::Offload::crypto);
    CHECK(tables.sas.at(kInbound).offload == xfrm::Offload{.device = 9, .inbound = true});
    CHECK(tables.sas.at(kOutbound).offload == xfrm::Offload{.device = 9, .inbound = false});
    events.clear();
    lose();  // eth7, which has nothing to do with it any more
    tables.esp_feature = [] { return netlink::Feature::off; };
    installer->hear(link(true));
    await_idle();
    CHECK(events.empty());
}

TEST_CASE_FIXTURE(LostDevice, "packets go by a device that does not do it") {
    const auto go_elsewhere = [this] {
        tables.takes = [](const xfrm::Sa& sa) { return sa.offload->device == 7; };
        tables.device = netlink::Device{9, "eth9"};
        installer->follow_routes();
        await_idle();
    };
    SUBCASE("the same SAs go on in software, and the first device gets what comes after them") {
        bring_up(ike::Offload::automatic);
        go_elsewhere();
        REQUIRE(events.size() == 1);
        CHECK(std::get<ike::OffloadLost>(events[0]).why.sentence.starts_with(
            "packets go by eth9 now, and not by eth7: eth9 does not take over ESP's cryptography"));
        CHECK(installer->offload({300})->in_force == ike::Offload::off);
        CHECK_FALSE(tables.sas.at(kInbound).offload.has_value());
        events.clear();
        tables.device = netlink::Device{7, "eth7"};
        installer->follow_routes();
        for (int i = 0; i < 1000 && events.empty(); ++i) {
            loop.turn(std::chrono::milliseconds(10));
        }
        CHECK(count<ike::ChildSpent>() == 1);
    }
    SUBCASE("and no less is asked for: nothing passes in software") {
        bring_up(ike::Offload::crypto);
        go_elsewhere();
        CHECK(count<ike::OffloadLost>() == 1);
        CHECK(count<ike::ChildSpent>() == 1);
        CHECK(tables.sas.empty());
    }
    SUBCASE("whole packets: there is a new CHILD SA") {
        bring_up(ike::Offload::packet);
        go_elsewhere();
        CHECK(count<ike::OffloadLost>() == 1);
        CHECK(count<ike::ChildLost>() == 1);
    }
    SUBCASE("the kernel has deleted the SAs with the first device, and this comes first") {
        bring_up(ike::Offload::automatic);
        tables.refuse = [](const xfrm::Transaction&) -> Result<void> { return fail("xfrm-missing", "gone"); };
        go_elsewhere();
        REQUIRE(events.size() == 2);
        CHECK(std::get<ike::OffloadLost>(events[0]).why.sentence.starts_with("eth7 is down or gone"));
        CHECK(std::holds_alternative<ike::ChildSpent>(events[1]));
    }
    SUBCASE("the kernel does not let it") {
        bring_up(ike::Offload::automatic);
        tables.refuse = [](const xfrm::Transaction&) -> Result<void> { return fail("xfrm-keys-hidden", "no"); };
        go_elsewhere();
        CHECK(count<ike::ChildLost>() == 1);
    }
}

TEST_CASE_FIXTURE(LostDevice, "a feature is lost and comes back: the kernel keeps the SAs, and IKE hears it once") {
    bring_up(ike::Offload::automatic);
    const std::size_t before = tables.transactions;
    bool all = false;
    SUBCASE("of the device") {}
    SUBCASE("messages were lost") {
        all = true;
    }
    const auto hear = [&](netlink::Feature feature) {
        tables.esp_feature = [feature] { return feature; };
        for (int i = 0; i < 2; ++i) {
            installer->hear(all ? netlink::LinkChange{} : link(true));
            await_idle();
        }
    };
    hear(netlink::Feature::off);
    REQUIRE(events.size() == 1);
    const auto& lost = std::get<ike::OffloadLost>(events[0]);
    CHECK(lost.inbound == ike::EspSpi{300});
    CHECK(lost.why.reason == "offload-lost");
    CHECK(lost.why.sentence == "eth7's feature esp-hw-offload is off: the kernel does ESP's cryptography itself");
    CHECK(installer->offload({300})->in_force == ike::Offload::off);
    CHECK(installer->offload({300})->reason == lost.why.sentence);
    hear(netlink::Feature::on);
    REQUIRE(events.size() == 2);
    CHECK(std::get<ike::OffloadRegained>(events[1]).inbound == ike::EspSpi{300});
    CHECK(installer->offload({300})->in_force == ike::Offload::crypto);
    CHECK(installer->offload({300})->reason.empty());
    CHECK(tables.transactions == before);
    CHECK(tables.sas.size() == 2);
}

TEST_CASE_FIXTURE(LostDevice, "a feature that is off when the CHILD SA is made: both halves go to the device") {
    tables.esp_feature = [] { return netlink::Feature::off; };
    bring_up(ike::Offload::automatic);
    CHECK(installer->offload({300})->in_force == ike::Offload::off);
    CHECK(tables.sas.at(kInbound).offload.has_value());
    CHECK(tables.sas.at(kOutbound).offload.has_value());
    tables.esp_feature = [] { return netlink::Feature::on; };
    installer->hear(link(true));
    await_idle();
    CHECK(count<ike::OffloadRegained>() == 1);
    CHECK(installer->offload({300})->in_force == ike::Offload::crypto);
}

TEST_CASE_FIXTURE(LostDevice, "a feature that was lost while another process had the CHILD SA") {
    bring_up(ike::Offload::automatic);
    Inventory found{.sas = tables.sas, .policies = {}};
    tables.esp_feature = [] { return netlink::Feature::off; };
    installer = std::make_unique<ChildInstaller>(loop, std::make_unique<FakeDatabases>(tables), *this);
    REQUIRE(installer->adopt(child_that_asks(ike::Offload::automatic).spec, true, found) ==
            ChildInstaller::Presence::both);
    installer->settle(found);
    await_idle();
    CHECK(count<ike::OffloadLost>() == 1);
    CHECK(installer->offload({300})->in_force == ike::Offload::off);
    CHECK(installer->offload({300})->taken == ike::Offload::crypto);
}

TEST_CASE_FIXTURE(LostDevice, "a feature is lost while an SA is being installed") {
    std::promise<void> begun;
    std::promise<void> gate;
    tables.refuse = [&begun, opened = gate.get_future().share()](const xfrm::Transaction&) -> Result<void> {
        begun.set_value();
        opened.wait();
        return {};
    };
    tables.esp_feature = [asked = 0]() mutable {
        return asked++ == 0 ? netlink::Feature::on : netlink::Feature::off;
    };
    installer->perform(child_that_asks(ike::Offload::automatic));
    const auto reached = begun.get_future();
    while (reached.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        loop.turn(std::chrono::milliseconds(10));
    }
    installer->hear(link(true));
    gate.set_value();
    await_idle();
    CHECK(count<ike::OffloadLost>() == 1);
    CHECK(installer->offload({300})->in_force == ike::Offload::off);
}

TEST_CASE_FIXTURE(LostDevice, "a feature that changes is nobody's loss where …") {
    bring_up(ike::Offload::automatic);
    tables.esp_feature = [] { return netlink::Feature::off; };
    SUBCASE("it is another device's") {
        installer->hear(link(true, 8));
    }
    SUBCASE("it can't be read") {
        tables.esp_feature = [] { return std::nullopt; };
        installer->hear(link(true));
    }
    await_idle();
    CHECK(events.empty());
    CHECK(installer->offload({300})->in_force == ike::Offload::crypto);
}

TEST_CASE_FIXTURE(LostDevice,
                  "a feature is lost, then the device with its SAs: that is told too, and they are rekeyed") {
    bring_up(ike::Offload::automatic);
    tables.esp_feature = [] { return netlink::Feature::off; };
    installer->hear(link(true));
    await_idle();
    tables.esp_feature = [] { return std::nullopt; };
    events.clear();
    lose();
    REQUIRE(events.size() == 2);
    CHECK(std::get<ike::OffloadLost>(events[0]).why.sentence.starts_with("eth7 is down or gone"));
    CHECK(std::holds_alternative<ike::ChildSpent>(events[1]));
}

TEST_CASE_FIXTURE(LostDevice,
                  "a feature is lost where no less will do: the SAs are taken out, and the policies stay") {
    const auto await_look = [&] {
        for (int i = 0; i < 1000 && events.empty(); ++i) {
            loop.turn(std::chrono::milliseconds(10));
        }
    };
    ike::Offload requested = ike::Offload::crypto;
    SUBCASE("than the cryptography") {}
    SUBCASE("than whole packets") {
        requested = ike::Offload::packet;
    }
    bring_up(requested);
    const auto policies = tables.policies;
    tables.esp_feature = [] { return netlink::Feature::off; };
    installer->hear(link(true));
    await_idle();
    REQUIRE(events.size() == 2);
    CHECK(std::get<ike::OffloadLost>(events[0]).why.sentence.starts_with(
        "eth7's feature esp-hw-offload is off, and no less than the device is asked for: the ESP SA 0000012c"));
    CHECK(std::holds_alternative<ike::ChildSpent>(events[1]));
    CHECK(tables.sas.empty());
    CHECK(tables.policies == policies);
    CHECK(installer->offload({300})->in_force == ike::Offload::off);
    const auto make = [&](std::uint32_t inbound) {
        ike::InstallChild next = child_that_asks(requested);
        next.spec.inbound = {inbound};
        events.clear();
        installer->perform(std::move(next));
        await_idle();
    };
    make(301);
    CHECK(installed() == "offload-declined");
    CHECK(tables.sas.empty());
    CHECK(tables.policies == policies);
    // It is on the way to the peer all the while: nobody tries before the feature is back.
    events.clear();
    for (int i = 0; i < 5; ++i) {
        loop.turn(std::chrono::milliseconds(100));
    }
    await_idle();
    CHECK(events.empty());
    tables.esp_feature = [] { return netlink::Feature::on; };
    installer->hear(link(true));
    await_look();
    REQUIRE(count<ike::ChildSpent>() == 1);
    make(302);
    REQUIRE(events.size() == 2);
    CHECK(std::get<ike::OffloadRegained>(events[1]).inbound == ike::EspSpi{302});
    CHECK(installer->offload({302})->in_force == requested);
}

TEST_SUITE_END();
