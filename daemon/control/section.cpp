#include "daemon/control/section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/suggestion.hpp"
#include "daemon/shared/quoted.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {
namespace {

using std::chrono::milliseconds;

struct Unit {
    std::string_view name;
    milliseconds length;
};

/// From the longest to the shortest.
constexpr std::array<Unit, 4> kUnits = {{{"h", std::chrono::hours(1)},
                                         {"min", std::chrono::minutes(1)},
                                         {"s", std::chrono::seconds(1)},
                                         {"ms", milliseconds(1)}}};

std::string print(milliseconds duration) {
    const auto* const unit =
        std::ranges::find_if(kUnits, [duration](const Unit& u) { return duration % u.length == milliseconds(0); });
    return fmt::format("{}{}", duration / unit->length, unit->name);
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
    std::uint32_t count = 0;
    const char* const end = text.data() + text.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): `end` is the size
    const auto [stop, error] = std::from_chars(text.data(), end, count);
    const std::string_view name(stop, end);
    const auto* const unit = std::ranges::find(kUnits, name, &Unit::name);
    if (error != std::errc{} || unit == kUnits.end()) {
        return std::nullopt;
    }
    return count * unit->length;
}

std::optional<std::string> path_fault(std::string_view path) {
    if (!path.starts_with('/')) {
        return "expected an absolute path, as in \"/etc/keysluice/shop.pem\"";
    }
    if (path.size() > kLongestPath) {
        return fmt::format("expected a path of at most {} bytes, got {}", kLongestPath, path.size());
    }
    if (path.find('\0') != std::string_view::npos) {
        return "a path can't contain a zero byte";
    }
    return std::nullopt;
}

Section::Section(const TomlTable& table, Position where, std::string title, Diagnostics& diagnostics)
    : table_(table), where_(std::move(where)), title_(std::move(title)), diagnostics_(diagnostics) {}

Position Section::position(std::string_view key) const {
    const TomlEntry* const entry = table_.find(key);
    return entry == nullptr ? where_ : entry->value.where;
}

const TomlValue* Section::value(std::string_view key) {
    known_.push_back(key);
    const TomlEntry* const entry = table_.find(key);
    return entry == nullptr ? nullptr : &entry->value;
}

const std::string* Section::text(std::string_view key, std::string_view expected) {
    const TomlValue* const found = value(key);
    if (found == nullptr) {
        return nullptr;
    }
    const auto* const text = std::get_if<std::string>(&found->content);
    if (text == nullptr) {
        wrong_type(key, *found, expected);
    }
    return text;
}

std::optional<std::int64_t> Section::integer(std::string_view key, std::int64_t least, std::int64_t most) {
    const TomlValue* const found = value(key);
    if (found == nullptr) {
        return {};
    }
    const std::string expected = fmt::format("an integer from {} to {}", least, most);
    const auto* const number = std::get_if<std::int64_t>(&found->content);
    if (number == nullptr) {
        wrong_type(key, *found, expected);
    } else if (*number < least || *number > most) {
        report(found->where, "out-of-range", fmt::format("{} = {}: expected {}", key, *number, expected));
    } else {
        return *number;
    }
    return {};
}

void Section::boolean(std::string_view key, bool& into) {
    const TomlValue* const found = value(key);
    const auto* const truth = found == nullptr ? nullptr : std::get_if<bool>(&found->content);
    if (truth != nullptr) {
        into = *truth;
    } else if (found != nullptr) {
        wrong_type(key, *found, "true or false");
    }
}

void Section::path(std::string_view key, std::string& into) {
    const std::string* const found = text(key, "a string with an absolute path");
    if (found == nullptr) {
        return;
    }
    if (const auto fault = path_fault(*found)) {
        report(position(key), "bad-path", fmt::format("{} = {}: {}", key, in_quotes(*found), *fault));
    } else {
        into = *found;
    }
}

void Section::duration(std::string_view key, DurationRange range, milliseconds& into) {
    const std::string* const found = text(key, "a duration in quotes, as in \"10s\"");
    if (found == nullptr) {
        return;
    }
    const auto duration = parse_duration(*found);
    if (!duration) {
        report(position(key), "bad-duration",
               fmt::format("{} = {}: expected a whole number and a unit (ms, s, min or h), as in \"10s\"", key,
                           in_quotes(*found)));
    } else if (*duration < range.shortest || *duration > range.longest) {
        report(position(key), "out-of-range",
               fmt::format("{} = {}: expected a duration from {} to {}", key, in_quotes(*found),
                           print(range.shortest), print(range.longest)));
    } else {
        into = *duration;
    }
}

void Section::endpoints(std::string_view key, std::vector<Endpoint>& into, std::vector<Position>& places) {
    const TomlValue* const found = value(key);
    if (found == nullptr) {
        return;
    }
    const auto* const array = std::get_if<TomlArray>(&found->content);
    if (array == nullptr) {
        wrong_type(key, *found, "an array of addresses, as in [\"127.0.0.1:8080\"]");
        return;
    }
    if (array->items.empty() || array->items.size() > kMostEndpoints) {
        report(found->where, "out-of-range",
               fmt::format("{} has {} addresses: expected 1 to {}", key, array->items.size(), kMostEndpoints));
        return;
    }
    for (const TomlValue& item : array->items) {
        endpoint(key, item, into, places);
    }
}

