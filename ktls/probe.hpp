#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "base/result.hpp"
#include "ktls/types.hpp"

namespace keysluice::ktls {

/// What the record layer of the running kernel can do, found out by doing it.
class Capabilities {
   public:
    /// The kernel takes keys for both directions.
    [[nodiscard]] bool carries(Version version, Cipher cipher) const { return carried_[index(version, cipher)]; }
    [[nodiscard]] bool carries_any() const;

    /// A second key is accepted for a direction of TLS 1.3 (Linux 6.14).
    bool rekeys_receiving = false;
    bool rekeys_sending = false;
    /// Why there is nothing at all: the kernel has no kTLS ("kernel-without-ktls"), or it could not be tried.
    std::optional<Error> absent;

    void set_carries(Version version, Cipher cipher, bool carried) { carried_[index(version, cipher)] = carried; }

   private:
    [[nodiscard]] static constexpr std::size_t index(Version version, Cipher cipher) {
        return static_cast<std::size_t>(version) * kCiphers.size() + static_cast<std::size_t>(cipher);
    }
    std::array<bool, kVersions.size() * kCiphers.size()> carried_{};
};

/// Asks the kernel, with TCP connections over the loopback interface and keys of zeros. Takes milliseconds; the first
/// time, the kernel may load modules ("tls" itself only for CAP_NET_ADMIN; net/ipv4/tcp_ulp.c).
[[nodiscard]] Capabilities probe();

}  // namespace keysluice::ktls
