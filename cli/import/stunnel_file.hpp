#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import/draft.hpp"
#include "cli/import/source.hpp"

namespace keysluice::importer {

/// `key = value` of stunnel.conf.
struct StunnelOption {
    std::string key;  ///< in small letters, since stunnel takes any
    std::string_view value;
    Place place;
    std::string shown;  ///< the line, without the value of a secret
};

/// `[name]` and what follows.
struct StunnelSection {
    std::string name;  ///< empty: the global options
    Place place;
    std::vector<StunnelOption> options;
};

/// The global options, and then the sections. Inclusions are followed.
[[nodiscard]] Result<std::vector<StunnelSection>> read_stunnel(const SourcePtr& source, Inclusion& inclusion);

/// What becomes of options that have no equivalent.
[[nodiscard]] std::span<const Known> stunnel_options();
/// Those of a service that have one; each section has those that stand before the first section, too.
[[nodiscard]] bool is_translated(std::string_view key);
/// Options that a service can't be served without; why.
[[nodiscard]] std::string_view why_impossible(std::string_view key, std::string_view value, bool client);

}  // namespace keysluice::importer
