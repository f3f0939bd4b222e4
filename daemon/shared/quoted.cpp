#include "daemon/shared/quoted.hpp"

#include <fmt/format.h>

#include <cstddef>

namespace keysluice {
namespace {

constexpr std::size_t kLongestQuotation = 120;

}  // namespace

std::string escaped(std::string_view text) {
    std::string out;
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        if (character == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte > 0x7e) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += character;
        }
    }
    return out;
}

std::string in_quotes(std::string_view text) {
    return fmt::format("\"{}\"{}", escaped(text.substr(0, kLongestQuotation)),
                       text.size() > kLongestQuotation ? "…" : "");
}

}  // namespace keysluice
