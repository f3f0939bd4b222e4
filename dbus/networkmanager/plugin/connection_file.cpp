#include "dbus/networkmanager/plugin/connection_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/suggestion.hpp"
#include "daemon/control/toml_document.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::networkmanager {
namespace {

using control::Diagnostic;
using control::Position;
using control::TomlArray;
using control::TomlEntry;
using control::TomlTable;
using control::TomlValue;
using Done = std::expected<void, Diagnostic>;

constexpr std::string_view kKeyFile = "file:";

/// Keys of files that stand for nothing in vpn.data, and are not missed there.
constexpr std::array<std::string_view, 2> kSecrets{"psk", "eap_password"};

std::unexpected<Diagnostic> wrong(const Position& where, std::string sentence) {
    return std::unexpected(Diagnostic{where, "not-importable", std::move(sentence)});
}

std::unexpected<Diagnostic> wrong_kind(const TomlEntry& entry, std::string_view expected) {
    return wrong(entry.value.where,
                 fmt::format("{}: expected {}, found {}", entry.key, expected, control::kind_of(entry.value)));
}

/// The only table of an array of them.
std::expected<const TomlTable*, Diagnostic> only_table(const TomlEntry& entry, std::string_view written) {
    const auto* const array = std::get_if<TomlArray>(&entry.value.content);
    if (array == nullptr || array->items.empty()) {
        return wrong(entry.where, fmt::format("{}: expected one {}", entry.key, written));
    }
    if (array->items.size() > 1) {
        return std::unexpected(
            Diagnostic{array->items[1].where, "not-one-connection",
                       fmt::format("a second {}: a connection of NetworkManager's has one", written)});
    }
    const auto* const table = std::get_if<TomlTable>(&array->items.front().content);
    return table == nullptr ? wrong(entry.where, fmt::format("{}: expected one {}", entry.key, written))
                            : std::expected<const TomlTable*, Diagnostic>(table);
}

/// The table below the only key of a table.
std::expected<const TomlEntry*, Diagnostic> only_entry(const TomlTable& table, std::string_view key,
                                                       const std::string& file) {
    const auto other = std::ranges::find_if(table.entries, [&](const TomlEntry& each) { return each.key != key; });
    if (other != table.entries.end()) {
        return wrong(other->where, fmt::format("{}: a connection of NetworkManager's is one [[ike.connection]] with "
                                               "its child, and nothing else",
                                               in_quotes(other->key)));
    }
    if (table.entries.empty()) {
        return std::unexpected(
            Diagnostic{{file, 1, 1}, "not-one-connection", "expected one [[ike.connection]] with its child"});
    }
    return &table.entries.front();
}

std::expected<std::string, Diagnostic> text_of(const TomlEntry& entry) {
    const auto* const text = std::get_if<std::string>(&entry.value.content);
    if (text == nullptr) {
        return wrong_kind(entry, "a string");
    }
    if (text->empty()) {
        return wrong(entry.value.where, fmt::format("{}: vpn.data has no empty values", entry.key));
    }
    return *text;
}

/// An array of strings, or one string where that is allowed.
std::expected<std::string, Diagnostic> list_of(const TomlEntry& entry, bool may_be_one) {
    std::vector<const TomlValue*> items;
    if (const auto* const array = std::get_if<TomlArray>(&entry.value.content)) {
        std::ranges::transform(array->items, std::back_inserter(items), [](const TomlValue& each) { return &each; });
    } else if (may_be_one) {
        items.push_back(&entry.value);
    } else {
        return wrong_kind(entry, "an array of strings");
    }
    std::string list;
    for (const TomlValue* const item : items) {
        const auto* const text = std::get_if<std::string>(&item->content);
        if (text == nullptr || text->empty() || std::ranges::any_of(*text, is_separator)) {
            return wrong(item->where, fmt::format("{}: expected strings without spaces, commas and semicolons, which "
                                                  "stand between the items of a value in vpn.data",
                                                  entry.key));
        }
        list += (list.empty() ? "" : " ") + *text;
    }
    if (list.empty()) {
        return wrong(entry.value.where, fmt::format("{}: vpn.data has no empty values", entry.key));
    }
    return list;
}

std::expected<std::string, Diagnostic> key_file_of(const TomlEntry& entry) {
    auto text = text_of(entry);
    if (text && !text->starts_with(kKeyFile)) {
        return wrong(entry.value.where, fmt::format("{} = {}: vpn.data names files only; expected \"file:/PATH\"",
                                                    entry.key, in_quotes(*text)));
    }
    return text ? text->substr(kKeyFile.size()) : text;
}

std::expected<std::string, Diagnostic> value_of(const TomlEntry& entry, Form form) {
    switch (form) {
        case Form::text:
        case Form::file:
            break;
        case Form::list:
        case Form::files:
            return list_of(entry, form == Form::files);
        case Form::one_or_more:
            return list_of(entry, true);
        case Form::key_file:
            return key_file_of(entry);
    }
    return text_of(entry);
}

std::unexpected<Diagnostic> no_such_key(const TomlEntry& entry, Table table) {
    std::vector<std::string_view> known;
    for (const Key& key : keys()) {
        if (key.table == table) {
            known.push_back(key.toml);
        }
    }
    return wrong(entry.where, fmt::format("{}: there is no key for it in vpn.data{}", in_quotes(entry.key),
                                          did_you_mean(entry.key, known)));
}

Done take(const TomlEntry& entry, Table table, Data& into) {
    const auto key =
        std::ranges::find_if(keys(), [&](const Key& each) { return each.table == table && each.toml == entry.key; });
    if (key == keys().end()) {
        return no_such_key(entry, table);
    }
    auto value = value_of(entry, key->form);
    if (!value) {
        return std::unexpected(std::move(value).error());
    }
    into.emplace(key->data, *std::move(value));
    return {};
}

Done take_text(const TomlEntry& entry, std::string& into) {
    auto text = text_of(entry);
    if (!text) {
        return std::unexpected(std::move(text).error());
    }
    into = *std::move(text);
    return {};
}

Done take_start(const TomlEntry& entry) {
    std::string text;
    if (const Done taken = take_text(entry, text); !taken) {
        return taken;
    }
    return text == "manual" ? wrong(entry.value.where,
                                    "start = \"manual\": NetworkManager's connections begin themselves; expected "
                                    "\"on-load\" or \"on-traffic\", or no start")
                            : Done();
}

Done take_child(const TomlEntry& entry, Data& into) {
    const auto table = only_table(entry, "[[ike.connection.child]]");
    if (!table) {
        return std::unexpected(table.error());
    }
    for (const TomlEntry& each : (*table)->entries) {
        if (const Done taken = each.key == "name" ? Done() : take(each, Table::child, into); !taken) {
            return taken;
        }
    }
    return {};
}

Done take_one(const TomlEntry& entry, ImportedConnection& into) {
    if (entry.key == "name") {
        return take_text(entry, into.id);
    }
    if (entry.key == "start") {
        return take_start(entry);
    }
    if (entry.key == "child") {
        return take_child(entry, into.data);
    }
    if (std::ranges::find(kSecrets, entry.key) != kSecrets.end()) {
        std::string place;  // that is not followed
        return take_text(entry, place);
    }
    return take(entry, Table::connection, into.data);
}

/// "nm-" and the beginning of a UUID: what vpn.data without an interface stands for.
bool is_own_interface(std::string_view name) {
    constexpr std::string_view kPrefix = "nm-";
    return name.starts_with(kPrefix) && name.size() == kPrefix.size() + kOwnInterface &&
           name.substr(kPrefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// What the one has by default and the other hasn't.
void settle_defaults(Data& data) {
    const auto id = data.try_emplace("remote-id", "*").first;
    if (id->second == data.at("gateway")) {
        data.erase(id);
    }
    const auto interface = data.find("interface");
    if (interface != data.end() && data.contains("virtual-addresses") && is_own_interface(interface->second)) {
        data.erase(interface);
    }
}

}  // namespace

std::expected<ImportedConnection, Diagnostic> import_connection(std::string_view text, const std::string& file) {
    const auto document = control::parse_toml(text, file);
    if (!document) {
        return std::unexpected(document.error());
    }
    const auto ike = only_entry(*document, "ike", file);
    const auto* const table = ike ? std::get_if<TomlTable>(&(*ike)->value.content) : nullptr;
    if (table == nullptr) {
        return std::unexpected(ike ? wrong_kind(**ike, "the table [ike]").error() : ike.error());
    }
    const auto list = only_entry(*table, "connection", file);
    const auto connection = list ? only_table(**list, "[[ike.connection]]") : std::unexpected(list.error());
    if (!connection) {
        return std::unexpected(connection.error());
    }
    ImportedConnection imported;
    for (const TomlEntry& entry : (*connection)->entries) {
        if (const Done taken = take_one(entry, imported); !taken) {
            return std::unexpected(taken.error());
        }
    }
    if (!imported.data.contains("gateway") || imported.data.at("gateway") == "any") {
        return wrong((*list)->where,
                     "remote is missing: NetworkManager's connections begin themselves, and need the "
                     "peer's address or host name");
    }
    settle_defaults(imported.data);
    return imported;
}

}  // namespace keysluice::networkmanager
