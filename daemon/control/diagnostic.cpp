#include "daemon/control/diagnostic.hpp"

#include <fmt/format.h>

namespace keysluice::control {

std::string to_string(const Position& position) {
    return position.line == 0 ? position.file
                              : fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

std::string to_string(const Diagnostic& diagnostic) {
    return fmt::format("{}: {}", to_string(diagnostic.where), diagnostic.sentence);
}

}  // namespace keysluice::control
