#pragma once

#include <compare>
#include <optional>
#include <vector>

#include "base/address.hpp"
#include "crypto/digest.hpp"

namespace keysluice::ike {

/// Two addresses between which packets may pass.
struct Path {
    IpAddress local;
    IpAddress remote;

    auto operator<=>(const Path&) const = default;
};

/// Between which ends the messages of an IKE SA go.
struct Ends {
    UdpEndpoint local;
    UdpEndpoint remote;

    auto operator<=>(const Ends&) const = default;
    [[nodiscard]] Path path() const { return {local.address, remote.address}; }
};

/// What RFC 4555 (MOBIKE) adds to an IKE SA.
struct Mobility {
    bool leads = false;   ///< we began the first IKE SA: which addresses are used is ours to say, rekeyed or not
    bool agreed = false;  ///< both ends speak it
    std::vector<IpAddress> peer_addresses;  ///< as the peer told last, the one first from which it did
    std::vector<IpAddress> announced;       ///< of ours, that the peer was told
    std::vector<Path> paths;                ///< who leads: those that may work, best first
    std::vector<Path> refused;              ///< of these, by the peer (UNACCEPTABLE_ADDRESSES)
    /// Who leads: how the peer saw us last (NAT_DETECTION_DESTINATION_IP); nothing under new SPIs.
    std::optional<crypto::Sha1> seen_as;
};

}  // namespace keysluice::ike
