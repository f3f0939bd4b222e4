#include "crypto/traffic_secret.hpp"

#include "crypto/hkdf.hpp"

namespace keysluice::crypto {

Result<void> traffic_key(Hash hash, Bytes secret, MutableBytes key, MutableBytes iv) {
    // RFC 8446 7.3: "[sender]_write_key = HKDF-Expand-Label(Secret, "key", "", key_length)", and "iv" likewise.
    auto derived = hkdf_expand_label(hash, secret, "key", {}, key);
    return derived ? hkdf_expand_label(hash, secret, "iv", {}, iv) : derived;
}

Result<void> next_traffic_secret(Hash hash, Bytes secret, MutableBytes next) {
    // RFC 8446 7.2: "application_traffic_secret_N+1 = HKDF-Expand-Label(application_traffic_secret_N, "traffic upd",
    // "", Hash.length)".
    return hkdf_expand_label(hash, secret, "traffic upd", {}, next);
}

}  // namespace keysluice::crypto
