#pragma once

#include <cstddef>

namespace keysluice::crypto {

/// The hash functions that the key derivations are built on.
enum class Hash { sha256, sha384 };

/// As OpenSSL's providers call it.
[[nodiscard]] constexpr const char* name_of(Hash hash) {
    return hash == Hash::sha256 ? "SHA256" : "SHA384";
}

/// Bytes of output.
[[nodiscard]] constexpr std::size_t size_of(Hash hash) {
    return hash == Hash::sha256 ? 32 : 48;
}

}  // namespace keysluice::crypto
