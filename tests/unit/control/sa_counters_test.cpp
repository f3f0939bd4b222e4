#include "daemon/control/sa_counters.hpp"

#include <doctest/doctest.h>

#include "daemon/control/translation.hpp"
#include "tests/support/fake_databases.hpp"

using namespace keysluice;
using namespace keysluice::control;
using keysluice::test::FakeDatabases;

namespace {

struct Counting {
    FakeDatabases::Tables tables;
    Loop loop;
    KernelThread kernel{loop, std::make_unique<FakeDatabases>(tables)};
    SaCounters counters{kernel};
    std::vector<ike::ChildSaSpec> specs;

    /// CHILD SAs with the inbound SPIs 1000, 1001 and so on; the kernel has counted as many packets.
    explicit Counting(std::uint32_t children) {
        for (std::uint32_t i = 0; i < children; ++i) {
            ike::ChildSaSpec& spec = specs.emplace_back();
            spec.local = *IpAddress::parse("192.0.2.1");
            spec.remote = *IpAddress::parse("192.0.2.2");
            spec.inbound = ike::EspSpi{1000 + i};
            spec.outbound = ike::EspSpi{5000 + i};
            put(inbound_id(spec), 1000 + i);
            put(outbound_id(spec), 5000 + i);
        }
    }
    void put(const xfrm::SaId& id, std::uint64_t packets) {
        xfrm::SaState state;
        state.id = id;
        state.packets = packets;
        tables.sas.emplace(id, state);
    }
    void read(SaCounters::Answer answer) {
        std::vector<const ike::ChildSaSpec*> all;
        for (const ike::ChildSaSpec& each : specs) {
            all.push_back(&each);
        }
        counters.read(all, std::move(answer));
    }
    void turn_until(const std::function<bool()>& done) {
        for (int i = 0; i < 100'000 && !done(); ++i) {
            loop.turn(std::chrono::milliseconds(50));
        }
        REQUIRE(done());
    }
};

}  // namespace

TEST_SUITE("sa counters") {
    TEST_CASE("more than are read at once: all of them, each with its own figures, in their order") {
        Counting counting(3 * SaCounters::kAtOnce + 1);
        std::optional<Result<std::vector<ChildCounters>>> answer;
        counting.read([&](auto found) { answer = std::move(found); });
        counting.turn_until([&] { return answer.has_value(); });
        REQUIRE(*answer);
        REQUIRE((*answer)->size() == counting.specs.size());
        for (std::size_t i = 0; i < (*answer)->size(); ++i) {
            const ChildCounters& each = (**answer)[i];
            CHECK(each.inbound.value == 1000 + i);
            CHECK(each.in->packets == 1000 + i);
            CHECK(each.out->packets == 5000 + i);
        }
    }

    TEST_CASE("a half that the kernel has not got is missing, and a CHILD SA that it has not got has no row") {
        Counting counting(3);
        counting.tables.sas.erase(outbound_id(counting.specs[0]));
        counting.tables.sas.erase(inbound_id(counting.specs[1]));
        counting.tables.sas.erase(outbound_id(counting.specs[1]));
        std::vector<ChildCounters> found;
        counting.read([&](auto answer) { found = *std::move(answer); });
        counting.turn_until([&] { return !found.empty(); });
        REQUIRE(found.size() == 2);
        CHECK(found[0].in);
        CHECK(!found[0].out);
        CHECK(found[1].inbound.value == 1002);
    }

    TEST_CASE("several questions are answered one after the other, and what is installed meanwhile does not wait") {
        Counting counting(4 * SaCounters::kAtOnce);
        std::vector<int> order;
        counting.read([&](const auto&) { order.push_back(1); });
        counting.read([&](const auto&) { order.push_back(2); });
        counting.kernel.submit(xfrm::Transaction{}, [&](const auto&) { order.push_back(0); });
        counting.turn_until([&] { return order.size() == 3; });
        CHECK(order == std::vector{0, 1, 2});
    }

    TEST_CASE("a kernel with too much to do is not asked") {
        Counting counting(1);
        for (std::size_t i = 0; i < KernelThread::kMostWaiting; ++i) {
            counting.kernel.submit(xfrm::Transaction{}, [](const auto&) {});
        }
        std::string_view reason;
        counting.read([&](const auto& answer) { reason = answer.error().reason; });
        CHECK(reason == "kernel-busy");
    }

    TEST_CASE("no CHILD SA, no rows") {
        Counting counting(0);
        bool answered = false;
        counting.read([&](const auto& answer) { answered = answer && answer->empty(); });
        counting.turn_until([&] { return answered; });
    }
}
