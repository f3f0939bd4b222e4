#include "daemon/shared/arguments.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/captured_stderr.hpp"

using namespace keysluice;

namespace {

Result<Arguments> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "keysluice-keeper");
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    const test::CapturedStderr captured;
    auto arguments = parse_arguments(argv);
    // What is wrong is for the caller to print, once.
    CHECK(captured.text().empty());
    return arguments;
}

std::string complaint(const std::vector<std::string>& words) {
    const auto arguments = parse(words);
    REQUIRE_FALSE(arguments);
    CHECK(arguments.error().reason == "bad-argument");
    return arguments.error().sentence;
}

}  // namespace

TEST_CASE("without arguments the defaults hold") {
    const Arguments arguments = parse({}).value();
    CHECK(arguments.runtime_directory == "/run/keysluice");
    CHECK(arguments.log_level == LogLevel::info);
    CHECK(arguments.index == 0);
    CHECK(arguments.engines == 1);
    CHECK(arguments.all_in_one.empty());
    CHECK_FALSE(arguments.help);
}

TEST_CASE("each option, in both spellings") {
    const Arguments arguments = parse({"--runtime-directory", "/tmp/x", "--log-level=debug", "--index", "65535",
                                       "--engines=2", "--all-in-one", "/etc/k.toml"})
                                    .value();
    CHECK(arguments.runtime_directory == "/tmp/x");
    CHECK(arguments.log_level == LogLevel::debug);
    CHECK(arguments.index == 65535);
    CHECK(arguments.engines == 2);
    CHECK(arguments.all_in_one == "/etc/k.toml");
    CHECK(parse({"--help"}).value().help);
}

TEST_CASE("a second call starts from the beginning") {
    CHECK(parse({"--index", "3"}).value().index == 3);
    CHECK(parse({"--index", "4"}).value().index == 4);
}

TEST_CASE("what is wrong is named") {
    CHECK(complaint({"--index", "65536"}) == "--index takes a number from 0 to 65535, not \"65536\"");
    CHECK(complaint({"--engines", "two"}) == "--engines takes a number from 0 to 65535, not \"two\"");
    CHECK(complaint({"--engines", "2x"}) == "--engines takes a number from 0 to 65535, not \"2x\"");
    CHECK(complaint({"--engines", "-1"}) == "--engines takes a number from 0 to 65535, not \"-1\"");
    CHECK(complaint({"--engines", ""}) == "--engines takes a number from 0 to 65535, not \"\"");
    CHECK(complaint({"--log-level", "loud"}) == "\"loud\" is no log level; expected error, warning, info or debug");
    CHECK(complaint({"--colour"}) == "\"--colour\" is not an option; --help lists them");
    CHECK(complaint({"--help", "--colour"}) == "\"--colour\" is not an option; --help lists them");
    CHECK(complaint({"-x"}) == "\"-x\" is not an option; --help lists them");
    CHECK(complaint({"--index"}) == "--index takes a value; --help says which");
    CHECK(complaint({"keysluice.toml"}) == "\"keysluice.toml\" is not an option; --help lists them");
}

TEST_CASE("log levels are spelt as in the configuration") {
    for (const LogLevel level : {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
        CHECK(parse_log_level(to_string(level)).value() == level);
    }
    CHECK_FALSE(parse_log_level("Info"));
    CHECK_FALSE(parse_log_level(""));
}
