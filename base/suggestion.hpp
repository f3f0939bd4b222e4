#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keysluice {

/// How many single characters must be inserted, left out, exchanged or swapped with their neighbour.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The word that `typed` was probably meant to be: one that begins like that, or the nearest one, if a third of it or
/// less (at least one character) has to change.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view typed,
                                                      std::span<const std::string_view> words);

/// `; did you mean "auto"?`, or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view typed, std::span<const std::string_view> words);

/// `"auto", "require" or "off"`.
[[nodiscard]] std::string alternatives(std::span<const std::string_view> words);

}  // namespace keysluice
