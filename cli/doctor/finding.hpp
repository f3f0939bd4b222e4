#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice::doctor {

/// wrong: something that is configured can't work. warning: it works worse than it could, or will stop. unknown: it
/// could not be looked at.
enum class Verdict : std::uint8_t { wrong, warning, unknown, ok };
inline constexpr std::array<std::string_view, 4> kVerdictNames{"wrong", "warning", "unknown", "ok"};

[[nodiscard]] constexpr std::string_view to_string(Verdict verdict) {
    return kVerdictNames[static_cast<std::size_t>(verdict)];
}

/// What came of one check.
struct Finding {
    std::string_view name;  ///< of the check, "kernel-tls": it stays the same for programs
    Verdict verdict = Verdict::ok;
    std::string found;                ///< a sentence without a full stop
    std::vector<std::string> remedy;  ///< lines to type, one after the other
    std::string_view reason;          ///< of keysluice-reasons(7); empty where there is none

    bool operator==(const Finding&) const = default;
};

using Findings = std::vector<Finding>;

}  // namespace keysluice::doctor
