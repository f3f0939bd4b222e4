#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keysluice::control {

/// What a reason code means, in lines for a terminal; of all codes where `code` is empty. Fails with "bad-argument"
/// and the code that may have been meant.
[[nodiscard]] Result<std::string> explain(std::string_view code);

}  // namespace keysluice::control
