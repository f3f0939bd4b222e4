#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice::networkmanager {

/// NetworkManager's vpn.data.
using Data = std::map<std::string, std::string>;

/// How the value of a key is written in TOML. `one_or_more` is a text, or a list where it has several items. `file`
/// and `files` name what keysluiced opens, or are the PEM that stands there, and so does `key_file`, or is
/// kGivenPrivateKey.
enum class Form : std::uint8_t { text, list, one_or_more, file, files, key_file };
/// In the place of a file's name.
inline constexpr std::string_view kGivenPrivateKey = "option:private_key";
[[nodiscard]] bool names_files(Form form);
/// Which table of a configuration file has it: [[ike.connection]] or its [[ike.connection.child]].
enum class Table : std::uint8_t { connection, child };

struct Key {
    std::string_view data;  ///< in vpn.data
    std::string_view toml;
    Form form;
    Table table;
};

/// Of the UUID, for the name of an interface: eight hexadecimal digits.
inline constexpr std::size_t kOwnInterface = 8;

/// All that stand for each other in vpn.data and in configuration files.
[[nodiscard]] std::span<const Key> keys();

/// What may stand between two items of a value.
[[nodiscard]] bool is_separator(char character);
[[nodiscard]] std::vector<std::string_view> items_of(std::string_view value);

/// Appends lines with the keys of this table that `data` has.
void append_table(std::string& into, const Data& data, Table table);

}  // namespace keysluice::networkmanager
