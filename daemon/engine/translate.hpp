#pragma once

#include <optional>

#include "base/result.hpp"
#include "ktls/keys.hpp"
#include "tls/types.hpp"

namespace keysluice {

/// What the kernel is given for one connection.
struct KernelKeys {
    ktls::Keys<ktls::Tx> tx;
    ktls::Keys<ktls::Rx> rx;
};

/// The kernel's name of a cipher, or nothing where the kernel has none.
[[nodiscard]] std::optional<ktls::Cipher> to_kernel(tls::Cipher cipher);
[[nodiscard]] ktls::Version to_kernel(tls::Version version);

/// What `tls/` exports as what `ktls/` installs. Pure: neither layer knows the other.
/// Error: `cipher-not-in-kernel`, or what ktls::Keys::make says of key lengths.
[[nodiscard]] Result<KernelKeys> to_kernel(const tls::SessionKeys& keys);

}  // namespace keysluice
