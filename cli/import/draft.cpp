#include "cli/import/draft.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/printable.hpp"
#include "daemon/control/configuration.hpp"
#include "daemon/control/policy_files.hpp"

namespace keysluice::importer {
namespace {

constexpr std::size_t kLongestShown = 200;
constexpr std::size_t kLongestReason = 400;
constexpr std::size_t kLongestName = 64;

/// A TOML basic string. What is no UTF-8 or no character to be seen has been made into an escape by printable().
std::string in_toml(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        const bool plain = static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '"' && c != '\\';
        result += plain ? std::string(1, c) : fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    }
    return result + "\"";
}

/// Text without octets that a TOML file may not have. (Of a backslash, printable() would make two.)
std::string presentable(std::string_view text) {
    std::string shown;
    for (bool first = true; first || !text.empty(); first = false) {
        const std::string_view piece = text.substr(0, text.find('\\'));
        const bool more = piece.size() < text.size();
        shown += cli::printable(piece) + (more ? "\\" : "");
        text.remove_prefix(piece.size() + (more ? 1 : 0));
    }
    return shown;
}

std::string cut(std::string_view text, std::size_t most = kLongestShown) {
    std::string shown = cli::printable(text);
    if (shown.size() <= most) {
        return shown;
    }
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xc0U) == 0x80U) {
        --end;
    }
    return shown.substr(0, end) + "…";
}

}  // namespace

bool Imported::complete() const {
    return std::ranges::none_of(remarks, [](const Remark& remark) { return remark.effect == Effect::loss; });
}

void Table::set(std::string_view key, std::string_view text) {
    set_plain(key, in_toml(presentable(text)));
}

void Table::set(std::string_view key, const std::vector<std::string>& texts) {
    std::string list;
    for (const std::string& text : texts) {
        list += (list.empty() ? "" : ", ") + in_toml(presentable(text));
    }
    set_plain(key, "[" + list + "]");
}

void Table::set_plain(std::string_view key, std::string_view value) {
    if (keys_.emplace(key).second) {
        lines_ += fmt::format("{} = {}\n", key, value);
    }
}

void Table::remark(Remark remark) {
    lines_ +=
        fmt::format("# {}: {}: {}\n", cut(print(remark.place)), cut(remark.text), cut(remark.why, kLongestReason));
    remarks_.push_back(std::move(remark));
}

void Table::say(std::string_view sentence) {
    lines_ += fmt::format("# {}\n", cli::printable(sentence));
}

std::string Table::text() const {
    return title_.empty() ? lines_ : fmt::format("{}\n{}", title_, lines_);
}

std::string Draft::name(std::string_view wanted, std::string_view kind) {
    std::string base;
    for (const char c : wanted.substr(0, kLongestName)) {
        const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                             c == '.' || c == '-';
        base += allowed ? c : '-';
    }
    if (base.empty()) {
        base = "unnamed";
    }
    std::string found = base;
    for (unsigned i = 2; !names_.insert(fmt::format("{} {}", kind, found)).second; ++i) {
        const std::string ending = fmt::format("-{}", i);
        found = base.substr(0, kLongestName - ending.size()) + ending;
    }
    return found;
}

Imported Draft::finish() && {
    Imported imported;
    imported.toml = fmt::format("# Made by `keysluice import` of {}.\n", cut(source_));
    for (const Table& table : tables_) {
        const std::string text = table.text();
        imported.toml += text.empty() ? "" : "\n" + text;
        imported.remarks.insert(imported.remarks.end(), table.remarks().begin(), table.remarks().end());
    }
    imported.keys = std::move(keys_);
    return imported;
}

const Known& judge(std::span<const Known> table, std::string_view key, std::string_view value) {
    static constexpr Known kUnknown{"", "", Effect::loss, "keysluice has nothing like it"};
    const std::string small = lower(value);
    const auto fits = [&](const Known& row) {
        const auto values = pieces(row.values, '|');
        return row.key == key && (values.empty() || std::ranges::find(values, small) != values.end());
    };
    const auto found = std::ranges::find_if(table, fits);
    return found == table.end() ? kUnknown : *found;
}

std::string fault_in(std::string_view toml) {
    const auto read = control::parse_configuration(toml, "import", "/run/credentials");
    if (read) {
        return {};
    }
    return read.error().empty() ? "its own reader refuses it" : read.error().front().sentence;
}

std::string fault_in_policies(std::string_view toml) {
    const auto read = control::parse_policies(toml, "import");
    return read ? std::string() : to_string(read.error().front());
}

}  // namespace keysluice::importer
