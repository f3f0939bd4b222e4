#include "cli/top/screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "cli/printable.hpp"

namespace keysluice::cli {
namespace {

constexpr std::size_t kNameWidth = 20;
constexpr std::size_t kStateWidth = 36;
constexpr std::size_t kRateWidth = 11;
constexpr std::size_t kHeadLines = 2;

/// Octets of the first so many characters.
std::size_t octets_of(std::string_view text, std::size_t characters) {
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U;
        if (begins && characters-- == 0) {
            break;
        }
    }
    return at;
}

std::string line_of(std::string_view name, std::string_view state, std::string_view rate, std::string_view history,
                    std::size_t width) {
    return fit(fmt::format("{} {} {} {}", fit(name, kNameWidth), fit(state, kStateWidth), rate, history), width);
}

void sort(TopView& view) {
    std::ranges::sort(view.rows, [&view](const TopRow& a, const TopRow& b) {
        const bool by_rate = view.order == TopOrder::rate && a.rate() != b.rate();
        return by_rate ? a.rate() > b.rate() : std::tie(a.name, a.state) < std::tie(b.name, b.state);
    });
}

}  // namespace

std::string sparkline(std::span<const double> values, std::size_t width) {
    constexpr std::array<std::string_view, 8> kBars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const auto shown = values.last(std::min(width, values.size()));
    const double largest = shown.empty() ? 0 : *std::ranges::max_element(shown);
    std::string bars;
    for (const double value : shown) {
        const double part = largest > 0 ? value / largest : 0;
        bars += kBars.at(static_cast<std::size_t>(std::lround(part * (kBars.size() - 1))));
    }
    return bars;
}

std::string short_number(double value) {
    constexpr std::array<std::string_view, 7> kUnits{"", "k", "M", "G", "T", "P", "E"};
    std::size_t unit = 0;
    while (value >= 999.5 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    const bool whole = value >= 9.95 || (unit == 0 && value == std::floor(value));
    return whole ? fmt::format("{:.0f}{}", value, kUnits.at(unit)) : fmt::format("{:.1f}{}", value, kUnits.at(unit));
}

std::string fit(std::string_view text, std::size_t width) {
    const std::size_t taken = columns(text);
    if (taken <= width) {
        return std::string(text) + std::string(width - taken, ' ');
    }
    return width == 0 ? "" : std::string(text.substr(0, octets_of(text, width - 1))) + "…";
}

std::vector<std::string> render(TopView& view, std::size_t width, std::size_t height) {
    sort(view);
    const std::size_t room = height > kHeadLines ? height - kHeadLines : 0;
    view.first = std::min(view.first, view.rows.size() > room ? view.rows.size() - room : 0);
    const std::size_t used = kNameWidth + kStateWidth + kRateWidth + 3;
    std::vector<std::string> lines{
        fit(fmt::format("{}   by {}   q: quit  s: sort  ↑↓: scroll", printable(view.title),
                        view.order == TopOrder::rate ? "rate" : "name"),
            width),
        line_of("NAME", "STATE", fmt::format("{:>{}}", "RATE", kRateWidth), "HISTORY", width)};
    for (std::size_t i = view.first; i < view.rows.size() && lines.size() < height; ++i) {
        const TopRow& row = view.rows[i];
        const std::string rate =
            row.history.empty() ? "-" : fmt::format("{} {}/s", short_number(row.rate()), row.unit);
        lines.push_back(line_of(printable(row.name), printable(row.state), fmt::format("{:>{}}", rate, kRateWidth),
                                sparkline(row.history, width > used ? width - used : 0), width));
    }
    lines.resize(height, std::string(width, ' '));
    return lines;
}

}  // namespace keysluice::cli
