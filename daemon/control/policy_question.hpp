#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "daemon/control/policy_set.hpp"

namespace keysluice::control {

/// What a test of policies may say: on the command line with "-" for "_".
inline constexpr std::array<std::string_view, 6> kQuestionKeys{"direction",      "protocol",   "local_address",
                                                               "remote_address", "local_port", "remote_port"};
using QuestionTexts = std::map<std::string, std::string, std::less<>>;

/// Each key may be left out, but "direction": then it means any. With ICMP, the local port is the type and the remote
/// one the code. Ports that are left out are 1 to 65535, of protocols that have some.
///
/// Error: `bad-question`.
[[nodiscard]] Result<PolicyQuestion> read_question(const QuestionTexts& texts);

}  // namespace keysluice::control
