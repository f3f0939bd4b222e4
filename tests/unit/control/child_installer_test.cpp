#include "daemon/control/child_installer.hpp"

#include <doctest/doctest.h>

#include <future>
#include <string>
#include <vector>

#include "tests/support/fake_databases.hpp"

using namespace keysluice;
using namespace keysluice::control;
using keysluice::test::FakeDatabases;

namespace {

ike::ChildSaSpec spec(const std::string& child, std::uint32_t inbound) {
    ike::ChildSaSpec made;
    made.connection = "hq";
    made.child = child;
    made.local = *IpAddress::parse("192.0.2.1");
    made.remote = *IpAddress::parse("198.51.100.7");
    made.inbound = {inbound};
    made.outbound = {inbound + 1000};
    made.suite = {.encryption = {ike::EncryptionId::aes_gcm_16, 128}, .integrity = {}, .group = {}, .esn = false};
    made.local_selectors = {*ike::parse_selector("10.1.0.0/16")};
    made.remote_selectors = {*ike::parse_selector("10.2.0.0/16")};
    return made;
}

struct Fixture : ChildInstaller::Owner {
    void on_kernel(ike::Event event) override { events.push_back(std::move(event)); }
    void on_wanted(const ike::ChildSaSpec& child, const xfrm::Selector& /*packet*/) override {
        wanted.push_back(child.child);
    }
    void on_progress() override {}
    void await_idle() {
        for (int i = 0; i < 10'000 && !installer->idle(); ++i) {
            loop.turn(std::chrono::milliseconds(10));
        }
        REQUIRE(installer->idle());
    }

    Loop loop;
    FakeDatabases::Tables tables;
    std::vector<ike::Event> events;
    std::vector<std::string> wanted;
    std::unique_ptr<ChildInstaller> installer =
        std::make_unique<ChildInstaller>(loop, std::make_unique<FakeDatabases>(tables), *this);
};

}  // namespace

TEST_SUITE_BEGIN("child installer");

TEST_CASE_FIXTURE(Fixture, "a queue that is full: nothing new is begun, and what is there can be removed") {
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

TEST_CASE_FIXTURE(Fixture, "selectors that the kernel can't have are refused before it is asked") {
    ike::ChildSaSpec wrong = spec("net", 300);
    wrong.remote_selectors = {*ike::parse_selector("fd02::/16")};
    installer->perform(ike::InstallChild{.spec = wrong, .inbound = {}, .outbound = {}, .replaces_outbound = {}});
    REQUIRE(events.size() == 1);
    CHECK(std::get<ike::ChildInstalled>(events[0]).result.error().reason == "selectors-empty");
    CHECK(installer->idle());
}

TEST_CASE_FIXTURE(Fixture, "a packet that meets a trap asks for its child") {
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

TEST_SUITE_END();
