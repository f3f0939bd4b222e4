#pragma once

#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace keysluice::crypto {

/// MODP groups of RFC 2409 and 3526, ECP groups of RFC 5903, X25519 and X448 of RFC 8031.
enum class Group { modp768, modp1024, modp1536, modp2048, modp3072, modp4096, ecp256, ecp384, ecp521, x25519, x448 };

/// Bytes of the public value on the wire (ECP: x and y without the leading 4), and of the shared secret (ECP: x;
/// MODP: padded to the size of the prime).
[[nodiscard]] std::size_t public_size(Group group);
[[nodiscard]] std::size_t shared_size(Group group);
/// Bytes of randomness that make a private value: for ECP 8 bytes more than the order (so that reducing it leaves no
/// bias), for MODP 64.
[[nodiscard]] std::size_t private_size(Group group);

using SharedSecret = Secret<512>;
using PrivateValue = Secret<80>;

/// One side of a Diffie-Hellman exchange, as plain values: it can be written and read back.
struct KeyPair {
    Group group = Group::x25519;
    PrivateValue private_value;
    std::vector<std::uint8_t> public_value;
};

/// Makes the pair that belongs to `random`, of private_size() bytes: randomness is an argument. Fails with
/// "key-exchange-failed".
[[nodiscard]] Result<KeyPair> make_key_pair(Group group, Bytes random);

/// The shared secret. Fails with "key-exchange-refused" for a peer's value of the wrong size, 0, 1 or p-1 and above
/// (MODP, RFC 6989), a point that is not on the curve (ECP), or an all-zero secret (X25519, X448: RFC 7748 section
/// 6).
[[nodiscard]] Result<SharedSecret> shared_secret(const KeyPair& own, Bytes peer_public);

}  // namespace keysluice::crypto
