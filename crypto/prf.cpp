#include "crypto/prf.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>
#include <vector>

#include "base/secret.hpp"

namespace keysluice::crypto {

namespace {

constexpr std::size_t kAesKey = 16;

MacAlgorithm mac_of(Prf prf) {
    switch (prf) {
        case Prf::hmac_md5:
            return MacAlgorithm::hmac_md5;
        case Prf::hmac_sha1:
            return MacAlgorithm::hmac_sha1;
        case Prf::hmac_sha256:
            return MacAlgorithm::hmac_sha256;
        case Prf::hmac_sha384:
            return MacAlgorithm::hmac_sha384;
        case Prf::hmac_sha512:
            return MacAlgorithm::hmac_sha512;
        case Prf::aes128_xcbc:
            return MacAlgorithm::aes128_xcbc;
        case Prf::aes128_cmac:
            return MacAlgorithm::aes128_cmac;
    }
    std::unreachable();
}

/// The key of exactly 128 bits that an AES PRF works with.
Result<Secret<kAesKey>> fitted(Macs& macs, Prf prf, Bytes key) {
    if (key.size() == kAesKey) {
        return Secret<kAesKey>(key);
    }
    Secret<kAesKey> fitted;
    const MutableBytes out = fitted.writable(kAesKey);
    // RFC 4434 section 2: "If the key has fewer than 128 bits, lengthen it to exactly 128 bits by padding it on the
    // right with zero bits."
    if (prf == Prf::aes128_xcbc && key.size() < kAesKey) {
        std::ranges::copy(key, out.begin());
        return fitted;
    }
    // RFC 4434 section 2, of longer keys: "the key is 128 zero bits; the message is the too-long current key."
    // RFC 4615 section 3: "If it is longer or shorter than 128 bits, then we derive the key, K, by applying the
    // AES-CMAC algorithm using the 128-bit all-zero string as the key and VK as the input message."
    static constexpr std::array<std::uint8_t, kAesKey> kZeros{};
    if (auto computed = macs.compute(mac_of(prf), kZeros, std::array{key}, out); !computed) {
        return pass_on(std::move(computed));
    }
    return fitted;
}

}  // namespace

std::size_t output_size(Prf prf) {
    return output_size(mac_of(prf));
}

Result<void> compute(Macs& macs, Prf prf, Bytes key, std::span<const Bytes> parts, MutableBytes out) {
    assert(out.size() == output_size(prf));
    if (prf != Prf::aes128_xcbc && prf != Prf::aes128_cmac) {
        return macs.compute(mac_of(prf), key, parts, out);
    }
    auto aes_key = fitted(macs, prf, key);
    if (!aes_key) {
        return pass_on(std::move(aes_key));
    }
    return macs.compute(mac_of(prf), aes_key->expose(), parts, out);
}

Result<void> prf_plus(Macs& macs, Prf prf, Bytes key, std::span<const Bytes> seed, MutableBytes out) {
    // RFC 7296 section 2.13: "T1 = prf (K, S | 0x01)", "T2 = prf (K, T1 | S | 0x02)" … "The prf+ function is not
    // defined beyond 255 times the size of the prf function output."
    const std::size_t size = output_size(prf);
    assert(out.size() <= 255 * size);
    Secret<64> block;
    std::uint8_t count = 0;
    std::vector<Bytes> parts{Bytes{}};
    parts.insert(parts.end(), seed.begin(), seed.end());
    parts.emplace_back(&count, 1);
    while (!out.empty()) {
        ++count;
        Secret<64> next;
        if (auto computed = compute(macs, prf, key, parts, next.writable(size)); !computed) {
            return computed;
        }
        block = std::move(next);
        parts.front() = block.expose();
        const Bytes taken = block.expose().first(std::min(size, out.size()));
        std::ranges::copy(taken, out.begin());
        out = out.subspan(taken.size());
    }
    return {};
}

}  // namespace keysluice::crypto
