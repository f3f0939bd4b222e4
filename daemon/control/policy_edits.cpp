#include "daemon/control/policy_edits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "base/json_text.hpp"
#include "daemon/control/toml_document.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

constexpr std::array<std::string_view, 5> kLists{"local", "remote", "local_ports", "remote_ports", "icmp"};

/// A run of whole lines: what stands before the first table of a file, or one table with the comment above it.
struct Block {
    std::size_t file = 0;
    std::string text;
    std::string policy;  ///< its name; empty: it is none
};

std::string_view first_line(std::string_view text) {
    return text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
}

/// The name in a [[policy]]; empty where the block is none.
std::string policy_in(const std::string& text) {
    const auto document = parse_toml(text, {});
    const TomlEntry* const list = document ? document->find("policy") : nullptr;
    const auto* const array = list == nullptr ? nullptr : std::get_if<TomlArray>(&list->value.content);
    const auto* const table = array == nullptr || array->items.size() != 1
                                  ? nullptr
                                  : std::get_if<TomlTable>(&array->items.front().content);
    const TomlEntry* const name = table == nullptr ? nullptr : table->find("name");
    const auto* const found = name == nullptr ? nullptr : std::get_if<std::string>(&name->value.content);
    return found == nullptr ? std::string() : *found;
}

/// Cuts a file where tables begin.
void append_blocks(std::vector<Block>& blocks, std::size_t file, std::string_view rest) {
    std::string block;
    std::string comment;  // lines that may belong to the next table
    const auto finish = [&] {
        blocks.push_back({.file = file, .text = block, .policy = policy_in(block)});
        block.clear();
    };
    while (!rest.empty()) {
        const std::string_view line = first_line(rest);
        rest.remove_prefix(line.size());
        if (line.starts_with('[')) {
            finish();
            block = std::exchange(comment, {}) + std::string(line);
        } else if (line.starts_with('#')) {
            comment += line;
        } else {
            block += std::exchange(comment, {}) + std::string(line);
        }
    }
    block += comment;
    finish();
}

std::string written_value(std::string_view key, std::string_view value) {
    std::string text;
    if (std::ranges::find(kLists, key) == kLists.end()) {
        append_json_text(text, value);
        return text;
    }
    text = "[";
    while (!value.empty()) {
        const std::string_view item = value.substr(0, value.find(','));
        value.remove_prefix(std::min(item.size() + 1, value.size()));
        text += text.size() > 1 ? ", " : "";
        append_json_text(text, item);
    }
    return text + "]";
}

/// The lines of a key in a table: from where it stands to the next key, comment or blank line.
struct Lines {
    std::size_t begin = 0;
    std::size_t end = 0;
};

std::optional<Lines> lines_of(std::string_view block, std::string_view key) {
    std::size_t depth = 0;
    std::optional<Lines> found;
    for (std::size_t at = 0; at < block.size();) {
        const std::string_view line = first_line(block.substr(at));
        const bool begins =
            depth == 0 && line.starts_with(key) && line.find_first_not_of(" \t", key.size()) == line.find('=');
        if (begins) {
            found = Lines{.begin = at, .end = at};
        }
        const auto brackets = [&](char bracket) {
            return line.starts_with('[') || line.starts_with('#')
                       ? std::size_t{0}
                       : static_cast<std::size_t>(std::ranges::count(line, bracket));
        };
        depth += brackets('[');
        depth -= std::min(depth, brackets(']'));
        at += line.size();
        if (found && found->end == found->begin && depth == 0) {
            found->end = at;
            return found;
        }
    }
    return std::nullopt;
}

void set_value(std::string& block, const std::string& key, const std::string& value) {
    const std::string line = value.empty() ? "" : fmt::format("{} = {}\n", key, written_value(key, value));
    if (const auto lines = lines_of(block, key)) {
        block.replace(lines->begin, lines->end - lines->begin, line);
        return;
    }
    // Behind the last line that says something.
    const std::size_t end = block.find_last_not_of(" \t\n");
    const std::size_t at = end == std::string::npos ? 0 : std::min(block.find('\n', end), block.size() - 1) + 1;
    block.insert(at, line);
}

class Editor {
   public:
    Editor(const std::vector<PolicyText>& files, const std::filesystem::path& last) : files_(files) {
        const auto found = std::ranges::find(files_, last, &PolicyText::file);
        last_ = static_cast<std::size_t>(found - files_.begin());
        if (found == files_.end()) {
            files_.push_back({.file = last, .text = {}});
        }
        for (std::size_t i = 0; i < files_.size(); ++i) {
            append_blocks(blocks_, i, files_[i].text);
        }
    }

    [[nodiscard]] Result<void> carry_out(const PolicyEdit& edit);

    [[nodiscard]] std::vector<PolicyText> changed() const {
        std::vector<PolicyText> fresh(files_.size());
        for (std::size_t i = 0; i < fresh.size(); ++i) {
            fresh[i].file = files_[i].file;
        }
        for (const Block& each : blocks_) {
            fresh[each.file].text += each.text;
        }
        std::vector<PolicyText> changed;
        for (std::size_t i = 0; i < fresh.size(); ++i) {
            if (fresh[i].text != files_[i].text) {
                changed.push_back(std::move(fresh[i]));
            }
        }
        return changed;
    }

   private:
    using Place = std::vector<Block>::iterator;

    Place find(const std::string& name) { return std::ranges::find(blocks_, name, &Block::policy); }
    [[nodiscard]] Result<void> put(Block block, const std::string& before);

