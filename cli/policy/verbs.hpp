#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/commands.hpp"
#include "cli/service.hpp"

namespace keysluice::cli::policy {

/// A verb of `keysluice policy`.
struct Verb {
    std::string_view name;
    std::string_view argument;                  ///< NAME, FILE or KEY; empty: none
    std::span<const std::string_view> options;  ///< those of the row in the table of commands that it takes
    /// What follows the argument: pairs of key and value, the new name of a clone, or nothing.
    enum class Rest : std::uint8_t { nothing, values, fresh_name } rest = Rest::nothing;
    PolicyCall::Method method = PolicyCall::Method::show;
};

[[nodiscard]] std::span<const Verb> verbs();

/// What the service is to be asked. Error: `bad-argument`, and those of reading a file.
[[nodiscard]] Result<PolicyCall> call_of(const Invocation& line);

}  // namespace keysluice::cli::policy
