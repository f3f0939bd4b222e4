#pragma once

#include <cstddef>

#include "base/bytes.hpp"

namespace keysluice {

/// Whether two secrets of known lengths are the same, in a time that does not depend on where they differ.
[[nodiscard]] inline bool equal_in_constant_time(Bytes left, Bytes right) {
    if (left.size() != right.size()) {
        return false;
    }
    unsigned int difference = 0;
    for (std::size_t index = 0; index < left.size(); ++index) {
        difference |= static_cast<unsigned int>(left[index]) ^ right[index];
    }
    return difference == 0;
}

}  // namespace keysluice
