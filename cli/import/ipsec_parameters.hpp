#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/import/draft.hpp"

namespace keysluice::importer {

/// What becomes of parameters of ipsec.conf that have no equivalent; of "left…" and "right…" without that word.
[[nodiscard]] std::span<const Known> ipsec_parameters();
[[nodiscard]] std::span<const Known> ipsec_end_parameters();
[[nodiscard]] std::span<const Known> ipsec_setup_parameters();

/// "aes256-sha2_256;modp2048,…" and other spellings of Libreswan's, in strongSwan's keywords.
[[nodiscard]] std::vector<std::string> proposals_of(std::string_view value);

}  // namespace keysluice::importer
