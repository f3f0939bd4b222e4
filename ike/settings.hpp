#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "ike/window.hpp"

namespace keysluice::ike {

/// What holds for all IKE SAs of a process.
struct Settings {
    std::size_t cookie_after = 100;          ///< half-open SAs in all before cookies are demanded, 0: always
    std::size_t half_open_per_address = 50;  ///< 0: no limit
    std::size_t half_open_most = 10'000;     ///< beyond it requests are dropped
    std::size_t children_most = 256;  ///< CHILD SAs of one IKE SA that a peer may ask for, replaced ones included
    Duration half_open_time = std::chrono::seconds(30);
    Retransmission retransmission;
    std::uint16_t port = 500;
    std::uint16_t nat_port = 4500;
    std::uint32_t epoch = 1;                        ///< grows with each process that takes SAs over: see IvCounter
    Duration linger = std::chrono::seconds(5);      ///< how long a replaced inbound CHILD SA still takes packets
    Duration keepalive = std::chrono::seconds(20);  ///< of NAT mappings
    /// How long what stands twice may do so: see twins.hpp.
    Duration patience_with_twins = std::chrono::seconds(10);
    std::vector<IpAddress> addresses = {};  ///< of this host: OwnAddresses
    std::size_t datagram_size = 1228;       ///< largest IKE message without fragments
};

}  // namespace keysluice::ike
