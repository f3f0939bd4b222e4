#pragma once

#include <deque>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/import/source.hpp"

namespace keysluice::importer {

/// Whether keysluice does without what a line says, and nothing is served in another way for it.
enum class Effect { harmless, loss };

/// A line of the source that no line of the result stands for, and why.
struct Remark {
    Place place = {};
    std::string text = {};  ///< the line without what is secret in it
    std::string why = {};
    Effect effect = Effect::loss;
};

/// A file with a secret, to be made for what the result names.
struct KeyFile {
    std::string name;  ///< without a folder
    SecretBuffer contents;
};

/// What an import comes to.
struct Imported {
    std::string toml = {};
    std::vector<Remark> remarks = {};
    std::vector<KeyFile> keys = {};

    [[nodiscard]] bool complete() const;
};

/// One TOML table in the making: keys and comments in the order in which the source has them. Without a title it has
/// comments alone.
class Table {
   public:
    explicit Table(std::string title = {}) : title_(std::move(title)) {}

    void set(std::string_view key, std::string_view text);
    void set(std::string_view key, const std::vector<std::string>& texts);
    /// What is no string.
    void set_plain(std::string_view key, std::string_view value);
    void remark(Remark remark);
    /// A comment on what stands below it.
    void say(std::string_view sentence);

    [[nodiscard]] bool has(std::string_view key) const { return keys_.contains(key); }
    [[nodiscard]] std::string text() const;
    [[nodiscard]] const std::vector<Remark>& remarks() const { return remarks_; }

   private:
    std::string title_;
    std::string lines_;
    std::set<std::string, std::less<>> keys_;
    std::vector<Remark> remarks_;
};

/// The whole of it.
class Draft {
   public:
    /// `source`: what it is made of, for the first line.
    explicit Draft(std::string source) : source_(std::move(source)) {}

    void add(Table table) { tables_.push_back(std::move(table)); }
    void add(KeyFile key) { keys_.push_back(std::move(key)); }
    /// A name that keysluice takes and that no other of this kind has, as near to `wanted` as may be.
    [[nodiscard]] std::string name(std::string_view wanted, std::string_view kind = {});
    [[nodiscard]] Imported finish() &&;

   private:
    std::string source_;
    std::vector<Table> tables_;
    std::vector<KeyFile> keys_;
    std::set<std::string, std::less<>> names_;
};

/// What becomes of settings that keysluice has no key for. Rows of one setting stand together; the first whose values
/// fit counts.
struct Known {
    std::string_view key;     ///< in small letters
    std::string_view values;  ///< "no|0", in small letters; empty: any
    Effect effect = Effect::harmless;
    std::string_view why;
};

/// The row for a setting; a row of our own where there is none.
[[nodiscard]] const Known& judge(std::span<const Known> table, std::string_view key, std::string_view value);

/// What keysluice's own reader has against these tables; empty: nothing. Certificates and the like are not opened.
[[nodiscard]] std::string fault_in(std::string_view toml);
/// The same of policies, which a reader of their own takes.
[[nodiscard]] std::string fault_in_policies(std::string_view toml);

}  // namespace keysluice::importer
