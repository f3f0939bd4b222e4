#pragma once

#include <string>
#include <string_view>

namespace keysluice::cli {

/// "aes256gcm16-prfsha384-x25519" as swanctl --list-sas writes it: "AES_GCM_16-256/PRF_HMAC_SHA2_384/CURVE_25519".
/// A word that is not known stays as it is.
[[nodiscard]] std::string swanctl_name(std::string_view suite);

}  // namespace keysluice::cli
