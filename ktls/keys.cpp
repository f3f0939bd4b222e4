#include "ktls/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "crypto/traffic_secret.hpp"

namespace keysluice::ktls {
namespace {

constexpr std::size_t kSaltSize = 4;
constexpr std::size_t kFullIvSize = 12;

/// The nonce of TLS 1.2's AES suites is salt ‖ nonce_explicit, where the latter travels in each record.
bool has_explicit_nonce(Version version, Cipher cipher) {
    return version == Version::tls12 && cipher != Cipher::chacha20_poly1305;
}

/// Fills the kernel's structure from its start to its end.
class Filler {
   public:
    explicit Filler(MutableBytes room) : rest_(room) {}

    Filler& host(std::uint16_t value) {
        std::array<std::uint8_t, sizeof(value)> bytes{};
        std::memcpy(bytes.data(), &value, sizeof(value));
        return raw(bytes);
    }
    Filler& be(std::uint64_t value) {
        for (std::size_t shift = sizeof(value); shift-- > 0;) {
            rest_.front() = static_cast<std::uint8_t>(value >> (8 * shift));
            rest_ = rest_.subspan(1);
        }
        return *this;
    }
    Filler& raw(Bytes bytes) {
        std::ranges::copy(bytes, rest_.begin());
        rest_ = rest_.subspan(bytes.size());
        return *this;
    }

   private:
    MutableBytes rest_;
};

Result<void> check_lengths(Version version, Cipher cipher, const KeyMaterial& material) {
    if (material.key.size() != key_size(cipher)) {
        return fail("key-length", fmt::format("{} with {} needs a key of {} bytes, got {}", name(version),
                                              name(cipher), key_size(cipher), material.key.size()));
    }
    if (material.iv.size() != iv_size(version, cipher)) {
        return fail("iv-length", fmt::format("{} with {} needs an IV of {} bytes, got {}", name(version),
                                             name(cipher), iv_size(version, cipher), material.iv.size()));
    }
    return {};
}

}  // namespace

std::size_t key_size(Cipher cipher) {
    return uapi::layout(cipher).key;
}

std::size_t iv_size(Version version, Cipher cipher) {
    return has_explicit_nonce(version, cipher) ? kSaltSize : kFullIvSize;
}

template <typename Direction>
Result<Keys<Direction>> Keys<Direction>::make(Version version, Cipher cipher, const KeyMaterial& material) {
    if (auto fits = check_lengths(version, cipher, material); !fits) {
        return pass_on(std::move(fits));
    }
    const uapi::Layout layout = uapi::layout(cipher);
    Secret<uapi::kMaxCryptoInfo> crypto_info;
    Filler filler{crypto_info.writable(layout.size())};
    filler.host(uapi::version_number(version)).host(layout.cipher_type);
    if (has_explicit_nonce(version, cipher)) {
        filler.be(material.explicit_nonce);
    } else {
        filler.raw(material.iv.subspan(layout.salt));
    }
    filler.raw(material.key).raw(material.iv.first(layout.salt)).be(material.sequence);
    return Keys(version, cipher, std::move(crypto_info));
}

template class Keys<Tx>;
template class Keys<Rx>;

namespace {

crypto::Hash hash_of(const TrafficSecret& secret) {
    return secret.size() == crypto::size_of(crypto::Hash::sha256) ? crypto::Hash::sha256 : crypto::Hash::sha384;
}

}  // namespace

template <typename Direction>
Result<Keys<Direction>> keys_from(Cipher cipher, const TrafficSecret& secret) {
    Secret<32> key;
    Secret<kFullIvSize> iv;
    if (auto derived = crypto::traffic_key(hash_of(secret), secret.expose(), key.writable(key_size(cipher)),
                                           iv.writable(kFullIvSize));
        !derived) {
        return pass_on(std::move(derived));
    }
    return Keys<Direction>::make(Version::tls13, cipher, {.key = key.expose(), .iv = iv.expose()});
}

Result<TrafficSecret> after(const TrafficSecret& secret) {
    TrafficSecret next;
    if (auto derived = crypto::next_traffic_secret(hash_of(secret), secret.expose(), next.writable(secret.size()));
        !derived) {
        return pass_on(std::move(derived));
    }
    return next;
}

template Result<Keys<Tx>> keys_from(Cipher, const TrafficSecret&);
template Result<Keys<Rx>> keys_from(Cipher, const TrafficSecret&);

}  // namespace keysluice::ktls
