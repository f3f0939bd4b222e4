#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "ktls/types.hpp"
#include "ktls/uapi.hpp"

namespace keysluice::ktls {

/// Of the traffic key.
[[nodiscard]] std::size_t key_size(Cipher cipher);
/// Of KeyMaterial::iv.
[[nodiscard]] std::size_t iv_size(Version version, Cipher cipher);

/// One direction's traffic keys as the key schedule gives them. Points at memory of the caller, who wipes it.
struct KeyMaterial {
    /// key_size() bytes.
    Bytes key;
    /// iv_size() bytes. TLS 1.3 and ChaCha20-Poly1305: the 12-byte write_iv (RFC 8446 5.3, RFC 7905 2). TLS 1.2 with
    /// AES-GCM or AES-CCM: the 4-byte salt of the key block (RFC 5288 3, RFC 6655 3).
    Bytes iv;
    /// TLS 1.2 with AES-GCM or AES-CCM only: the first nonce_explicit to send. The kernel counts up from it, so that
    /// the sequence number is the safe choice. It is not used for receiving: there, each record brings its own.
    std::uint64_t explicit_nonce = 0;
    /// Of the next record: the number of records that this direction has already carried under this key.
    std::uint64_t sequence = 0;
};

/// The keys of one direction in the form that the kernel takes (struct tls12_crypto_info_*), wiped when they die.
template <typename Direction>
class Keys {
   public:
    /// Fails with "key-length" or "iv-length" where the material does not fit the cipher.
    [[nodiscard]] static Result<Keys> make(Version version, Cipher cipher, const KeyMaterial& material);

    [[nodiscard]] Version version() const { return version_; }
    [[nodiscard]] Cipher cipher() const { return cipher_; }
    /// The kernel's structure, exactly as setsockopt() takes and getsockopt() returns it.
    [[nodiscard]] Bytes expose() const { return crypto_info_.expose(); }

   private:
    Keys(Version version, Cipher cipher, Secret<uapi::kMaxCryptoInfo> crypto_info)
        : version_(version), cipher_(cipher), crypto_info_(std::move(crypto_info)) {}

    Version version_;
    Cipher cipher_;
    Secret<uapi::kMaxCryptoInfo> crypto_info_;
};

/// A traffic secret of TLS 1.3 (RFC 8446 7.2): 32 bytes with SHA-256, 48 with SHA-384.
using TrafficSecret = Secret<48>;

/// The keys that a traffic secret stands for, for its first record. Fails as Keys::make(), and with
/// "key-derivation-failed".
template <typename Direction>
[[nodiscard]] Result<Keys<Direction>> keys_from(Cipher cipher, const TrafficSecret& secret);
/// The one after it. Fails with "key-derivation-failed".
[[nodiscard]] Result<TrafficSecret> after(const TrafficSecret& secret);

extern template Result<Keys<Tx>> keys_from(Cipher, const TrafficSecret&);
extern template Result<Keys<Rx>> keys_from(Cipher, const TrafficSecret&);
extern template class Keys<Tx>;
extern template class Keys<Rx>;

}  // namespace keysluice::ktls
