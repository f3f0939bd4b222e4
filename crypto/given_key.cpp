#include "crypto/given_key.hpp"

#include "base/bytes.hpp"

namespace keysluice::crypto {

Sha256 given_key_name(const Sha256& key, std::string_view reference) {
    Writer both;
    both.raw(key).raw(as_bytes(reference));
    return sha256(both.view());
}

}  // namespace keysluice::crypto
