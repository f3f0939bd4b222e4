#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "tls/record.hpp"
#include "tls/types.hpp"

namespace keysluice::tls {

/// One record of TLS 1.3 (RFC 8446 section 5.2), of this number under these keys, without padding; at most 2^14
/// octets of content. Fails with "record-overflow", "cipher-not-in-kernel", and as crypto::Aead does.
Result<std::vector<std::uint8_t>> seal_record(Cipher cipher, const DirectionKeys& keys, std::uint64_t number,
                                              ContentType type, Bytes content);

}  // namespace keysluice::tls
