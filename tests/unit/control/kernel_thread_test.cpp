#include "daemon/control/kernel_thread.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>

using namespace keysluice;
using namespace keysluice::control;

namespace {

/// One that can be told from others by its only part.
xfrm::Transaction numbered(std::uint32_t number) {
    xfrm::Transaction transaction;
    transaction.remove(xfrm::SaId{.destination = {}, .spi = {number}});
    return transaction;
}

std::uint32_t number_of(const xfrm::Transaction& transaction) {
    return std::get<xfrm::SaId>(transaction.removals().at(0)).spi.value;
}

/// Whose only part is a function.
class Applied final : public Databases {
   public:
    using Apply = std::function<Result<void>(const xfrm::Transaction&)>;
    explicit Applied(Apply apply) : apply_(std::move(apply)) {}
    Result<void> apply(const xfrm::Transaction& transaction) override { return apply_(transaction); }
    Result<std::vector<xfrm::SaState>> sas() override { return std::vector<xfrm::SaState>(3); }
    Result<std::vector<xfrm::PolicyState>> policies() override { return std::vector<xfrm::PolicyState>{}; }
    Result<xfrm::SaState> sa(const xfrm::SaId& /*id*/) override { return xfrm::SaState{}; }
    Result<netlink::Device> device_towards(const IpAddress& /*local*/, const IpAddress& /*remote*/) override {
        return netlink::Device{};
    }
    std::optional<netlink::Feature> esp_feature(std::uint32_t /*device*/) override { return std::nullopt; }

   private:
    Apply apply_;
};

std::unique_ptr<Databases> databases_that(Applied::Apply apply) {
    return std::make_unique<Applied>(std::move(apply));
}

void turn_until(Loop& loop, const std::function<bool()>& done) {
    for (int i = 0; i < 100'000 && !done(); ++i) {  // a turn may have but one result
        loop.turn(std::chrono::milliseconds(50));
    }
    REQUIRE(done());
}

}  // namespace

TEST_SUITE_BEGIN("kernel thread");

TEST_CASE("in the order of submission, on another thread, and the results on the loop") {
    Loop loop;
    const auto ours = std::this_thread::get_id();
    std::vector<std::uint32_t> applied;
    std::atomic<bool> elsewhere = true;
    KernelThread kernel(loop, databases_that([&](const xfrm::Transaction& transaction) -> Result<void> {
                            elsewhere = elsewhere && std::this_thread::get_id() != ours;
                            applied.push_back(number_of(transaction));
                            if (applied.back() % 2 == 1) {
                                return fail("odd", std::to_string(applied.back()));
                            }
                            return {};
                        }));
    CHECK(kernel.idle());
    std::vector<std::string> results;
    std::vector<std::uint32_t> wanted;
    for (std::uint32_t i = 0; i < 100; ++i) {
        wanted.push_back(i);
        kernel.submit(numbered(i), [&](const Result<void>& result) {
            CHECK(std::this_thread::get_id() == ours);
            results.push_back(result ? "fine" : result.error().sentence);
        });
    }
    CHECK_FALSE(kernel.idle());
    turn_until(loop, [&] { return kernel.idle(); });
    CHECK(elsewhere);
    CHECK(applied == wanted);
    REQUIRE(results.size() == 100);
    CHECK(results[0] == "fine");
    CHECK(results[99] == "99");
}

TEST_CASE("a result may lead to the next submission") {
    Loop loop;
    KernelThread kernel(loop, databases_that([](const xfrm::Transaction&) -> Result<void> { return {}; }));
    int rounds = 0;
    std::function<void(Result<void>)> again = [&](const Result<void>&) {
        if (++rounds < 5) {
            kernel.submit(numbered(1), again);
        }
    };
    kernel.submit(numbered(0), again);
    turn_until(loop, [&] { return rounds == 5; });
    CHECK(kernel.idle());
}

TEST_CASE("other work takes its turn among transactions") {
    Loop loop;
    std::string order;
    KernelThread kernel(loop, databases_that([&](const xfrm::Transaction&) -> Result<void> {
                            order += "t";
                            return {};
                        }));
    std::size_t found = 0;
    kernel.submit(numbered(1), [](const Result<void>&) {});
    kernel.submit([&](Databases& databases) -> KernelThread::Then {
        order += "w";
        return [&found, all = databases.sas()] { found = all->size(); };
    });
    kernel.submit(numbered(2), [](const Result<void>&) {});
    turn_until(loop, [&] { return kernel.idle(); });
    CHECK(order == "twt");
    CHECK(found == 3);
}

TEST_CASE("the loop goes on while the kernel works, and the queue has an end") {
    Loop loop;
    std::promise<void> gate;
    auto opened = gate.get_future().share();
    KernelThread kernel(loop, databases_that([opened](const xfrm::Transaction&) -> Result<void> {
                            opened.wait();
                            return {};
                        }));
    std::size_t done = 0;
    for (std::size_t i = 0; i < KernelThread::kMostWaiting; ++i) {
        CHECK_FALSE(kernel.full());
        kernel.submit(numbered(1), [&](const Result<void>&) { ++done; });
    }
    CHECK(kernel.full());
    loop.turn(std::chrono::milliseconds(1));
    CHECK(done == 0);
    gate.set_value();
    turn_until(loop, [&] { return kernel.idle(); });
    CHECK(done == KernelThread::kMostWaiting);
}

TEST_CASE("what waits at the end is carried out, and nobody is called") {
    Loop loop;
    std::atomic<int> applied = 0;
    bool called = false;
    {
        KernelThread kernel(loop, databases_that([&](const xfrm::Transaction&) -> Result<void> {
                                ++applied;
                                return {};
                            }));
        for (std::uint32_t i = 0; i < 50; ++i) {
            kernel.submit(numbered(i), [&](const Result<void>&) { called = true; });
        }
    }
    loop.turn(std::chrono::milliseconds(1));
    CHECK(applied == 50);
    CHECK_FALSE(called);
}

TEST_SUITE_END();
