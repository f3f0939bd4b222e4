#include "ike/wire/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keysluice::ike::wire {
namespace {

constexpr std::size_t kMostReadable = 128;
constexpr std::size_t kMostListed = 8;

}  // namespace

std::string readable(Bytes bytes) {
    std::string text;
    text.reserve(std::min(bytes.size(), kMostReadable));
    for (const std::uint8_t octet : bytes.first(std::min(bytes.size(), kMostReadable))) {
        if (octet == '\\') {
            text += "\\\\";
        } else if (octet >= 0x20 && octet < 0x7f) {
            text += static_cast<char>(octet);
        } else {
            text += fmt::format("\\x{:02x}", octet);
        }
    }
    if (bytes.size() > kMostReadable) {
        text += fmt::format("… ({} octets)", bytes.size());
    }
    return text;
}

std::string octets_text(std::size_t count) {
    return fmt::format("{} octet{}", count, count == 1 ? "" : "s");
}

std::string some_of(std::size_t count, const std::function<std::string(std::size_t)>& text_of) {
    std::string text;
    for (std::size_t i = 0; i < std::min(count, kMostListed); ++i) {
        text += (i == 0 ? "" : ", ") + text_of(i);
    }
    return count > kMostListed ? fmt::format("{} and {} more", text, count - kMostListed) : text;
}

}  // namespace keysluice::ike::wire