    std::vector<PolicyText> files_;
    std::size_t last_ = 0;
    std::vector<Block> blocks_;
};

std::unexpected<Error> not_found(const std::string& name) {
    return fail("policy-not-found", fmt::format("there is no policy {} in the working set", in_quotes(name)));
}

std::unexpected<Error> is_there(const std::string& name) {
    return fail("duplicate-name", fmt::format("there is a policy {} in the working set already", in_quotes(name)));
}

Result<void> Editor::put(Block block, const std::string& before) {
    if (!block.text.ends_with('\n')) {
        block.text += '\n';
    }
    if (!before.empty()) {
        const auto place = find(before);
        if (place == blocks_.end()) {
            return not_found(before);
        }
        block.file = place->file;
        block.text += block.text.ends_with("\n\n") ? "" : "\n";
        blocks_.insert(place, std::move(block));
        return {};
    }
    block.file = last_;
    const auto end = std::prev(std::ranges::find(blocks_.rbegin(), blocks_.rend(), last_, &Block::file).base());
    if (!end->text.empty() && !end->text.ends_with("\n\n")) {
        end->text += end->text.ends_with('\n') ? "\n" : "\n\n";
    }
    blocks_.insert(std::next(end), std::move(block));
    return {};
}

Result<void> Editor::carry_out(const PolicyEdit& edit) {
    const auto place = find(edit.name);
    const bool adds = edit.verb == PolicyEdit::Verb::add;
    if (adds ? place != blocks_.end() : place == blocks_.end()) {
        return adds ? is_there(edit.name) : not_found(edit.name);
    }
    switch (edit.verb) {
        case PolicyEdit::Verb::add: {
            Block block{.file = last_, .text = "[[policy]]\n", .policy = edit.name};
            set_value(block.text, "name", edit.name);
            for (const auto& [key, value] : edit.values) {
                set_value(block.text, key, value);
            }
            return put(std::move(block), edit.before);
        }
        case PolicyEdit::Verb::modify:
            for (const auto& [key, value] : edit.values) {
                set_value(place->text, key, value);
            }
            return {};
        case PolicyEdit::Verb::clone: {
            if (find(edit.fresh_name) != blocks_.end()) {
                return is_there(edit.fresh_name);
            }
            Block block = *place;
            set_value(block.text, "name", edit.fresh_name);
            return put(std::move(block), edit.before);
        }
        case PolicyEdit::Verb::remove:
            blocks_.erase(place);
            return {};
        case PolicyEdit::Verb::move: {
            if (edit.before == edit.name) {
                return fail("bad-request", "a policy can't stand before itself");
            }
            Block block = *place;
            blocks_.erase(place);
            return put(std::move(block), edit.before);
        }
    }
    std::unreachable();
}

// --- another host's ---

/// Keys of a [[policy]] that change places with each other.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSides{
    {{"local", "remote"},
     {"local_ports", "remote_ports"},
     {"tunnel_local", "tunnel_remote"},
     {"spi_in", "spi_out"},
     {"integrity_key_in", "integrity_key_out"},
     {"confidentiality_key_in", "confidentiality_key_out"}}};

std::string other_side(const std::string& key) {
    for (const auto& [one, other] : kSides) {
        if (key == one || key == other) {
            return std::string(key == one ? other : one);
        }
    }
    return key;
}

TomlValue addresses(const std::vector<policy::AddressRange>& ranges) {
    TomlArray array;
    for (const policy::AddressRange& each : ranges) {
        array.items.push_back({{},
                               each.first == each.last ? each.first.text()
                                                       : fmt::format("{}-{}", each.first.text(), each.last.text())});
    }
    return {{}, std::move(array)};
}

/// As the other host has it.
TomlEntry turned(const TomlEntry& entry, const policy::Policy& rule) {
    TomlEntry turn = entry;
    turn.key = other_side(entry.key);
    auto* const text = std::get_if<std::string>(&turn.value.content);
    if (entry.key == "direction" && text != nullptr && *text != "both") {
        *text = *text == "in" ? "out" : "in";
    }
    const bool local = entry.key == "local";
    if (local || entry.key == "remote") {
        const auto& ranges = local ? rule.local : rule.remote;
        turn.value = ranges.empty() ? TomlValue{{}, std::string("any")} : addresses(ranges);
    }
    return turn;
}

}  // namespace

Result<std::vector<PolicyText>> edit_policies(const std::vector<PolicyText>& files, const PolicyEdit& edit,
                                              const std::filesystem::path& last) {
    Editor editor(files, last);
    if (auto done = editor.carry_out(edit); !done) {
        return std::unexpected(std::move(done).error());
    }
    return editor.changed();
}

std::vector<TomlTable> turned(const PolicySet& set) {
    std::vector<TomlTable> tables;
    for (std::size_t i = 0; i < set.policy_tables.size(); ++i) {
        const auto listed = std::ranges::find(set.policies, i, &ListedPolicy::table);
        TomlTable table;
        for (const TomlEntry& entry : set.policy_tables[i].entries) {
            if (!entry.key.starts_with("also_")) {  // what one host accepts, the other need not send
                table.entries.push_back(turned(entry, listed->rule));
            }
        }
        std::ranges::sort(table.entries, {}, &TomlEntry::key);
        tables.push_back(std::move(table));
    }
    return tables;
}

}  // namespace keysluice::control
