#pragma once

#include <string>
#include <vector>

namespace keysluice::cli {

enum class Key { quit, sort, up, down };

/// Takes the keys off what a terminal has sent; what means nothing is dropped. The beginning of a sequence that is
/// not complete stays.
[[nodiscard]] std::vector<Key> take_keys(std::string& typed);

}  // namespace keysluice::cli
