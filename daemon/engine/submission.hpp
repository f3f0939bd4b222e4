#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace keysluice {

inline constexpr std::size_t kLargestSubmission = 1024;
inline constexpr std::size_t kLongestSubmissionId = 64;

/// The `id` of a packet that an application submits a socket with: {"version": 1, "id": "…"}, where the id has up to
/// kLongestSubmissionId printable ASCII characters but `"` and `\`. Error: `submission-malformed`, for anything else.
[[nodiscard]] Result<std::string> parse_submission(Bytes packet);

}  // namespace keysluice
