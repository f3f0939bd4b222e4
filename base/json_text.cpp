#include "base/json_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace keysluice {
namespace {

bool needs_escape(char character) {
    return character == '"' || character == '\\' || static_cast<unsigned char>(character) < 0x20;
}

void append_escaped(std::string& into, char character) {
    if (character == '"' || character == '\\') {
        into += '\\';
        into += character;
    } else {
        fmt::format_to(std::back_inserter(into), "\\u{:04x}", static_cast<unsigned>(character));
    }
}

}  // namespace

void append_json_text(std::string& into, std::string_view text) {
    into += '"';
    while (!text.empty()) {
        const auto plain = static_cast<std::size_t>(std::ranges::find_if(text, needs_escape) - text.begin());
        into += text.substr(0, plain);
        text.remove_prefix(plain);
        if (!text.empty()) {
            append_escaped(into, text.front());
            text.remove_prefix(1);
        }
    }
    into += '"';
}

}  // namespace keysluice
