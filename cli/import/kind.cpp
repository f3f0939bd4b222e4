#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/suggestion.hpp"
#include "cli/import/import.hpp"

namespace keysluice::importer {
namespace {

/// What the contents speak for: sections in brackets, sections in braces, "conn NAME", or statements of setkey.
std::set<Kind> signs_in(std::string_view text) {
    std::set<Kind> signs;
    bool sections = false;
    while (!text.empty()) {
        const std::string_view line = trim(next_piece(text, '\n'));
        const auto parts = words(line);
        if (parts.empty() || line.starts_with('#') || line.starts_with(';')) {
            continue;
        }
        const std::string first = lower(parts[0]);
        sections = sections || (line.starts_with('[') && line.ends_with(']'));
        if (sections &&
            (first.starts_with("accept") || first.starts_with("connect") || first.starts_with("client"))) {
            signs.insert(Kind::stunnel);
        }
        if ((first == "connections" || first == "secrets" || first == "connections{") && line.ends_with('{')) {
            signs.insert(Kind::swanctl);
        }
        if (parts.size() == 2 && (first == "conn" || (first == "config" && parts[1] == "setup"))) {
            signs.insert(Kind::ipsec);
        }
        if (first == "spdadd" || first == "spdflush;" || first == "flush;" || (first == "add" && parts.size() > 4)) {
            signs.insert(Kind::setkey);
        }
    }
    return signs;
}

}  // namespace

Result<Kind> guess_kind(const Source& source) {
    const std::string name = lower(source.name());
    const auto has = [&name](std::string_view part) { return name.find(part) != std::string::npos; };
    std::set<Kind> kinds;
    if (has("stunnel")) {
        kinds.insert(Kind::stunnel);
    }
    if (has("swanctl")) {
        kinds.insert(Kind::swanctl);
    }
    if (name == "ipsec.conf") {
        kinds.insert(Kind::ipsec);
    }
    if (has("setkey") || has("ipsec-tools")) {
        kinds.insert(Kind::setkey);
    }
    if (kinds.size() != 1) {
        kinds = signs_in(source.view());
    }
    if (kinds.size() == 1) {
        return *kinds.begin();
    }
    return fail("import-ambiguous", fmt::format("{}: neither its name nor what stands in it says whose configuration "
                                                "this is: say --kind, which is {}",
                                                source.path, alternatives(kKindNames)));
}

namespace {

Result<Imported> import_unchecked(Kind kind, const SourcePtr& source, Surroundings& surroundings,
                                  const Wishes& wishes) {
    switch (kind) {
        case Kind::stunnel:
            return import_stunnel(source, surroundings);
        case Kind::swanctl:
            return import_swanctl(source, surroundings, wishes);
        case Kind::ipsec:
            return import_ipsec(source, surroundings, wishes);
        case Kind::setkey:
            return import_setkey(source, surroundings, wishes);
    }
    std::unreachable();
}

}  // namespace

Result<Imported> import_as(Kind kind, const SourcePtr& source, Surroundings& surroundings, const Wishes& wishes) {
    auto imported = import_unchecked(kind, source, surroundings, wishes);
    if (!imported) {
        return imported;
    }
    // Each part was looked at for itself; what is left is two of them that want the same.
    const std::string fault = kind == Kind::setkey ? fault_in_policies(imported->toml) : fault_in(imported->toml);
    if (!fault.empty()) {
        return fail("import-impossible", fmt::format("{}: {}", source->path, fault));
    }
    return imported;
}

}  // namespace keysluice::importer
