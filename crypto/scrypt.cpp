#include "crypto/scrypt.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <cassert>

namespace keysluice::crypto {
namespace {

constexpr std::uint64_t kBlockSize = 8;
constexpr std::uint64_t kParallelization = 1;

}  // namespace

Result<void> scrypt(Bytes secret, Bytes salt, unsigned int log2_n, MutableBytes out) {
    assert(log2_n >= 1 && log2_n <= kMostScryptLog2N);
    const std::uint64_t cost = std::uint64_t{1} << log2_n;
    // RFC 7914 5: 128 * r octets for each of the N steps, and as much for p blocks and one at work.
    const std::uint64_t memory = 128 * kBlockSize * (cost + kParallelization + 2);
    const auto passphrase = as_text(secret);
    if (EVP_PBE_scrypt(passphrase.data(), passphrase.size(), salt.data(), salt.size(), cost, kBlockSize,
                       kParallelization, memory, out.data(), out.size()) <= 0) {
        ERR_clear_error();
        return fail("key-derivation-failed",
                    "OpenSSL could not compute scrypt: is its default provider loaded, and is "
                    "there memory for it?");
    }
    return {};
}

}  // namespace keysluice::crypto
