#include "base/json_text.hpp"

#include <fmt/format.h>

#include <iterator>

namespace keysluice {

void append_json_text(std::string& into, std::string_view text) {
    into += '"';
    for (const char character : text) {
        if (character == '"' || character == '\\') {
            into += '\\';
            into += character;
        } else if (static_cast<unsigned char>(character) < 0x20) {
            fmt::format_to(std::back_inserter(into), "\\u{:04x}", static_cast<unsigned>(character));
        } else {
            into += character;
        }
    }
    into += '"';
}

}  // namespace keysluice
