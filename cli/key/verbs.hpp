#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/commands.hpp"
#include "daemon/control/named_keys.hpp"

namespace keysluice::cli::key {

/// What a verb of `keysluice key` is given.
struct Job {
    const Invocation& line;
    control::NamedKeys keys;
    std::string folder;
    std::string argument;  ///< a name that is one, or a file; empty where the verb takes none
    bool colours = false;
};

struct Verb {
    std::string_view name;
    std::string_view argument;                  ///< NAME or FILE; empty: none
    std::span<const std::string_view> options;  ///< those of the row in the table of commands that it takes
    Result<Outcome> (*run)(const Job& job);
};

[[nodiscard]] std::span<const Verb> verbs();

}  // namespace keysluice::cli::key
