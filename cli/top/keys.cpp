#include "cli/top/keys.hpp"

#include <string_view>

namespace keysluice::cli {
namespace {

/// ECMA-48 5.4: a control sequence is CSI, parameter and intermediate octets (0x20 to 0x3F) and a final one.
/// Terminals send "ESC O" and one octet for arrows in application mode.
std::size_t length_of_sequence(std::string_view typed) {
    if (typed.size() < 2) {
        return 0;
    }
    if (typed[1] == 'O') {
        return typed.size() < 3 ? 0 : 3;
    }
    if (typed[1] != '[') {
        return 1;
    }
    const std::size_t end = typed.find_first_not_of("0123456789:;<=>? !\"#$%&'()*+,-./", 2);
    return end == std::string_view::npos ? 0 : end + 1;
}

}  // namespace

std::vector<Key> take_keys(std::string& typed) {
    std::vector<Key> keys;
    while (!typed.empty()) {
        const std::size_t length = typed[0] == '\x1b' ? length_of_sequence(typed) : 1;
        if (length == 0) {
            break;
        }
        const char last = typed[length - 1];
        const bool sequence = length > 1;
        if (!sequence && (last == 'q' || last == 'Q')) {
            keys.push_back(Key::quit);
        } else if (!sequence && (last == 's' || last == 'S')) {
            keys.push_back(Key::sort);
        } else if (sequence ? last == 'A' : last == 'k') {
            keys.push_back(Key::up);
        } else if (sequence ? last == 'B' : last == 'j') {
            keys.push_back(Key::down);
        }
        typed.erase(0, length);
    }
    return keys;
}

}  // namespace keysluice::cli
