#include "daemon/control/policy_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json_text.hpp"
#include "daemon/control/configuration_files.hpp"

namespace keysluice::control {
namespace {

void write_value(std::string& into, const TomlValue& value) {
    if (const auto* const text = std::get_if<std::string>(&value.content)) {
        append_json_text(into, *text);  // a basic string of TOML has the same escapes
    } else if (const auto* const number = std::get_if<std::int64_t>(&value.content)) {
        into += std::to_string(*number);
    } else if (const auto* const array = std::get_if<TomlArray>(&value.content)) {
        into += '[';
        for (const TomlValue& item : array->items) {
            into += into.back() == '[' ? "" : ", ";
            write_value(into, item);
        }
        into += ']';
    }
}

}  // namespace

std::expected<std::vector<std::filesystem::path>, Diagnostic> policy_files(const std::filesystem::path& file) {
    std::vector<std::filesystem::path> files{file};
    for (const std::string_view folder : {std::string_view("conf.d"), kPolicyFolder}) {
        auto found = find_fragments(file, folder);
        if (!found) {
            return std::unexpected(std::move(found).error());
        }
        std::ranges::move(*found, std::back_inserter(files));
    }
    return files;
}

std::expected<PolicySet, Diagnostics> read_policy_files(const std::filesystem::path& file,
                                                        const std::vector<PolicyText>& instead) {
    auto files = policy_files(file);
    if (!files) {
        return std::unexpected(Diagnostics{files.error()});
    }
    for (const PolicyText& each : instead) {
        if (std::ranges::find(*files, each.file) == files->end()) {
            files->push_back(each.file);
        }
    }
    Diagnostics wrong;
    std::vector<PolicyDocument> documents;
    for (const std::filesystem::path& path : *files) {
        const auto given = std::ranges::find(instead, path, &PolicyText::file);
        const auto text =
            given == instead.end() ? load_text(path) : std::expected<std::string, Diagnostic>(given->text);
        auto table = text ? parse_toml(*text, path.string()) : std::unexpected(text.error());
        if (table) {
            documents.push_back({.file = path.string(), .table = *std::move(table)});
        } else {
            wrong.push_back(std::move(table).error());
        }
    }
    return wrong.empty() ? read_policies(documents) : std::unexpected(std::move(wrong));
}

std::expected<PolicySet, Diagnostics> parse_policies(std::string_view text, const std::string& name) {
    auto table = parse_toml(text, name);
    if (!table) {
        return std::unexpected(Diagnostics{std::move(table).error()});
    }
    const PolicyDocument document{.file = name, .table = *std::move(table)};
    return read_policies({&document, 1});
}

void write_table(std::string& into, std::string_view title, const TomlTable& table, bool alone) {
    into += fmt::format("{0}{2}{1}\n", alone ? "[" : "[[", alone ? "]" : "]]", title);
    for (const TomlEntry& entry : table.entries) {
        into += entry.key + " = ";
        write_value(into, entry.value);
        into += '\n';
    }
    into += '\n';
}

std::string write_policies(const PolicySet& set) {
    std::string text;
    write_table(text, "policies", set.settings, true);
    for (const auto& [title, tables] :
         {std::pair("host_group", &set.group_tables), std::pair("policy", &set.policy_tables),
          std::pair("policy_test", &set.test_tables)}) {
        for (const TomlTable& table : *tables) {
            write_table(text, title, table);
        }
    }
    return text;
}

}  // namespace keysluice::control
