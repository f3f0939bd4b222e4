#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/descriptor_store.hpp"
#include "daemon/shared/loop.hpp"
#include "ike/actions.hpp"

namespace keysluice::control {

/// The UDP sockets of IKE: one for each family and port.
///
/// On `nat_port`, an IKE message has a marker of four zero bytes in front (RFC 3948 section 2.2), which is put there
/// and taken off here; ESP in UDP goes to the kernel, and keepalives are swallowed.
class IkeSockets {
   public:
    struct Ports {
        std::uint16_t port = 500;
        std::uint16_t nat_port = 4500;
    };
    class Owner {
       public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        virtual ~Owner() = default;
        /// `bytes` are gone when it returns.
        virtual void on_datagram(const UdpEndpoint& local, const UdpEndpoint& remote, Bytes bytes) = 0;
    };
    /// How many datagrams of one socket are read before others get their turn: each may be a key exchange of 100 µs.
    static constexpr int kReadsPerTurn = 16;

    /// Binds all sockets, or takes those that an earlier process bound from `store`, which keeps them: what peers
    /// send meanwhile waits. IPv6 is left out where the system has none. With `into_kernel`, policies of the SPD
    /// don't apply to them and ESP in UDP goes into the kernel's SAs, which needs CAP_NET_ADMIN. Fails with
    /// "ike-bind-failed", and as xfrm/bypass.hpp says.
    [[nodiscard]] static Result<std::unique_ptr<IkeSockets>> open(Loop& loop, Ports ports, bool into_kernel,
                                                                  DescriptorStore& store, Owner& owner);
    ~IkeSockets();
    IkeSockets(const IkeSockets&) = delete;
    IkeSockets& operator=(const IkeSockets&) = delete;

    /// Sends from the address and port that the datagram names. A datagram that can't go out now is lost, as any
    /// datagram may be: IKE sends it again. Failures that a person can mend come back: "ike-send-failed".
    [[nodiscard]] Result<void> send(const ike::SendDatagram& datagram);

   private:
    class Socket;

    IkeSockets(Loop& loop, Ports ports, Owner& owner);
    [[nodiscard]] Result<void> add(Family family, std::uint16_t port, bool into_kernel, DescriptorStore& store);

    Loop& loop_;
    Ports ports_;
    Owner& owner_;
    std::vector<std::unique_ptr<Socket>> sockets_;
    std::array<std::uint8_t, 65'535> buffer_{};  ///< the largest datagram that there is
};

/// The address from which this machine would send to `remote`. Fails with "no-route".
[[nodiscard]] Result<IpAddress> local_address_towards(const IpAddress& remote);

}  // namespace keysluice::control
