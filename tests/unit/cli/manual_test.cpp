#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>

#include "cli/command_line.hpp"

using namespace keysluice::cli;

namespace {

void replace_all(std::string& text, std::initializer_list<std::string_view> parts, std::string_view by) {
    for (const std::string_view part : parts) {
        for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + by.size())) {
            text.replace(at, part.size(), by);
        }
    }
}

/// man/keysluice.1 as a reader sees it: without fonts, requests and escapes.
std::string manual() {
    std::ifstream file(KEYSLUICE_SOURCES "/man/keysluice.1");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    REQUIRE(!text.empty());
    replace_all(text, {"\\fB", "\\fI", "\\fR"}, "");
    replace_all(text, {"\\-"}, "-");
    replace_all(text, {"\n.B ", "\n.I ", "\n.BR ", "\n.BI ", "\n.RB ", "\n.RI ", "\n.IR "}, "\n");
    return text;
}

/// The part below a title.
std::string section(const std::string& text, const std::string& title) {
    const auto begin = text.find("\n.SH " + title + "\n");
    REQUIRE(begin != std::string::npos);
    return text.substr(begin, text.find("\n.SH ", begin + 1) - begin) + "\n";
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("cli: manual") {
    TEST_CASE("keysluice(1) has every command as the table has it, and no other") {
        const std::string text = section(manual(), "COMMANDS");
        std::size_t entries = 0;
        for (std::size_t at = 0; (at = text.find("\n.TP\n", at)) != std::string::npos; ++at) {
            ++entries;
        }
        CHECK(entries == commands().size());
        for (const Command& command : commands()) {
            CAPTURE(std::string(command.name));
            CHECK(has(text, fmt::format("\n.TP\n{}\n{}", synopsis(command), command.help)));
            for (const Option& option : command.options) {
                CAPTURE(std::string(option.name));
                CHECK(has(text, fmt::format("--{}", option.name)));
            }
            CHECK(has(section(manual(), "JSON"), std::string(command.name)));
        }
    }

    TEST_CASE("and what every command takes") {
        const std::string text = section(manual(), "OPTIONS");
        for (const Option& option : common_options()) {
            const std::string value = option.value.empty() ? "" : fmt::format(" {}", option.value);
            CAPTURE(std::string(option.name));
            CHECK(has(text, fmt::format("\n.TP\n--{}{}\n", option.name, value)));
        }
    }

    TEST_CASE("and every exit status") {
        const std::string text = section(manual(), "EXIT STATUS");
        for (int status = 0; status <= static_cast<int>(ExitStatus::incomplete); ++status) {
            CHECK(has(text, fmt::format("\n.TP\n{}\n", status)));
        }
        CHECK(!has(text, fmt::format("\n.TP\n{}\n", static_cast<int>(ExitStatus::incomplete) + 1)));
    }
}
