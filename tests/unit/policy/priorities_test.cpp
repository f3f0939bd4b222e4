#include "policy/priorities.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

using namespace keysluice::policy;

namespace {

std::vector<std::uint32_t> placed(std::vector<std::uint32_t> before) {
    return place_priorities(before);
}

/// With room for those of children.
bool ascend(const std::vector<std::uint32_t>& numbers) {
    return std::ranges::adjacent_find(numbers, [](std::uint32_t a, std::uint32_t b) {
               return a >= b || b - a < kNumbersOfOne;
           }) == numbers.end();
}

constexpr std::uint32_t kStep = kPriorityStep;
constexpr std::uint32_t kNone = kFirstPriority - kNumbersOfOne;
constexpr std::uint32_t kOne = kNone + kStep;

}  // namespace

TEST_SUITE_BEGIN("priorities of policies");

TEST_CASE("the first ones get numbers with room between them") {
    CHECK(placed({0, 0, 0}) == std::vector{kOne, kOne + kStep, kOne + 2 * kStep});
    CHECK(placed({}).empty());
}

TEST_CASE("what stays in its order keeps its number") {
    CHECK(placed({kOne, kOne + kStep, kOne + 2 * kStep}) == std::vector{kOne, kOne + kStep, kOne + 2 * kStep});
    CHECK(placed({kOne, kOne + 2 * kStep}) == std::vector{kOne, kOne + 2 * kStep});
}

TEST_CASE("a new one comes between its neighbours") {
    CHECK(placed({kOne, 0, kOne + kStep}) == std::vector{kOne, kOne + kStep / 2, kOne + kStep});
    CHECK(placed({0, kOne}) == std::vector{kNone + kStep / 2, kOne});
    CHECK(placed({kOne, 0}) == std::vector{kOne, kOne + kStep});
}

TEST_CASE("of those that change their order the most stay") {
    const auto moved = placed({kOne + kStep, kOne + 2 * kStep, kOne + 3 * kStep, kOne});
    CHECK(moved == std::vector{kOne + kStep, kOne + 2 * kStep, kOne + 3 * kStep, kOne + 4 * kStep});
}

TEST_CASE("where there is no room between two, all get new numbers") {
    CHECK(placed({kOne, 0, kOne + kNumbersOfOne}) == std::vector{kOne, kOne + kStep, kOne + 2 * kStep});
    CHECK(placed({kLastPriority - (kLastPriority - kFirstPriority) % kNumbersOfOne, 0}) ==
          std::vector{kOne, kOne + kStep});
}

TEST_CASE("a number that nobody can have had is none") {
    CHECK(placed({kOne + 1, kOne + kStep}) == std::vector{kOne, kOne + kStep});
    CHECK(placed({kFirstPriority - kNumbersOfOne, 0}) == std::vector{kOne, kOne + kStep});
}

TEST_CASE("as many as are allowed fit") {
    const auto all = placed(std::vector<std::uint32_t>(kMostPolicies));
    CHECK(ascend(all));
    CHECK(all.back() < kLastPriority);
}

TEST_CASE("whatever comes, the numbers ascend") {
    std::mt19937 random(std::random_device{}());
    std::vector<std::uint32_t> numbers(20);
    for (int round = 0; round < 2000; ++round) {
        numbers = placed(numbers);
        REQUIRE(ascend(numbers));
        REQUIRE(numbers.front() >= kFirstPriority);
        REQUIRE(numbers.back() < kLastPriority);
        const auto at = [&] { return numbers.begin() + static_cast<std::ptrdiff_t>(random() % numbers.size()); };
        std::iter_swap(at(), at());
        *at() = 0;
    }
}

TEST_SUITE_END();
