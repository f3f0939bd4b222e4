#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import/ike_terms.hpp"
#include "cli/import/source.hpp"

namespace keysluice::importer {

/// `key=value` of ipsec.conf.
struct Parameter {
    std::string key;  ///< in small letters
    std::string value;
    Place place;

    [[nodiscard]] std::string shown() const { return key + "=" + value; }
};

/// "conn NAME", "config setup" or "ca NAME" and what follows.
struct IpsecSection {
    std::string kind;
    std::string name;
    Place place;
    std::vector<Parameter> parameters;

    [[nodiscard]] const Parameter* parameter(std::string_view key) const;
    [[nodiscard]] std::string shown() const { return kind + " " + name; }
};

struct IpsecFile {
    std::vector<IpsecSection> sections;
    std::set<std::string> taken_over;  ///< conns that others name in also=

    /// A conn's parameters, those of also= and %default behind its own; of each key the first. Error:
    /// `import-malformed`.
    [[nodiscard]] Result<std::vector<Parameter>> all_of(const IpsecSection& conn) const;
};

[[nodiscard]] Result<IpsecFile> read_ipsec(const SourcePtr& source, Inclusion& inclusion);

/// What ipsec.secrets has.
struct IpsecSecrets {
    std::vector<PreSharedKey> keys = {};
    std::vector<PreSharedKey> passwords = {};
    std::vector<std::string> private_keys = {};  ///< files
    std::vector<Remark> remarks = {};
};
[[nodiscard]] Result<IpsecSecrets> read_ipsec_secrets(const SourcePtr& source, Inclusion& inclusion);

}  // namespace keysluice::importer
