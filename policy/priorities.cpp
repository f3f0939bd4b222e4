#include "policy/priorities.hpp"

#include <algorithm>
#include <cstddef>

namespace keysluice::policy {

namespace {

constexpr std::size_t kNobody = SIZE_MAX;

/// The number in front of the first one that a policy can have.
constexpr std::uint32_t kNone = kFirstPriority - kNumbersOfOne;

/// Whether it is one that place_priorities() gives.
bool is_placed(std::uint32_t number) {
    return number >= kFirstPriority && (number - kFirstPriority) % kNumbersOfOne == 0;
}

/// The places of a longest ascending subsequence of those that are placed.
std::vector<std::size_t> longest_ascending(std::span<const std::uint32_t> numbers) {
    std::vector<std::size_t> ends;  // by length: of the subsequences that long, the end with the lowest number
    std::vector<std::size_t> behind(numbers.size(), kNobody);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (!is_placed(numbers[i])) {
            continue;
        }
        const auto end = std::ranges::lower_bound(ends, numbers[i], {}, [&](std::size_t at) { return numbers[at]; });
        behind[i] = end == ends.begin() ? kNobody : *std::prev(end);
        if (end == ends.end()) {
            ends.push_back(i);
        } else {
            *end = i;
        }
    }
    std::vector<std::size_t> places;
    for (std::size_t at = ends.empty() ? kNobody : ends.back(); at != kNobody; at = behind[at]) {
        places.push_back(at);
    }
    std::ranges::reverse(places);
    return places;
}

/// Gives [first, last) numbers between `low` and `high`, both excluded. False: there is no room.
bool spread(std::span<std::uint32_t> numbers, std::uint32_t low, std::uint32_t high) {
    const std::uint64_t room = high - low;
    const std::uint64_t even = room / (numbers.size() + 1) / kNumbersOfOne * kNumbersOfOne;
    const std::uint64_t step = std::min<std::uint64_t>(even, kPriorityStep);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] = static_cast<std::uint32_t>(low + step * (i + 1));
    }
    return step > 0 || numbers.empty();
}

}  // namespace

std::vector<std::uint32_t> place_priorities(std::span<const std::uint32_t> before) {
    std::vector<std::uint32_t> numbers(before.size());
    std::uint32_t low = kNone;
    std::size_t next = 0;
    bool fits = true;
    for (const std::size_t kept : longest_ascending(before)) {
        numbers[kept] = before[kept];
        fits = fits && spread(std::span(numbers).subspan(next, kept - next), low, before[kept]);
        low = before[kept];
        next = kept + 1;
    }
    fits = fits && spread(std::span(numbers).subspan(next), low, kLastPriority);
    if (!fits) {
        spread(numbers, kNone, kLastPriority);
    }
    return numbers;
}

}  // namespace keysluice::policy
