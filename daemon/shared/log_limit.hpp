#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/instant.hpp"

namespace keysluice {

/// Decides which failures of one kind are worth a line, when a remote can cause as many as it likes.
class LogLimit {
   public:
    static constexpr unsigned kLines = 10;
    static constexpr Duration kWindow = std::chrono::seconds(1);

    struct Verdict {
        bool write = true;
        /// How many were left out since the last line, to be told before it.
        unsigned left_out = 0;

        bool operator==(const Verdict&) const = default;
    };

    /// One more failure with this reason (a reason code: there are few of them): kLines of each are written in
    /// kWindow.
    [[nodiscard]] Verdict on_failure(std::string_view reason, Instant at) {
        Window& window = windows_.try_emplace(std::string(reason), Window{.since = at}).first->second;
        unsigned left_out = 0;
        if (at - window.since >= kWindow) {
            left_out = window.failures > kLines ? window.failures - kLines : 0;
            window = {.since = at};
        }
        return {.write = ++window.failures <= kLines, .left_out = left_out};
    }

   private:
    struct Window {
        Instant since{};
        unsigned failures = 0;
    };

    std::map<std::string, Window, std::less<>> windows_;
};

}  // namespace keysluice
