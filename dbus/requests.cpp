#include "dbus/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <vector>

#include "base/suggestion.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::bus {
namespace {

constexpr std::size_t kCursorDigits = 16;

std::unexpected<Error> unknown(std::string_view kind, const std::string& key,
                               const std::vector<std::string_view>& known) {
    std::string list;
    for (const std::string_view each : known) {
        list += (list.empty() ? "" : ", ") + std::string(each);
    }
    return fail("bad-request", fmt::format("there is no {} {}: expected {}", kind, in_quotes(key), list));
}

std::unexpected<Error> unknown_option(const std::string& key, Knows knows) {
    switch (knows) {
        case Knows::no_other:
            return unknown("option", key, {"interactive"});
        case Knows::child:
            return unknown("option", key, {"interactive", "child"});
        case Knows::persist:
            return unknown("option", key, {"interactive", "persist"});
    }
    std::abort();
}

template <typename Value>
Result<Value> read(std::string_view kind, const std::string& key, const sdbus::Variant& value,
                   std::string_view expected) {
    try {
        return value.get<Value>();
    } catch (const sdbus::Error&) {
        return fail("bad-request", fmt::format("{} {}: expected {}", kind, key, expected));
    }
}

Result<std::string> read_text(std::string_view kind, const std::string& key, const sdbus::Variant& value) {
    return read<std::string>(kind, key, value, "a string (s)");
}

/// A filter's keys, and where the value of each goes.
using Places = std::vector<std::pair<std::string_view, std::optional<std::string>*>>;
Result<void> read_texts(const Dictionary& given, const Places& places) {
    for (const auto& [key, value] : given) {
        const auto place = std::ranges::find(places, key, &Places::value_type::first);
        if (place == places.end()) {
            std::vector<std::string_view> known;
            std::ranges::transform(places, std::back_inserter(known), &Places::value_type::first);
            return unknown("filter", key, known);
        }
        auto text = read_text("filter", key, value);
        if (!text) {
            return pass_on(std::move(text));
        }
        *place->second = *std::move(text);
    }
    return {};
}

}  // namespace

Result<Options> read_options(const Dictionary& given, Knows knows) {
    Options options;
    for (const auto& [key, value] : given) {
        if (key == "child" && knows == Knows::child) {
            auto child = read_text("option", key, value);
            if (!child) {
                return pass_on(std::move(child));
            }
            options.child = *std::move(child);
            continue;
        }
        const bool persists = key == "persist" && knows == Knows::persist;
        if (!persists && key != "interactive") {
            return unknown_option(key, knows);
        }
        const auto flag = read<bool>("option", key, value, "a boolean (b)");
        if (!flag) {
            return std::unexpected(flag.error());
        }
        if (persists) {
            options.persist = *flag;
        } else {
            options.interactive = *flag;
        }
    }
    return options;
}

Result<control::SaFilter> read_filter(const Dictionary& given) {
    control::SaFilter filter;
    auto read = read_texts(
        given, {{"connection", &filter.connection}, {"group", &filter.group}, {"remote_id", &filter.remote_id}});
    return read ? Result<control::SaFilter>(std::move(filter)) : pass_on(std::move(read));
}

Result<control::TlsFilter> read_tls_filter(const Dictionary& given) {
    control::TlsFilter filter;
    auto read = read_texts(given, {{"service", &filter.service}, {"group", &filter.group}});
    return read ? Result<control::TlsFilter>(std::move(filter)) : pass_on(std::move(read));
}

Result<std::uint64_t> read_cursor(const std::string& cursor) {
    std::uint64_t id = 0;
    if (cursor.empty()) {
        return id;
    }
    const char* const end = cursor.data() + cursor.size();
    const auto [stopped, error] = std::from_chars(cursor.data(), end, id, 16);
    if (cursor.size() != kCursorDigits || error != std::errc{} || stopped != end) {
        return fail("bad-request", fmt::format("cursor {}: expected \"\" or what the page before returned as next",
                                               in_quotes(cursor)));
    }
    return id;
}

}  // namespace keysluice::bus
