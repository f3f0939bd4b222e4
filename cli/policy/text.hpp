#pragma once

#include <string>

#include "base/result.hpp"
#include "cli/service.hpp"

namespace keysluice::cli::policy {

/// The document for a person. Error: `call-failed`, where it is none that this command knows.
[[nodiscard]] Result<std::string> text_of(const PolicyCall& call, const std::string& document);

/// Whether the document of `verify` says that all is well.
[[nodiscard]] bool holds(const std::string& document);

}  // namespace keysluice::cli::policy
