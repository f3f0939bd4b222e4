#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice::cli {

/// A connection or a service, at one moment.
struct TopRow {
    std::string name;
    std::string state;            ///< half a sentence
    std::vector<double> history;  ///< per second, the newest last; empty: not known
    std::string unit;             ///< of what: "conn", "B"

    [[nodiscard]] double rate() const { return history.empty() ? 0 : history.back(); }
};

enum class TopOrder { rate, name };

struct TopView {
    std::string title;
    std::vector<TopRow> rows;
    TopOrder order = TopOrder::rate;
    std::size_t first = 0;  ///< row at the top
};

/// A bar for each of the last `width` values, as high as it is beside the largest of them.
[[nodiscard]] std::string sparkline(std::span<const double> values, std::size_t width);
/// "0", "9.5", "120", "1.2k", "34M": at most 4 characters.
[[nodiscard]] std::string short_number(double value);
/// Exactly so many columns: padded with spaces, or cut, with "…" at the end.
[[nodiscard]] std::string fit(std::string_view text, std::size_t width);

/// Exactly `height` lines of `width` columns. Sorts the rows, and brings `first` to where rows are. What came from
/// outside is made printable here.
[[nodiscard]] std::vector<std::string> render(TopView& view, std::size_t width, std::size_t height);

}  // namespace keysluice::cli
