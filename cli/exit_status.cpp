#include "cli/exit_status.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace keysluice::cli {
namespace {

constexpr std::array<std::pair<std::string_view, ExitStatus>, 10> kStatuses{{
    {"bad-argument", ExitStatus::usage},
    {"not-found", ExitStatus::not_found},
    {"policy-not-found", ExitStatus::not_found},
    {"key-not-used", ExitStatus::not_found},
    {"key-not-found", ExitStatus::not_found},
    {"service-not-running", ExitStatus::not_running},
    {"bus-unreachable", ExitStatus::not_running},
    {"ike-not-running", ExitStatus::not_running},
    {"not-permitted", ExitStatus::not_permitted},
    {"password-needed", ExitStatus::not_permitted},
}};

}  // namespace

ExitStatus exit_status_of(std::string_view reason) {
    const auto* const found = std::ranges::find(kStatuses, reason, [](const auto& each) { return each.first; });
    return found == kStatuses.end() ? ExitStatus::failed : found->second;
}

}  // namespace keysluice::cli
