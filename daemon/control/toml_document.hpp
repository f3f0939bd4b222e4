#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/control/diagnostic.hpp"

namespace keysluice::control {

struct TomlValue;
struct TomlEntry;

struct TomlArray {
    std::vector<TomlValue> items;
};

/// A table with its keys in alphabetical order.
struct TomlTable {
    std::vector<TomlEntry> entries;

    [[nodiscard]] const TomlEntry* find(std::string_view key) const;
};

/// A kind of value that no key of ours takes: "a date".
struct TomlOther {
    std::string_view kind;
};

struct TomlValue {
    Position where;
    std::variant<std::string, std::int64_t, bool, TomlArray, TomlTable, TomlOther> content;
};

struct TomlEntry {
    std::string key;
    Position where;
    TomlValue value;
};

/// "a string", "an integer", …: for sentences that say what came instead of what was expected.
[[nodiscard]] std::string_view kind_of(const TomlValue& value);

/// Reads a whole TOML 1.0 document. It keeps toml++, which is slow to compile, out of everything else.
///
/// Errors: `toml-syntax` at the place where the parser gave up, `file-not-utf8`, and `secret-in-file` for a PEM
/// private key anywhere in the text. No error repeats more of the text than a key or a character.
[[nodiscard]] std::expected<TomlTable, Diagnostic> parse_toml(std::string_view text, const std::string& file);

}  // namespace keysluice::control
