#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/toml_document.hpp"
#include "daemon/shared/endpoint.hpp"

namespace keysluice::control {

struct DurationRange {
    std::chrono::milliseconds shortest;
    std::chrono::milliseconds longest;
};

struct PlacedText {
    std::string text;
    Position where;
};
struct PlacedTable {
    const TomlTable* table;
    Position where;
};

/// One table of the configuration, read key by key. What is wrong is reported and read over: a member that can't be
/// read keeps its value, and the rest of the table is checked all the same.
///
/// The keys that were asked for are the keys that exist; `refuse_the_rest()` comes last and reports all others.
class Section {
   public:
    /// `title` is how the file writes it: "[daemon]".
    Section(const TomlTable& table, Position where, std::string title, Diagnostics& diagnostics);

    [[nodiscard]] bool has(std::string_view key) const { return table_.find(key) != nullptr; }
    /// Of the key's value, or of the section where there is no such key.
    [[nodiscard]] Position position(std::string_view key) const;

    /// The key's value, or nothing. These two leave it to the caller to say what is wrong with it.
    [[nodiscard]] const TomlValue* value(std::string_view key);
    [[nodiscard]] const std::string* text(std::string_view key, std::string_view expected);

    /// The key "name": letters, digits, "_", "." and "-".
    void name(std::string& into);
    /// The key "groups": names like that, at most kMostGroups.
    static constexpr std::size_t kMostGroups = 64;
    void groups(std::vector<std::string>& into);
    template <std::unsigned_integral Into>
    void integer(std::string_view key, std::int64_t least, std::int64_t most, Into& into) {
        if (const auto number = integer(key, least, most)) {
            into = static_cast<Into>(*number);
        }
    }
    void boolean(std::string_view key, bool& into);
    void path(std::string_view key, std::string& into);
    void duration(std::string_view key, DurationRange range, std::chrono::milliseconds& into);
    /// An array of 1 to kMostEndpoints of them; `places` gets one position for each.
    void endpoints(std::string_view key, std::vector<Endpoint>& into, std::vector<Position>& places);

    /// An array of 1 to `most` strings; nothing where there is no such key or it is wrong. `example` is one string of
    /// it, in quotes.
    [[nodiscard]] std::vector<PlacedText> texts(std::string_view key, std::size_t most, std::string_view example);
    /// The same, or one string alone.
    [[nodiscard]] std::vector<PlacedText> one_or_more(std::string_view key, std::size_t most,
                                                      std::string_view example);
    /// An array of tables, [[like.this]] (`written`), of which there may be none.
    [[nodiscard]] std::vector<PlacedTable> tables(std::string_view key, std::string_view written);

    /// One of `names`, which stand in the order of the enumerators.
    template <typename Enum>
    void choice(std::string_view key, std::span<const std::string_view> names, Enum& into) {
        if (const auto index = choose(key, names)) {
            into = static_cast<Enum>(*index);
        }
    }

    /// Reports the key where it is missing; `who` needs it.
    void require(std::string_view key, std::string_view who);
    void report(Position where, std::string_view reason, std::string sentence);
    void refuse_the_rest();

   private:
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
    std::optional<std::size_t> choose(std::string_view key, std::span<const std::string_view> names);
    void endpoint(std::string_view key, const TomlValue& item, std::vector<Endpoint>& into,
                  std::vector<Position>& places);
    void wrong_type(std::string_view key, const TomlValue& value, std::string_view expected);

    const TomlTable& table_;
    Position where_;
    std::string title_;
    Diagnostics& diagnostics_;
    std::vector<std::string_view> known_;
};

/// "500ms", "10s", "5min" or "1h": a whole number and a unit.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// What is wrong with it as an absolute path, or nothing.
[[nodiscard]] std::optional<std::string> path_fault(std::string_view path);

}  // namespace keysluice::control
