#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cli/service.hpp"
#include "cli/style.hpp"

namespace keysluice::cli {

/// What happens, as one time line: a line for each event, for each time that the service goes or comes, and for
/// events that it could not tell; as text for a person, or each as a JSON document.
class TimeLine final : public Follower {
   public:
    enum class Form { text, json };
    using Write = std::function<void(std::string_view)>;

    TimeLine(Form form, Style style, Write write);

    void happened(std::uint64_t first, const std::vector<Event>& events) override;
    void service_is(bool running) override;

   private:
    void lost(std::uint64_t count);
    [[nodiscard]] std::string line_of(const Event& event) const;

    Form form_;
    Style style_;
    Write write_;
    std::optional<bool> running_;
    std::optional<std::uint64_t> due_;  ///< number of the next event, where it is known
};

/// µs since 1970 in local time: "2026-11-21 22:43:27.123".
[[nodiscard]] std::string local_time(std::uint64_t microseconds);

}  // namespace keysluice::cli
