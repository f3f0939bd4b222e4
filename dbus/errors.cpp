#include "dbus/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace keysluice::bus {
namespace {

constexpr std::array<std::pair<std::string_view, const char*>, 14> kNames{{
    {"not-found", "org.keysluice1.Error.NotFound"},
    {"not-added", "org.keysluice1.Error.NotFound"},
    {"policy-not-found", "org.keysluice1.Error.NotFound"},
    {"key-not-used", "org.keysluice1.Error.NotFound"},
    {"bad-question", "org.freedesktop.DBus.Error.InvalidArgs"},
    {"ike-not-running", "org.keysluice1.Error.NotRunning"},
    {"no-route", "org.keysluice1.Error.NoRoute"},
    {"too-many-calls", "org.keysluice1.Error.Busy"},
    {"too-many-added", "org.freedesktop.DBus.Error.LimitsExceeded"},
    {"kernel-busy", "org.keysluice1.Error.Busy"},
    {"not-permitted", "org.freedesktop.DBus.Error.AccessDenied"},
    {"password-needed", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"},
    {"bad-request", "org.freedesktop.DBus.Error.InvalidArgs"},
    {"answer-too-large", "org.freedesktop.DBus.Error.LimitsExceeded"},
}};

const char* name_for(std::string_view reason) {
    for (const auto& [code, name] : kNames) {
        if (code == reason) {
            return name;
        }
    }
    return "org.keysluice1.Error.Failed";
}

/// RFC 3629 section 4: which second octets may follow which first ones, and how many octets there are in all.
struct Lead {
    unsigned first_low;
    unsigned first_high;
    unsigned second_low;
    unsigned second_high;
    std::size_t size;
};
constexpr std::array<Lead, 8> kLeads{{
    {0xc2, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
}};

constexpr bool within(unsigned value, unsigned low, unsigned high) {
    return value >= low && value <= high;
}

/// NUL, which would end a text, is none.
bool is_ascii(char character) {
    return within(static_cast<unsigned char>(character), 0x01, 0x7f);
}

/// How many octets the UTF-8 character at the beginning has; 0: there is none, or one of ASCII.
std::size_t long_character_at(std::string_view text) {
    const auto octet = [text](std::size_t at) -> unsigned {
        return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    };
    for (const Lead& lead : kLeads) {
        if (within(octet(0), lead.first_low, lead.first_high)) {
            bool good = within(octet(1), lead.second_low, lead.second_high);
            for (std::size_t at = 2; at < lead.size; ++at) {
                good = good && within(octet(at), 0x80, 0xbf);
            }
            return good ? lead.size : 0;
        }
    }
    return 0;
}

}  // namespace

std::string clean(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const auto ascii = static_cast<std::size_t>(std::ranges::find_if_not(text, is_ascii) - text.begin());
        result += text.substr(0, ascii);
        text.remove_prefix(ascii);
        if (!text.empty()) {
            const std::size_t size = long_character_at(text);
            result += size == 0 ? "\xef\xbf\xbd" : text.substr(0, size);
            text.remove_prefix(size == 0 ? 1 : size);
        }
    }
    return result;
}

sdbus::Error to_bus_error(const Error& error) {
    return make_error(name_for(error.reason), clean(fmt::format("{} ({})", error.sentence, error.reason)));
}

sdbus::Error to_bus_error(const control::Diagnostics& wrong) {
    std::string text;
    for (const control::Diagnostic& each : wrong) {
        text += fmt::format("{}{} ({})", text.empty() ? "" : "\n", to_string(each), each.reason);
    }
    return make_error("org.keysluice1.Error.InvalidConfiguration", clean(text));
}

sdbus::Error to_bus_error(const control::Refusal& refusal) {
    return std::visit([](const auto& each) { return to_bus_error(each); }, refusal);
}

void sending(const std::function<void()>& step) {
    try {
        step();
    } catch (const sdbus::Error&) {  // NOLINT(bugprone-empty-catch)
    }
}

}  // namespace keysluice::bus
