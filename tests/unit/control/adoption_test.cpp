#include <doctest/doctest.h>

#include <string>

#include "daemon/keeper/descriptor_shelf.hpp"
#include "daemon/shared/system_random.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/two_gateways.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;
using namespace std::chrono_literals;

namespace {

/// The left gateway's process may die, and another one comes; its kernel goes on.
struct Mortal {
    Mortal() {
        start();
        two.start(two.right, two.network.right, configuration_of(kRight, kLeft, IkeStart::manual));
        REQUIRE(two.await([&] { return two.left.only_child() && two.right.only_child(); }));
    }
    ~Mortal() { StateKey(place).destroy(); }
    Mortal(const Mortal&) = delete;
    Mortal& operator=(const Mortal&) = delete;

    [[nodiscard]] IkeService::Inheritance inheritance() {
        shelf->read_all();
        std::map<std::string, UniqueFd> inherited;
        for (const auto& [name, descriptor] : shelf->kept()) {
            inherited.emplace(name, duplicate_fd(descriptor));
        }
        two.left.store = DescriptorStore(folder / "store.sock", std::move(inherited));
        SystemRandom random;
        return {.store = two.left.store, .state = IkeState::open(two.left.store, place, random)};
    }
    void start() {
        auto started = two.network.left.run([&] {
            return IkeService::start(two.loop, configuration_of(kLeft, kRight, IkeStart::on_load),
                                     std::make_unique<FakeDatabases>(two.left.tables), two.signers, inheritance());
        });
        REQUIRE_MESSAGE(started, started.error().sentence);
        two.left.service = *std::move(started);
    }
    void die() { two.left.service.reset(); }

    TwoGateways two{TwoGateways::None{}};
    RuntimeFolder folder;
    std::string place = folder.path();
    std::unique_ptr<DescriptorShelf> shelf = DescriptorShelf::create(two.loop, folder / "store.sock").value();
};

bool is_up(const Gateway& gateway) {
    return gateway.only_child().has_value();
}

}  // namespace

TEST_SUITE_BEGIN("adoption");

TEST_CASE_FIXTURE(Mortal, "a successor goes on where the process before was killed, and nobody notices") {
    if (!two.left.service->outlived()) {
        MESSAGE("skipped: this kernel keeps no keys");
        return;
    }
    const ChildView before = *two.left.only_child();
    const auto ike_before = two.left.service->view().sas.at(0).initiator_spi;
    const auto sas = two.left.tables.sas.size();
    for (int life = 0; life < 3; ++life) {
        die();
        const std::size_t transactions = two.left.tables.transactions;
        start();
        for (int turn = 0; turn < 20; ++turn) {
            two.loop.turn(2ms);
        }
        REQUIRE(is_up(two.left));
        CHECK(two.left.only_child()->inbound == before.inbound);
        CHECK(two.left.service->view().sas.at(0).initiator_spi == ike_before);
        CHECK(two.left.tables.sas.size() == sas);
        CHECK(two.left.tables.transactions == transactions);
    }
    // The next rekeying works, in either direction, and so does the end.
    xfrm::Expire spent;
    spent.id = {.destination = kLeft, .spi = {before.inbound}};
    two.left.service->hear(spent);
    REQUIRE(two.await([&] { return two.left.children().size() == 2 && two.right.children().size() == 2; }));
    die();
    start();
    REQUIRE(two.await([&] { return is_up(two.left) && is_up(two.right); }));
    CHECK(two.left.only_child()->inbound != before.inbound);
    CHECK(two.left.only_child()->inbound == two.right.only_child()->outbound);
    bool stopped = false;
    two.left.service->stop([&] { stopped = true; });
    REQUIRE(two.await([&] { return stopped && two.right.children().empty(); }));
    CHECK(two.left.tables.sas.empty());
    CHECK(two.left.tables.policies.empty());
}

TEST_CASE_FIXTURE(Mortal, "an IKE SA that was closed before is not taken over") {
    if (!two.left.service->outlived()) {
        return;
    }
    const auto told = [&] { return two.log.text().find("1 IKE SAs were taken over") != std::string::npos; };
    SUBCASE("it stands") {
        die();
        start();
        CHECK(told());
    }
    SUBCASE("it was closed") {
        two.left.service->down("hq", {});
        REQUIRE(two.await([&] { return two.left.tables.sas.empty() && two.right.children().empty(); }));
        die();
        start();
        CHECK_FALSE(told());
    }
}

TEST_CASE_FIXTURE(Mortal, "what the kernel has deleted meanwhile is made again") {
    if (!two.left.service->outlived()) {
        return;
    }
    const ChildView before = *two.left.only_child();
    die();
    two.left.tables.sas.erase({.destination = kRight, .spi = {before.outbound}});
    start();
    REQUIRE(two.await([&] {
        return is_up(two.left) && two.left.only_child()->inbound != before.inbound && is_up(two.right) &&
               two.left.tables.sas.size() == 2;
    }));
    CHECK(two.log.text().find("(sa-missing)") != std::string::npos);
}

TEST_CASE_FIXTURE(Mortal, "without the key, SAs are negotiated anew; the old ones carry until the new ones stand") {
    if (!two.left.service->outlived()) {
        return;
    }
    const ChildView before = *two.left.only_child();
    die();
    StateKey(place).destroy();
    std::size_t fewest = two.left.tables.sas.size();
    start();
    CHECK(two.log.text().find("(state-key-missing)") != std::string::npos);
    REQUIRE(two.await([&] {
        fewest = std::min(fewest, two.left.tables.sas.size());
        return is_up(two.left) && two.left.tables.sas.size() == 2;
    }));
    CHECK(fewest == 2);
    CHECK(two.left.only_child()->inbound != before.inbound);
    CHECK(two.left.tables.policies.size() == 3);
    for (const auto& [id, policy] : two.left.tables.policies) {
        CHECK(policy.templates.at(0).reqid == two.left.tables.sas.begin()->second.reqid);
    }
}

TEST_SUITE_END();
