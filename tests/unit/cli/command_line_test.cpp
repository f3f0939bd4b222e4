#include "cli/command_line.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace keysluice;
using namespace keysluice::cli;

namespace {

Result<Invocation> read(const std::vector<std::string>& words) {
    return read_command_line(words);
}

std::string complaint(const std::vector<std::string>& words) {
    const auto line = read(words);
    REQUIRE(!line);
    CHECK(line.error().reason == "bad-argument");
    return line.error().sentence;
}

}  // namespace

TEST_SUITE("cli: command line") {
    TEST_CASE("options stand anywhere, with their value behind them or behind a sign of equality") {
        for (const auto& words :
             std::vector<std::vector<std::string>>{{"list", "hq", "--ike", "--json", "--bus", "unix:path=/x"},
                                                   {"--bus=unix:path=/x", "--json", "list", "--ike", "--", "hq"}}) {
            const auto line = read(words);
            REQUIRE(line);
            CHECK(line->command == find_command("list"));
            CHECK(line->arguments == std::vector<std::string>{"hq"});
            CHECK(line->has("ike"));
            CHECK(!line->has("tls"));
            CHECK(line->json());
            CHECK(line->value("bus") == "unix:path=/x");
            CHECK(line->value("watch", "none") == "none");
        }
        CHECK(read({"show", "--", "--odd"})->name() == "--odd");
    }

    TEST_CASE("help and version want no command, and no argument of one") {
        CHECK(read({"--help"})->command == nullptr);
        CHECK(read({"show", "-h"})->command == find_command("show"));
        CHECK(read({"--version"})->has("version"));
    }

    TEST_CASE("what is wrong is said, with what was probably meant") {
        CHECK(complaint({}) == "a command is expected, such as status; keysluice --help lists them");
        CHECK(complaint({"statsu"}) ==
              "there is no command \"statsu\"; did you mean \"status\"?; keysluice --help lists them");
        CHECK(complaint({"list", "--chlid"}) ==
              "keysluice list has no option \"--chlid\"; did you mean \"child\"?; --help lists them");
        CHECK(complaint({"status", "--ike"}).starts_with("keysluice status has no option \"--ike\""));
        CHECK(complaint({"--ike", "list"}).starts_with("keysluice has no option"));
        CHECK(complaint({"list", "-x"}).starts_with("keysluice list has no option \"-x\""));
        CHECK(complaint({"list", "--ike=yes"}) == "--ike takes no value");
        CHECK(complaint({"list", "--bus"}) == "--bus wants ADDRESS behind it");
        CHECK(complaint({"show"}) == "keysluice show wants NAME|ID");
        CHECK(complaint({"show", "a", "\x1b"}) == "keysluice show does not know what to do with \"\\x1b\"");
    }

    TEST_CASE("--watch takes seconds") {
        const auto interval = [](const std::string& text) {
            return watch_interval(*read({"status", "--watch", text}));
        };
        CHECK(*interval("2") == std::chrono::seconds(2));
        CHECK(*interval("0.25") == std::chrono::milliseconds(250));
        for (const char* wrong : {"", "0", "-1", "2s", "1e9", "nan"}) {
            CHECK(interval(wrong).error().reason == "bad-argument");
        }
        CHECK(!watch_interval(*read({"status"}))->has_value());
    }

    TEST_CASE("the table is sound: names are unique, every row does something, options follow from it") {
        std::set<std::string_view> names;
        for (const Command& command : commands()) {
            CAPTURE(std::string(command.name));
            CHECK(names.insert(command.name).second);
            CHECK((command.run != nullptr));
            CHECK(!command.help.empty());
            CHECK(!command.help.ends_with('.'));
            std::set<std::string_view> options;
            for (const Option& option : common_options()) {
                options.insert(option.name);
            }
            for (const Option& option : command.options) {
                CHECK(options.insert(option.name).second);
            }
            CHECK(help(&command).find(synopsis(command)) != std::string::npos);
            CHECK(help(nullptr).find(std::string(command.help)) != std::string::npos);
        }
        CHECK(synopsis(*find_command("list")) == "list [--ike] [--child] [--tls] [--counters] [NAME|ID]");
    }
}
