#include "daemon/control/service_loading.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

const Hello kOne{ProcessKind::engine, 0, 1};
const Hello kOther{ProcessKind::engine, 1, 2};

struct Fixture {
    Loop loop;
    std::vector<std::pair<Hello, LoadService>> sent;
    std::optional<ServiceLoading::Outcome> outcome;
    ServiceLoading loading{loop, [this](const Hello& process, const Message& message) {
                               sent.emplace_back(process, std::get<LoadService>(message));
                           }};

    void begin(std::size_t services) {
        std::vector<ServiceLoading::Service> all;
        for (std::uint64_t id = 1; id <= services; ++id) {
            all.push_back({.id = {id}, .settings = {static_cast<std::uint8_t>(id)}});
        }
        loading.begin(all, {kOne, kOther}, [this](ServiceLoading::Outcome came) { outcome = std::move(came); });
    }
    /// All that was asked is answered, and what is asked then.
    void answer(const Hello& from, ServiceId spoilt = {}, bool fresh = false) {
        for (std::size_t next = 0; next < sent.size(); ++next) {
            const auto [to, load] = sent[next];
            if (to == from) {
                const bool bad = load.id == spoilt;
                loading.on_loaded(from, {load.id, bad ? "not-tls" : "", bad ? "no" : "", load.load, fresh && !bad});
            }
        }
    }
};

}  // namespace

TEST_SUITE_BEGIN("service loading");

TEST_CASE_FIXTURE(Fixture, "every process is asked for every service, a few at a time") {
    begin(10);
    CHECK(sent.size() == 2 * ServiceLoading::kAhead);
    answer(kOne);
    answer(kOther, {3}, true);
    CHECK(sent.size() == 20);
    CHECK_FALSE(outcome);
    turn_until(loop, [this] { return outcome.has_value(); });
    CHECK(outcome->fresh.size() == 9);
    REQUIRE(outcome->refused.size() == 1);
    CHECK(outcome->refused.at({3}).reason == "not-tls");
    CHECK(outcome->refused.at({3}).sentence == "no");
}

TEST_CASE_FIXTURE(Fixture, "whoever dies is not waited for, and answers to another question count for nothing") {
    begin(2);
    const std::uint32_t number = sent.front().second.load;
    loading.left(kOther);
    loading.on_loaded(kOne, {{1}, "", "", number + 1, true});
    loading.on_loaded(kOne, {{1}, "", "", number, false});
    loading.on_loaded(kOne, {{1}, "not-tls", "twice", number, false});
    settle(loop);
    CHECK_FALSE(outcome);
    loading.on_loaded(kOne, {{2}, "", "", number, false});
    settle(loop);
    REQUIRE(outcome);
    CHECK(outcome->load == number);
    CHECK(outcome->refused.empty());
    CHECK(outcome->fresh.empty());
    sent.clear();
    begin(1);
    CHECK(sent.front().second.load == number + 1);
}

TEST_CASE_FIXTURE(Fixture, "what one has not answered in time is refused, and nothing else") {
    ServiceLoading hasty(
        loop,
        [&](const Hello& process, const Message& message) {
            const auto& load = std::get<LoadService>(message);
            if (process == kOne || load.id.value != 2) {
                sent.emplace_back(process, load);
            }
        },
        Duration::zero());
    hasty.begin({{.id = {1}, .settings = {}}, {.id = {2}, .settings = {}}}, {kOne, kOther},
                [this](ServiceLoading::Outcome came) { outcome = std::move(came); });
    for (const auto& [to, load] : sent) {
        hasty.on_loaded(to, {load.id, "", "", load.load, false});
    }
    turn_until(loop, [this] { return outcome.has_value(); });
    REQUIRE(outcome->refused.size() == 1);
    CHECK(outcome->refused.at({2}).reason == "engine-silent");
    CHECK(outcome->refused.at({2}).sentence == "engine 1 has not answered within 0 s");
}

TEST_CASE_FIXTURE(Fixture, "with nobody to ask, or nothing, it is over at once, and not from within the call") {
    begin(0);
    CHECK_FALSE(outcome);
    settle(loop);
    REQUIRE(outcome);
    CHECK(sent.empty());
}

TEST_SUITE_END();
