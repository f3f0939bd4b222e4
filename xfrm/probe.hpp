#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::xfrm {

/// What there is not, with the kernel's words and the option and module that would bring it. Reason
/// "kernel-without-esp" or "kernel-lacks".
struct Missing : Error {
    std::string_view algorithm;  ///< one of algorithms::, where it is one
};

/// What IPsec in the running kernel can do, found out by doing it.
struct Capabilities {
    bool esp_ipv4 = false;
    bool esp_ipv6 = false;
    bool esn = false;
    bool udp_encapsulation_ipv4 = false;
    bool udp_encapsulation_ipv6 = false;
    /// Those of algorithms:: that ESP takes. Weak ones (3DES, MD5, SHA-1) are not asked for: the kernel would load
    /// modules for them.
    std::vector<std::string_view> algorithms;
    std::vector<Missing> missing;

    /// Null for an algorithm that is there, and for one that was not asked for.
    [[nodiscard]] const Missing* find_missing(std::string_view algorithm) const;
};

/// What the trial SAs are made of.
struct Trial {
    /// 64 random bytes that are used for nothing else.
    const Secret<64>& key;
    /// Random, at least 256. RFC 4303 section 2.1: "The set of SPI values in the range 1 through 255 are reserved".
    Spi spi;
};

/// Asks the kernel with SAs that are removed at once: inbound, between addresses of documentation (192.0.2.0/24,
/// 2001:db8::/32), so that nothing can arrive in them. Takes a millisecond, and much longer the first time, while the
/// kernel loads modules.
[[nodiscard]] Capabilities probe(Kernel& kernel, const Trial& trial);

}  // namespace keysluice::xfrm
