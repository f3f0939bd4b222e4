#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "daemon/control/databases.hpp"
#include "ike/connection.hpp"
#include "netlink/route.hpp"

namespace keysluice::control {

/// What became of the wish that a network device takes over a part of ESP.
struct OffloadState {
    ike::Offload requested = ike::Offload::off;
    ike::Offload in_force = ike::Offload::off;  ///< crypto, packet or off, of all SAs
    /// What the kernel has given to the device: it is in force while that has the feature.
    ike::Offload taken = ike::Offload::off;
    bool partly = false;  ///< it has some of the SAs only: nothing is in force, and yet they go with it
    std::string device;   ///< empty: none was asked
    std::string reason;   ///< why less is in force than was asked for

    bool operator==(const OffloadState&) const = default;
};

/// What is asked of which device.
struct OffloadWish {
    ike::Offload requested = ike::Offload::automatic;
    netlink::Device device;
};

/// What the kernel is asked for: with Offload::automatic, cryptography.
[[nodiscard]] xfrm::Offload offload_of(const OffloadWish& wish);

/// Carries out a transaction whose SAs ask for what offload_of() says, all of it or nothing, and compares that with
/// what the kernel reports afterwards: to the kernel, a device that knows nothing of IPsec is no failure, nor one
/// whose feature is switched off. With Offload::automatic, what the device does not take stays with the kernel.
///
/// Fails with "offload-declined" and "offload-refused" (the kernel's words in the sentence), and as
/// Databases::apply() does.
[[nodiscard]] Result<OffloadState> install_offloaded(Databases& databases, xfrm::Transaction transaction,
                                                     const OffloadWish& wish);

/// The same for SAs that it has already, with a transaction that binds them to that device. They stay, whatever it
/// does of them. Fails as Databases::apply() does.
[[nodiscard]] Result<OffloadState> rebind_offloaded(Databases& databases, const xfrm::Transaction& transaction,
                                                    const OffloadWish& wish);

/// Whether a device of that feature does what it has been given. Nothing is known: it does.
[[nodiscard]] bool does_esp(std::optional<netlink::Feature> feature);
/// Why it does not.
[[nodiscard]] std::string lacking(netlink::Feature feature, std::string_view device);

/// What either SA of a CHILD SA has of a device; the outbound one may be missing.
[[nodiscard]] std::optional<xfrm::Offload> found_in(const xfrm::SaState& inbound, const xfrm::SaState* outbound);
/// Of SAs that an earlier process installed.
[[nodiscard]] OffloadState found_offload(ike::Offload requested, const xfrm::SaState& inbound,
                                         const xfrm::SaState* outbound);

}  // namespace keysluice::control
