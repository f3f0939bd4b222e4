#pragma once

#include <string>
#include <string_view>

namespace keysluice {

/// Appends UTF-8 as a JSON string, with its quotes.
void append_json_text(std::string& into, std::string_view text);

}  // namespace keysluice
