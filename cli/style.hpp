#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace keysluice::cli {

/// Colours for a terminal, or none: text that is well, that wants a look, that is wrong, that stands out.
class Style {
   public:
    explicit Style(bool colours) : colours_(colours) {}

    [[nodiscard]] std::string good(std::string_view text) const { return in("32", text); }
    [[nodiscard]] std::string doubtful(std::string_view text) const { return in("33", text); }
    [[nodiscard]] std::string bad(std::string_view text) const { return in("31", text); }
    [[nodiscard]] std::string strong(std::string_view text) const { return in("1", text); }

   private:
    [[nodiscard]] std::string in(std::string_view code, std::string_view text) const {
        return colours_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
    }

    bool colours_;
};

}  // namespace keysluice::cli
