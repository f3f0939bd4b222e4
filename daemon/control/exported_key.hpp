#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "daemon/control/named_key.hpp"

namespace keysluice::control {

/// A named key under a passphrase, for another host. Three lines:
///
///     keysluice-exported-key 1 NAME
///     scrypt 17 8 1 SALT
///     SEALED
///
/// The passphrase and the salt of 16 octets give 44 octets by scrypt (RFC 7914) with N = 2^17, r = 8 and p = 1: the
/// key and behind it the nonce of AES-256-GCM. SEALED is what the file NAME.key holds, encrypted, with the tag behind
/// it; the first two lines, line feeds included, are its associated data. Salt and SEALED are in hexadecimal.
struct ExportedKey {
    using Salt = std::array<std::uint8_t, 16>;

    std::string name;
    unsigned int log2_n = 0;
    Salt salt{};
    std::vector<std::uint8_t> sealed;

    bool operator==(const ExportedKey&) const = default;
};

inline constexpr std::size_t kLongestPassphrase = 1024;

/// Whether a text says of itself that it is one.
[[nodiscard]] bool is_exported_key(Bytes text);
/// Exactly what write_exported_key() writes, the last line feed aside; log2_n from 14 to 18, so that a file can't
/// have this host do any work. Errors: `key-malformed`, `bad-name`.
[[nodiscard]] Result<ExportedKey> parse_exported_key(Bytes text);
[[nodiscard]] std::string write_exported_key(const ExportedKey& exported);

/// Errors: `passphrase-unusable` where it is empty or longer than 1024 octets, `key-derivation-failed`.
[[nodiscard]] Result<ExportedKey> export_key(const NamedKey& key, Bytes passphrase, Random& random);
/// Errors: the same; `passphrase-wrong`, which may also be a file that was changed; those of parse_named_key().
[[nodiscard]] Result<NamedKey> import_key(const ExportedKey& exported, Bytes passphrase);

}  // namespace keysluice::control