void Section::endpoint(std::string_view key, const TomlValue& item, std::vector<Endpoint>& into,
                       std::vector<Position>& places) {
    const auto* const text = std::get_if<std::string>(&item.content);
    if (text == nullptr) {
        wrong_type(key, item, "an address in quotes, as in \"127.0.0.1:8080\"");
        return;
    }
    Result<Endpoint> endpoint = parse_endpoint(*text);
    if (!endpoint) {
        report(item.where, endpoint.error().reason, fmt::format("{}: {}", key, endpoint.error().sentence));
        return;
    }
    into.push_back(*std::move(endpoint));
    places.push_back(item.where);
}

void Section::name(std::string& into) {
    const std::string* const found = text("name", "a string");
    if (found == nullptr) {
        return;
    }
    if (is_service_name(*found)) {
        into = *found;
    } else {
        report(position("name"), "bad-name",
               fmt::format("name = {}: expected 1 to {} letters, digits, \"_\", \".\" or \"-\"", in_quotes(*found),
                           kLongestServiceName));
    }
}

void Section::groups(std::vector<std::string>& into) {
    for (PlacedText& group : texts("groups", kMostGroups, "branch")) {
        if (is_service_name(group.text)) {
            into.push_back(std::move(group.text));
        } else {
            report(group.where, "bad-name",
                   fmt::format("groups: {} is no name of a group: expected 1 to {} letters, digits, \"_\", \".\" or "
                               "\"-\"",
                               in_quotes(group.text), kLongestServiceName));
        }
    }
}

std::vector<PlacedText> Section::texts(std::string_view key, std::size_t most, std::string_view example) {
    const TomlValue* const found = value(key);
    if (found == nullptr) {
        return {};
    }
    const auto* const array = std::get_if<TomlArray>(&found->content);
    if (array == nullptr) {
        wrong_type(key, *found, fmt::format("an array of strings, as in [\"{}\"]", example));
        return {};
    }
    if (array->items.empty() || array->items.size() > most) {
        report(found->where, "out-of-range",
               fmt::format("{} has {} items: expected 1 to {}", key, array->items.size(), most));
        return {};
    }
    std::vector<PlacedText> texts;
    for (const TomlValue& item : array->items) {
        if (const auto* const text = std::get_if<std::string>(&item.content)) {
            texts.push_back({*text, item.where});
        } else {
            wrong_type(key, item, fmt::format("a string, as in \"{}\"", example));
        }
    }
    return texts;
}

std::vector<PlacedText> Section::one_or_more(std::string_view key, std::size_t most, std::string_view example) {
    const TomlEntry* const entry = table_.find(key);
    const auto* const text = entry == nullptr ? nullptr : std::get_if<std::string>(&entry->value.content);
    if (text == nullptr) {
        return texts(key, most, example);
    }
    known_.push_back(key);
    return {{*text, entry->value.where}};
}

std::vector<PlacedTable> Section::tables(std::string_view key, std::string_view written) {
    const TomlValue* const found = value(key);
    const auto* const array = found == nullptr ? nullptr : std::get_if<TomlArray>(&found->content);
    if (found != nullptr && array == nullptr) {
        report(found->where, "wrong-type",
               fmt::format("{0}: expected [[{0}]], in double brackets and once for each {1}, got {2}", written, key,
                           kind_of(*found)));
    }
    std::vector<PlacedTable> tables;
    for (const TomlValue& item : array == nullptr ? std::span<const TomlValue>() : std::span(array->items)) {
        if (const auto* const table = std::get_if<TomlTable>(&item.content)) {
            tables.push_back({table, item.where});
        } else {
            report(item.where, "wrong-type", fmt::format("{}: expected a table, got {}", written, kind_of(item)));
        }
    }
    return tables;
}

void Section::require(std::string_view key, std::string_view who) {
    if (!has(key)) {
        report(position(key), "key-missing",
               fmt::format("this {} lacks the key {}, which {} needs", title_, key, who));
    }
}

void Section::report(Position where, std::string_view reason, std::string sentence) {
    diagnostics_.push_back({std::move(where), reason, std::move(sentence)});
}

void Section::refuse_the_rest() {
    std::ranges::sort(known_);
    for (const TomlEntry& entry : table_.entries) {
        if (std::ranges::binary_search(known_, std::string_view(entry.key))) {
            continue;
        }
        std::string suggestion = did_you_mean(entry.key, known_);
        if (suggestion.empty()) {
            suggestion = fmt::format("; known here: {}", fmt::join(known_, ", "));
        }
        const bool table = std::holds_alternative<TomlTable>(entry.value.content);
        report(
            entry.where, table ? "unknown-table" : "unknown-key",
            fmt::format("unknown {} {} in {}{}", table ? "table" : "key", in_quotes(entry.key), title_, suggestion));
    }
}

std::optional<std::size_t> Section::choose(std::string_view key, std::span<const std::string_view> names) {
    const std::string* const found = text(key, alternatives(names));
    if (found == nullptr) {
        return std::nullopt;
    }
    const auto name = std::ranges::find(names, *found);
    if (name == names.end()) {
        report(position(key), "not-a-choice",
               fmt::format("{} = {}: expected {}{}", key, in_quotes(*found), alternatives(names),
                           did_you_mean(*found, names)));
        return std::nullopt;
    }
    return static_cast<std::size_t>(name - names.begin());
}

void Section::wrong_type(std::string_view key, const TomlValue& value, std::string_view expected) {
    report(value.where, "wrong-type", fmt::format("{}: expected {}, got {}", key, expected, kind_of(value)));
}

}  // namespace keysluice::control
