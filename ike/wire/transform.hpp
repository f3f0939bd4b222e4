#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ike/wire/payloads.hpp"

/// The transforms that this program knows, under strongSwan's names for them.
namespace keysluice::ike::wire {

struct Keyword {
    std::string_view name;
    TransformType type = TransformType::encryption;
    std::uint16_t id = 0;
    std::uint16_t key_bits = 0;
    /// What a connection must list in `allow_weak` before it may use this; empty: nothing is wrong with it.
    std::string_view weakness = {};
};

/// All of them. Of several names for one transform, the first is the one that is printed.
[[nodiscard]] std::span<const Keyword> keywords();

[[nodiscard]] const Keyword* find_keyword(std::string_view name);

/// "aes256gcm16"; "encryption 27 (128 bits)" for one that has no keyword; with a question mark behind it when it was
/// not understood.
[[nodiscard]] std::string name_of(const Transform& transform);
/// "aes256gcm16-prfsha384-x25519".
[[nodiscard]] std::string print(const std::vector<Transform>& transforms);
/// "encryption", "prf", "integrity", "key exchange", "esn", or "transform type 6".
[[nodiscard]] std::string name_of(TransformType type);
/// "IKE", "AH", "ESP", or "protocol 4".
[[nodiscard]] std::string name_of(Protocol protocol);

}  // namespace keysluice::ike::wire
