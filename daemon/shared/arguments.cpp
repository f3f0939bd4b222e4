#include "daemon/shared/arguments.hpp"

#include <fmt/format.h>
#include <getopt.h>

#include <array>
#include <charconv>

namespace keysluice {

namespace {

Result<std::uint16_t> parse_number(std::string_view option, std::string_view text) {
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return fail("bad-argument", fmt::format("--{} takes a number from 0 to 65535, not \"{}\"", option, text));
    }
    return number;
}

/// `given` is the word of the command line that getopt looked at last.
Result<void> set_option(Arguments& arguments, char option, const char* value, std::string_view given) {
    switch (option) {
        case 'd':
            arguments.runtime_directory = value;
            return {};
        case 'c':
            arguments.all_in_one = value;
            return {};
        case 'k':
            arguments.null_kernel = true;
            return {};
        case 'h':
            arguments.help = true;
            return {};
        case 'l': {
            const auto level = parse_log_level(value);
            arguments.log_level = level.value_or(LogLevel::info);
            return level ? Result<void>{} : std::unexpected(level.error());
        }
        case 'i':
        case 'n': {
            const auto number = parse_number(option == 'i' ? "index" : "engines", value);
            (option == 'i' ? arguments.index : arguments.engines) = number.value_or(0);
            return number ? Result<void>{} : std::unexpected(number.error());
        }
        case ':':
            return fail("bad-argument", fmt::format("{} takes a value; --help says which", given));
        default:
            return fail("bad-argument", fmt::format("\"{}\" is not an option; --help lists them", given));
    }
}

}  // namespace

Result<Arguments> parse_arguments(std::span<char*> argv) {
    static constexpr std::array<option, 8> kOptions{{{"runtime-directory", required_argument, nullptr, 'd'},
                                                     {"log-level", required_argument, nullptr, 'l'},
                                                     {"index", required_argument, nullptr, 'i'},
                                                     {"engines", required_argument, nullptr, 'n'},
                                                     {"all-in-one", required_argument, nullptr, 'c'},
                                                     {"null-kernel", no_argument, nullptr, 'k'},
                                                     {"help", no_argument, nullptr, 'h'},
                                                     {nullptr, 0, nullptr, 0}}};
    Arguments arguments;
    optind = 0;  // getopt keeps its place between calls, tests call more than once
    int chosen = 0;
    while ((chosen = getopt_long(static_cast<int>(argv.size()), argv.data(), ":", kOptions.data(), nullptr)) != -1) {
        if (auto set =
                set_option(arguments, static_cast<char>(chosen), optarg, argv[static_cast<std::size_t>(optind - 1)]);
            !set) {
            return pass_on(std::move(set));
        }
    }
    if (optind < static_cast<int>(argv.size())) {
        return fail("bad-argument", fmt::format("\"{}\" is not an option; --help lists them",
                                                argv[static_cast<std::size_t>(optind)]));
    }
    return arguments;
}

Result<LogLevel> parse_log_level(std::string_view text) {
    for (std::size_t i = 0; i < kLogLevelNames.size(); ++i) {
        if (text == kLogLevelNames.at(i)) {
            return static_cast<LogLevel>(i);
        }
    }
    return fail("bad-argument", fmt::format("\"{}\" is no log level; expected error, warning, info or debug", text));
}

}  // namespace keysluice
