#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/control/configuration.hpp"

namespace keysluice::doctor {

/// What a configuration wants of its host.
struct Wants {
    bool ike = false;
    bool tls_kernel = false;           ///< some service is to be carried by the kernel where that works
    bool tls_kernel_required = false;  ///< or not at all
    std::uint16_t ike_port = 500;
    std::uint16_t nat_port = 4500;
    bool tunnels = false;
    bool on_traffic = false;
    bool ipv6_peers = false;
    /// Tunnels for networks behind this host, by a connection that has one: "hq".
    std::string forwards_ipv4;
    std::string forwards_ipv6;

    struct Offload {
        std::string child;  ///< "hq/net"
        ike::Offload wanted = ike::Offload::automatic;
    };
    std::vector<Offload> offloads;  ///< without those that want none

    struct Listener {
        std::string service;
        Endpoint endpoint;
    };
    std::vector<Listener> listeners;

    struct File {
        std::string of;  ///< "service shop"
        std::string path;
        std::string user;  ///< of a secret: the system user that has to read it
    };
    std::vector<File> certificates;
    std::vector<File> secrets;  ///< none of them is a credential
};

[[nodiscard]] Wants wants_of(const control::Configuration& configuration);

/// Of a host without a configuration: everything may come.
[[nodiscard]] Wants wants_of_anybody();

}  // namespace keysluice::doctor
