#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "daemon/control/policy_set.hpp"

namespace keysluice::control {

/// A file with policies, as its author has written it.
struct PolicyText {
    std::filesystem::path file;
    std::string text;
};

/// A change of the working set. What is not about it stays as it is written, comments included.
struct PolicyEdit {
    enum class Verb : std::uint8_t { add, modify, clone, remove, move };
    Verb verb = Verb::add;
    std::string name;
    /// Keys and values of `add` and `modify`; an empty value takes a key out. Lists are written with commas.
    std::map<std::string, std::string> values = {};
    std::string fresh_name = {};  ///< of `clone`
    std::string before =
        {};  ///< of `add`, `clone` and `move`: the policy that it comes to stand before; else at the end
};

/// Carries it out on the files in their order, of which it returns those that change. A policy that is added at the
/// end goes into `last`, which may be a new file.
///
/// Errors: `policy-not-found`, `duplicate-name`, `bad-request`.
[[nodiscard]] Result<std::vector<PolicyText>> edit_policies(const std::vector<PolicyText>& files,
                                                            const PolicyEdit& edit,
                                                            const std::filesystem::path& last);

/// The policies as another host needs them that talks to this one: sides, directions, SPIs and keys of a direction
/// are turned round. `[policies]`, tests and groups are left out, and groups are written as what they stand for.
[[nodiscard]] std::vector<TomlTable> turned(const PolicySet& set);

}  // namespace keysluice::control
