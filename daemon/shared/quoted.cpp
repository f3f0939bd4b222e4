#include "daemon/shared/quoted.hpp"

#include <fmt/format.h>

#include <cstddef>

namespace keysluice {
namespace {

constexpr std::size_t kLongestQuotation = 120;

void append_escaped(std::string& out, char character) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '\n') {
        out += "\\n";
    } else if (character == '"' || character == '\\') {
        out += '\\';
        out += character;
    } else if (byte < 0x20 || byte > 0x7e) {
        out += fmt::format("\\x{:02x}", byte);
    } else {
        out += character;
    }
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char character : text.substr(0, kLongestQuotation)) {
        append_escaped(out, character);
    }
    out += text.size() > kLongestQuotation ? "\"…" : "\"";
    return out;
}

}  // namespace keysluice
