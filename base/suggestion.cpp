#include "base/suggestion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace keysluice {
namespace {

constexpr std::size_t kShortestAbbreviation = 3;

std::size_t distance(std::string_view typed, std::string_view word) {
    const bool abbreviation = typed.size() >= kShortestAbbreviation && word.starts_with(typed);
    return abbreviation ? 1 : edit_distance(typed, word);
}

}  // namespace

// Optimal string alignment, three rows of the table at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(above.begin(), above.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t exchanged = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, exchanged});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        before.swap(above);
        above.swap(row);
    }
    return above[b.size()];
}

std::optional<std::string_view> nearest(std::string_view typed, std::span<const std::string_view> words) {
    std::optional<std::string_view> best;
    std::size_t least = 0;
    for (const std::string_view word : words) {
        const std::size_t tolerated = std::max<std::size_t>(1, word.size() / 3);
        // Most words are of another length, and need no closer look.
        const bool too_long = typed.size() > word.size() + tolerated;
        const std::size_t changes = too_long ? tolerated + 1 : distance(typed, word);
        if (changes <= tolerated && (!best || changes < least)) {
            best = word;
            least = changes;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> words) {
    const auto word = nearest(typed, words);
    return word ? fmt::format("; did you mean \"{}\"?", *word) : std::string();
}

std::string alternatives(std::span<const std::string_view> words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view separator = i == 0 ? "" : (i + 1 == words.size() ? " or " : ", ");
        out += fmt::format("{}\"{}\"", separator, words[i]);
    }
    return out;
}

}  // namespace keysluice
