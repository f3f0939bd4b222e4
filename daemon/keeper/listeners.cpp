#include "daemon/keeper/listeners.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice {

namespace {

/// A store's names have no colon, and addresses do: the octets of the name in hexadecimal.
std::string to_store(std::string_view name) {
    return fmt::format("{:02x}", fmt::join(as_bytes(name), ""));
}

std::optional<std::string> from_store(std::string_view digits) {
    std::string name;
    for (; !digits.empty(); digits.remove_prefix(2)) {
        unsigned char octet = 0;
        const std::string two(digits.substr(0, 2));
        const char* const end = two.data() + two.size();
        if (two.size() < 2 || std::from_chars(two.data(), end, octet, 16).ptr != end) {
            return std::nullopt;
        }
        name += static_cast<char>(octet);
    }
    return name;
}

}  // namespace

Listeners::Listeners(DescriptorStore store) : store_(std::move(store)) {
    for (auto& [digits, socket] : store_.take_all()) {
        if (auto name = from_store(digits)) {
            held_.emplace(*std::move(name), std::move(socket));
        }
    }
}

void Listeners::hold(const std::string& name, UniqueFd socket) {
    const auto [place, is_new] = held_.try_emplace(name);
    place->second = std::move(socket);
    if (!is_new || !store_.available()) {
        return;  // what keysluiced tells a keeper again is what the store has
    }
    if (const auto kept = store_.keep(to_store(name), place->second.get()); !kept) {
        log_warning("{}: {} ({})", name, kept.error().sentence, kept.error().reason);
    }
}

void Listeners::forget(const std::string& name) {
    held_.erase(name);
    if (store_.available()) {
        store_.forget(to_store(name));
    }
}

}  // namespace keysluice
