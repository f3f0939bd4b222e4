#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/secret_buffer.hpp"

namespace keysluice::control {

/// What a key of a manual IPsec SA is for, which says how long it is.
enum class KeyKind : std::uint8_t {
    hmac_sha1,
    hmac_sha256,
    hmac_sha512,
    aes_128,
    aes_256,
    aes_gcm_128,  ///< with the salt of 4 octets behind the key (RFC 4106 8.1)
    aes_gcm_256,
};

[[nodiscard]] std::string_view name_of(KeyKind kind);
/// Nothing, where no kind has this name.
[[nodiscard]] std::optional<KeyKind> key_kind(std::string_view name);
[[nodiscard]] std::size_t octets_of(KeyKind kind);
/// "hmac-sha1", …
[[nodiscard]] std::span<const std::string_view> key_kind_names();

using KeyValue = Secret<64>;

struct NamedKey {
    std::string name;
    KeyKind kind = KeyKind::hmac_sha1;
    KeyValue value;
};

/// Letters, digits, "_", "." and "-", at most 64, the first a letter or a digit. Error: `bad-name`.
[[nodiscard]] Result<void> check_key_name(std::string_view name);

/// Of exactly as many hexadecimal digits as the kind has, "0x" in front or not. Errors, as of the next one, repeat
/// nothing of what came: `key-size`, `key-malformed`.
[[nodiscard]] Result<KeyValue> key_of_digits(KeyKind kind, Bytes digits);
/// Of exactly as many characters as the kind has octets, as setkey(8) takes them. Printable ASCII alone: of others it
/// depends on a host's character set which octets they are.
[[nodiscard]] Result<KeyValue> key_of_text(KeyKind kind, Bytes text);

/// What a key's file holds: "keysluice-key 1 KIND" and the key in hexadecimal, a line each; the last line feed may be
/// missing. Errors: `bad-name`, `key-malformed`, `key-kind`, `key-size`.
[[nodiscard]] Result<NamedKey> parse_named_key(std::string_view name, Bytes text);
[[nodiscard]] SecretBuffer write_named_key(const NamedKey& key);

/// Eight hexadecimal digits for people who compare keys on two hosts; the name has no part in it.
///
/// Who sees them must not learn the key. A random one has 128 bits and more, of which 32 tell nothing. A text that
/// somebody thought of could be guessed, and the digits say whether a guess is right: so a guess costs an scrypt,
/// some 50 ms and 16 MiB, and so does calling this. No salt but kind and purpose: two hosts have nothing else in
/// common. Empty where OpenSSL can't do it.
[[nodiscard]] std::string fingerprint(const NamedKey& key);

}  // namespace keysluice::control
