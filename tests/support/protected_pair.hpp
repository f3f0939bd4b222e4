#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "tests/support/network_namespace.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::test {

/// Whether to run a test that needs ESP: `if (!kernel_has_esp()) { return; }`. Without it this says that the test was
/// skipped. In the guest (KEYSLUICE_GUEST is set) nothing is skipped: there it is a failure.
bool kernel_has_esp();

/// What protects the packets between two namespaces.
struct Protection {
    /// Of an SA; its keys come from the seed.
    std::function<xfrm::Algorithms(std::uint8_t seed)> algorithms;
    xfrm::Mode mode = xfrm::Mode::tunnel;
    Family outer = Family::ipv4;
    /// In tunnel mode; in transport mode the outer one.
    Family inner = Family::ipv4;
    bool esn = false;
    bool encapsulated = false;
    xfrm::Protocol protocol = xfrm::Protocol::esp;
    std::uint32_t replay_window = 128;
};

/// Bytes of a key that is different for every seed.
std::vector<std::uint8_t> key_of(std::uint8_t seed, std::size_t size);
xfrm::Algorithms aes_gcm(std::uint8_t seed);

/// One of the two ends.
struct ProtectedEnd {
    const NetworkNamespace& there;
    xfrm::Kernel kernel;
    IpAddress outer;
    /// Where its traffic comes from and goes to.
    IpAddress inner;
    xfrm::SaId sending;
    xfrm::SaId receiving;
    UniqueFd encapsulation = {};

    [[nodiscard]] UniqueFd socket(int type) const;
    /// /proc/net/xfrm_stat.
    [[nodiscard]] std::string statistics() const;
};

/// Two network namespaces whose traffic the kernel protects with SAs and policies that xfrm::Kernel installed.
class ProtectedPair {
   public:
    explicit ProtectedPair(const Protection& protection);

    /// What an end installs; `change` may alter both SAs before.
    [[nodiscard]] xfrm::Transaction changes(const ProtectedEnd& end,
                                            const std::function<void(xfrm::Sa&)>& change = {}) const;
    /// Installs it on both sides.
    void protect();

    NamespacePair spaces;
    ProtectedEnd left;
    ProtectedEnd right;

   private:
    Protection protection_;
};

/// The entries of statistics() that are not zero.
std::string noticed(const ProtectedEnd& end);
/// One datagram; nothing where none arrives within `patience` milliseconds.
std::optional<std::vector<std::uint8_t>> send_datagram(const ProtectedEnd& from, const ProtectedEnd& to,
                                                       const std::vector<std::uint8_t>& payload, int patience = 5000);
/// What arrives of a TCP connection's bytes.
std::vector<std::uint8_t> send_stream(const ProtectedEnd& from, const ProtectedEnd& to,
                                      const std::vector<std::uint8_t>& payload);

}  // namespace keysluice::test
