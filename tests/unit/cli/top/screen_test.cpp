#include "cli/top/screen.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "cli/printable.hpp"

using namespace keysluice::cli;

namespace {

using Values = std::vector<double>;
using Lines = std::vector<std::string>;

TopView two() {
    return {.title = "top",
            .rows = {{.name = "quiet", .state = "IKE: down", .history = {}, .unit = {}},
                     {.name = "shop", .state = "TLS: 2 kernel, 0 userspace", .history = {0, 7, 14}, .unit = "conn"}}};
}

}  // namespace

TEST_SUITE("top: screen") {
    TEST_CASE("sparklines") {
        CHECK(sparkline(Values{0, 1, 2, 3, 4, 5, 6, 7}, 8) == "▁▂▃▄▅▆▇█");
        CHECK(sparkline(Values{100, 0, 50}, 2) == "▁█");
        CHECK(sparkline(Values{0, 0}, 5) == "▁▁");
        CHECK(sparkline(Values{}, 5).empty());
        CHECK(sparkline(Values{1, 2}, 0).empty());
    }

    TEST_CASE("numbers") {
        for (const auto& [value, text] : std::vector<std::pair<double, std::string>>{{0, "0"},
                                                                                     {0.5, "0.5"},
                                                                                     {9, "9"},
                                                                                     {9.94, "9.9"},
                                                                                     {9.96, "10"},
                                                                                     {999.4, "999"},
                                                                                     {999.6, "1.0k"},
                                                                                     {12'345, "12k"},
                                                                                     {3.4e6, "3.4M"},
                                                                                     {1e21, "1000E"}}) {
            CHECK(short_number(value) == text);
        }
    }

    TEST_CASE("text that fits, and text that does not") {
        CHECK(fit("ab", 4) == "ab  ");
        CHECK(fit("abcd", 4) == "abcd");
        CHECK(fit("abcde", 4) == "abc…");
        CHECK(fit("äöüäö", 4) == "äöü…");
        CHECK(fit("abc", 0).empty());
    }

    TEST_CASE("rows by rate, in as many lines and columns as there are") {
        TopView view = two();
        const Lines lines = render(view, 80, 5);
        REQUIRE(lines.size() == 5);
        CHECK(std::ranges::all_of(lines, [](const std::string& line) { return columns(line) == 80; }));
        CHECK(lines[0].starts_with("top   by rate   q: quit"));
        CHECK(lines[2].starts_with("shop                 TLS: 2 kernel, 0 userspace             14 conn/s ▁▅█"));
        CHECK(lines[3].starts_with("quiet                IKE: down                                      - "));
        CHECK(lines[4] == std::string(80, ' '));
    }

    TEST_CASE("rows by name, and scrolled no further than there are rows") {
        TopView view = two();
        view.order = TopOrder::name;
        view.first = 7;
        const Lines lines = render(view, 40, 3);
        REQUIRE(lines.size() == 3);
        CHECK(lines[2].starts_with("shop"));
        CHECK(view.first == 1);
        CHECK(columns(lines[2]) == 40);
    }

    TEST_CASE("a terminal of next to nothing") {
        for (const std::size_t width : {0U, 1U, 5U}) {
            for (const std::size_t height : {0U, 1U, 2U, 3U}) {
                TopView view = two();
                const Lines lines = render(view, width, height);
                CHECK(lines.size() == height);
                CHECK(std::ranges::all_of(lines, [&](const std::string& line) { return columns(line) == width; }));
            }
        }
    }

    TEST_CASE("names command no terminal") {
        TopView view = two();
        view.rows[0].name = "\x1b[2J";
        const Lines lines = render(view, 80, 4);
        CHECK(std::ranges::none_of(lines, [](const std::string& line) { return line.contains('\x1b'); }));
    }
}
