#include "crypto/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cassert>

namespace keysluice::crypto {
namespace {

void digest(const EVP_MD* algorithm, Bytes bytes, MutableBytes out) {
    unsigned int size = 0;
    const int done = EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, algorithm, nullptr);
    assert(done == 1 && size == out.size());
    static_cast<void>(done);
}

}  // namespace

Sha1 sha1(Bytes bytes) {
    Sha1 out{};
    digest(EVP_sha1(), bytes, out);
    return out;
}

Sha256 sha256(Bytes bytes) {
    Sha256 out{};
    digest(EVP_sha256(), bytes, out);
    return out;
}

bool equal(Bytes a, Bytes b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace keysluice::crypto
