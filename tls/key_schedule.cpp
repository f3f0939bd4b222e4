#include "tls/key_schedule.hpp"

#include <string>
#include <utility>

#include "crypto/tls12_prf.hpp"
#include "crypto/traffic_secret.hpp"

namespace keysluice::tls {

namespace {

constexpr std::size_t kIvSize = 12;
constexpr std::size_t kSaltSize = 4;

std::size_t key_size(Cipher cipher) {
    return cipher == Cipher::aes128_gcm || cipher == Cipher::aes128_ccm ? 16 : 32;
}

Result<void> derive_tls13(DirectionKeys& keys, Cipher cipher, crypto::Hash hash, Bytes secret) {
    keys.traffic_secret = Secret<48>(secret);
    return crypto::traffic_key(hash, secret, keys.key.writable(key_size(cipher)), keys.iv.writable(kIvSize));
}

}  // namespace

Result<SessionKeys> tls13_keys(Role role, Cipher cipher, crypto::Hash hash, Bytes client_secret,
                               Bytes server_secret) {
    SessionKeys keys;
    keys.version = Version::tls13;
    keys.cipher = cipher;
    DirectionKeys& client = role == Role::client ? keys.write : keys.read;
    DirectionKeys& server = role == Role::client ? keys.read : keys.write;
    if (auto derived = derive_tls13(client, cipher, hash, client_secret); !derived) {
        return pass_on(std::move(derived));
    }
    if (auto derived = derive_tls13(server, cipher, hash, server_secret); !derived) {
        return pass_on(std::move(derived));
    }
    return keys;
}

Result<SessionKeys> tls12_keys(Role role, Cipher cipher, crypto::Hash hash, const Tls12Secrets& secrets,
                               std::uint64_t finished_nonce) {
    const bool whole_iv = cipher == Cipher::chacha20_poly1305;
    const std::size_t key = key_size(cipher);
    const std::size_t iv = whole_iv ? kIvSize : kSaltSize;
    // RFC 5246 6.3: key_block = PRF(master_secret, "key expansion", server_random + client_random).
    std::string seed{as_text(secrets.server_random)};
    seed.append(as_text(secrets.client_random));
    Secret<2 * (32 + kIvSize)> block;
    const MutableBytes out = block.writable(2 * (key + iv));
    if (auto derived = crypto::tls12_prf(hash, secrets.master, "key expansion", as_bytes(seed), out); !derived) {
        return pass_on(std::move(derived));
    }
    // "client_write_key, server_write_key, client_write_IV, server_write_IV"; AEAD ciphers have no MAC keys.
    Reader reader(block.expose());
    SessionKeys keys;
    keys.version = Version::tls12;
    keys.cipher = cipher;
    DirectionKeys& client = role == Role::client ? keys.write : keys.read;
    DirectionKeys& server = role == Role::client ? keys.read : keys.write;
    client.key = Secret<32>(reader.take(key));
    server.key = Secret<32>(reader.take(key));
    client.iv = Secret<12>(reader.take(iv));
    server.iv = Secret<12>(reader.take(iv));
    client.sequence = 1;
    server.sequence = 1;
    keys.write.explicit_nonce = whole_iv ? 0 : finished_nonce + 1;
    return keys;
}

}  // namespace keysluice::tls
