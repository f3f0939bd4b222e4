#pragma once

#include <expected>
#include <span>
#include <string>

#include "daemon/control/policy_set.hpp"

namespace keysluice::control {

/// A document with the tables of policies; others in it are not looked at.
struct PolicyDocument {
    std::string file;
    TomlTable table;
};

/// The tables of policies that documents may have.
inline constexpr std::array<std::string_view, 4> kPolicyTables{"policies", "policy", "host_group", "policy_test"};

/// One set of several documents, in their order: host groups of any may be used in all. Priorities and reqids are
/// those that a committed set has written down, else 0.
[[nodiscard]] std::expected<PolicySet, Diagnostics> read_policies(std::span<const PolicyDocument> documents);

}  // namespace keysluice::control
