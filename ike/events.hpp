#pragma once

#include <variant>

#include "ike/actions.hpp"

namespace keysluice::ike {

struct DatagramReceived {
    UdpEndpoint local;
    UdpEndpoint remote;
    Bytes bytes;  ///< without a non-ESP marker
};

/// A deadline has passed.
struct TimePassed {};

/// Start a connection, or one more child of it where its IKE SA stands.
struct Initiate {
    std::string connection;
    std::string child;  ///< empty: all of them
    UdpEndpoint local;
    UdpEndpoint remote;
};

/// Close a connection's IKE SAs, with all that belongs to them.
struct Terminate {
    std::string connection;
};

/// Rekey all IKE SAs of a connection, or their child of that name.
struct Rekey {
    std::string connection;
    std::string child;  ///< empty: the IKE SA itself
};

/// The kernel's answer to InstallChild.
struct ChildInstalled {
    IkeSpi sa;
    EspSpi inbound;
    Result<void> result;
};

using Event = std::variant<DatagramReceived, TimePassed, Initiate, Terminate, Rekey, ChildInstalled>;

}  // namespace keysluice::ike
