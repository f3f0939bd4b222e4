#include "daemon/control/ike_sockets.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "daemon/shared/log.hpp"
#include "xfrm/bypass.hpp"

namespace keysluice::control {
namespace {

/// RFC 3948 section 2.2: "The Non-ESP Marker is 4 zero-valued bytes".
constexpr std::array<std::uint8_t, 4> kMarker{};
/// RFC 3948 section 2.3: "The sender MUST use a one-octet-long payload with the value 0xFF."
constexpr std::uint8_t kKeepalive = 0xff;

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

template <typename Raw>
Raw& as(Address& address) {
    return reinterpret_cast<Raw&>(address.storage);
}

Address to_raw(const UdpEndpoint& endpoint) {
    Address raw;
    const Bytes octets = endpoint.address.octets();
    if (endpoint.address.family() == Family::ipv4) {
        auto& v4 = as<sockaddr_in>(raw);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        std::memcpy(&v4.sin_addr, octets.data(), octets.size());
        raw.length = sizeof(v4);
    } else {
        auto& v6 = as<sockaddr_in6>(raw);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
        raw.length = sizeof(v6);
    }
    return raw;
}

template <typename Raw>
IpAddress to_address(const Raw& raw) {
    static_assert(sizeof(raw) == 4 || sizeof(raw) == 16);
    return IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&raw), sizeof(raw)}).value_or(IpAddress());
}

std::optional<UdpEndpoint> from_raw(Address& raw) {
    if (raw.storage.ss_family == AF_INET) {
        return UdpEndpoint{to_address(as<sockaddr_in>(raw).sin_addr), ntohs(as<sockaddr_in>(raw).sin_port)};
    }
    if (raw.storage.ss_family == AF_INET6) {
        return UdpEndpoint{to_address(as<sockaddr_in6>(raw).sin6_addr), ntohs(as<sockaddr_in6>(raw).sin6_port)};
    }
    return std::nullopt;
}

/// The address that a datagram was sent to.
std::optional<IpAddress> destination_of(msghdr& message) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(control), sizeof(info));
            return to_address(info.ipi_addr);
        }
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(control), sizeof(info));
            return to_address(info.ipi6_addr);
        }
    }
    return std::nullopt;
}

using ControlBuffer = std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))>;

template <typename Info>
void put_control(msghdr& message, int level, int type, const Info& info) {
    message.msg_controllen = CMSG_SPACE(sizeof(info));
    cmsghdr* control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(CMSG_DATA(control), &info, sizeof(info));
}

/// Makes the datagram come from this address.
void put_source(msghdr& message, const IpAddress& source) {
    const Bytes octets = source.octets();
    if (source.family() == Family::ipv4) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, octets.data(), octets.size());
        put_control(message, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, octets.data(), octets.size());
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
}

bool set(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/// Messages may be larger than the path's MTU: they go out in fragments then, instead of not at all.
bool set_options(int fd, Family family) {
    if (family == Family::ipv4) {
        return set(fd, IPPROTO_IP, IP_PKTINFO, 1) && set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    }
    return set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
           set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

int raw_family(Family family) {
    return family == Family::ipv4 ? AF_INET : AF_INET6;
}

/// That it is the socket that an earlier process bound.
bool is_bound(int fd, Family family, std::uint16_t port) {
    Address own;
    own.length = sizeof(own.storage);
    const auto endpoint = getsockname(fd, own.get(), &own.length) == 0 ? from_raw(own) : std::optional<UdpEndpoint>{};
    return endpoint && endpoint->address.family() == family && endpoint->port == port;
}

/// Nobody can mend these, and the next attempt may go well.
bool is_passing(int error) {
    return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EINTR || error == ECONNREFUSED;
}

}  // namespace

class IkeSockets::Socket final : Watcher {
   public:
    Socket(IkeSockets& owner, UniqueFd fd, Family family, std::uint16_t port)
        : owner_(owner), fd_(std::move(fd)), family_(family), port_(port) {
        owner_.loop_.add(fd_.get(), EPOLLIN, *this);
    }
    ~Socket() override { owner_.loop_.remove(fd_.get(), *this); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    [[nodiscard]] bool serves(const UdpEndpoint& local) const {
        return local.port == port_ && local.address.family() == family_;
    }
    [[nodiscard]] Result<void> send(const ike::SendDatagram& datagram) const;

   private:
    void on_events(std::uint32_t events) override;
    [[nodiscard]] bool read_one();
    [[nodiscard]] bool marked() const { return port_ == owner_.ports_.nat_port; }

    IkeSockets& owner_;
    UniqueFd fd_;
    Family family_;
    std::uint16_t port_;
};

void IkeSockets::Socket::on_events(std::uint32_t /*events*/) {
    for (int i = 0; i < kReadsPerTurn && read_one(); ++i) {
    }
}

/// False when there is nothing to read for now.
bool IkeSockets::Socket::read_one() {
    auto& buffer = owner_.buffer_;
    Address from;
    alignas(cmsghdr) ControlBuffer control{};
    iovec piece{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message{};
    message.msg_name = from.get();
    message.msg_namelen = sizeof(from.storage);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    if (size < 0) {
        // What an earlier datagram met on its way (ECONNREFUSED) is told once, and reading goes on.
        return errno != EAGAIN && errno != EBADF;
    }
    const auto remote = from_raw(from);
    const auto local = destination_of(message);
    Bytes bytes = Bytes(buffer).first(static_cast<std::size_t>(size));
    if (!remote || !local || (message.msg_flags & MSG_TRUNC) != 0) {
        return true;
    }
    if (bytes.size() == 1 && bytes[0] == kKeepalive) {
        return true;
    }
    if (marked()) {
        if (bytes.size() < kMarker.size() || !std::ranges::equal(bytes.first(kMarker.size()), kMarker)) {
            return true;  // ESP for which the kernel has no SA, or which is not handed to it
        }
        bytes = bytes.subspan(kMarker.size());
    }
    owner_.owner_.on_datagram({*local, port_}, *remote, bytes);
    return true;
}

Result<void> IkeSockets::Socket::send(const ike::SendDatagram& datagram) const {
    Address to = to_raw(datagram.to);
    alignas(cmsghdr) ControlBuffer control{};
    std::array<iovec, 2> pieces{};
    std::size_t count = 0;
    if (marked() && !datagram.keepalive) {
        // sendmsg() does not write.
        pieces.at(count++) = {.iov_base = const_cast<std::uint8_t*>(kMarker.data()), .iov_len = kMarker.size()};
    }
    pieces.at(count++) = {.iov_base = const_cast<std::uint8_t*>(datagram.bytes.data()),
                          .iov_len = datagram.bytes.size()};
    msghdr message{};
    message.msg_name = to.get();
    message.msg_namelen = to.length;
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    put_source(message, datagram.from.address);
    if (sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || is_passing(errno)) {
        return {};
    }
    return fail("ike-send-failed", fmt::format("{} bytes from {} to {}: {}", datagram.bytes.size(),
                                               datagram.from.text(), datagram.to.text(), std::strerror(errno)));
}

IkeSockets::IkeSockets(Loop& loop, Ports ports, Owner& owner) : loop_(loop), ports_(ports), owner_(owner) {}

IkeSockets::~IkeSockets() = default;

Result<std::unique_ptr<IkeSockets>> IkeSockets::open(Loop& loop, Ports ports, bool into_kernel,
                                                     DescriptorStore& store, Owner& owner) {
    std::unique_ptr<IkeSockets> sockets(new IkeSockets(loop, ports, owner));
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        for (const std::uint16_t port : {ports.port, ports.nat_port}) {
            if (auto added = sockets->add(family, port, into_kernel, store); !added) {
                return pass_on(std::move(added));
            }
        }
    }
    return sockets;
}

Result<void> IkeSockets::add(Family family, std::uint16_t port, bool into_kernel, DescriptorStore& store) {
    const std::string name = fmt::format("ike-{}-{}", family == Family::ipv4 ? "ipv4" : "ipv6", port);
    auto inherited = store.take(name);
    const bool bound = inherited && is_bound(inherited->get(), family, port);
    UniqueFd fd;
    if (bound) {
        fd = *std::move(inherited);
    } else {
        inherited.reset();  // of other ports: closed before ours are bound
        fd.reset(socket(raw_family(family), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    }
    if (!fd && errno == EAFNOSUPPORT && family == Family::ipv6) {
        return {};
    }
    const UdpEndpoint anywhere{IpAddress::lowest(family), port};
    Address address = to_raw(anywhere);
    // What an earlier process has bound has its options too.
    const bool ready =
        bound || (fd && set_options(fd.get(), family) && bind(fd.get(), address.get(), address.length) == 0);
    if (!ready) {
        if (errno == EADDRNOTAVAIL && family == Family::ipv6) {
            return {};  // net.ipv6.conf.all.disable_ipv6
        }
        return fail("ike-bind-failed", fmt::format("UDP {}: {}", anywhere.text(), std::strerror(errno)));
    }
    if (into_kernel) {
        if (auto bypassed = xfrm::bypass_policies(fd.get(), family); !bypassed) {
            return bypassed;
        }
        if (port == ports_.nat_port) {
            if (auto accepted = xfrm::accept_encapsulated_esp(fd.get()); !accepted) {
                return accepted;
            }
        }
    }
    if (store.available() && !bound) {
        store.forget(name);
        if (auto kept = store.keep(name, fd.get()); !kept) {
            log_warning("{} ({})", kept.error().sentence, kept.error().reason);
        }
    }
    sockets_.push_back(std::make_unique<Socket>(*this, std::move(fd), family, port));
    return {};
}

Result<void> IkeSockets::send(const ike::SendDatagram& datagram) {
    const auto socket = std::ranges::find_if(sockets_, [&](const auto& each) { return each->serves(datagram.from); });
    if (socket == sockets_.end()) {
        return fail("ike-send-failed", fmt::format("there is no socket to send from {} to {}", datagram.from.text(),
                                                   datagram.to.text()));
    }
    return (*socket)->send(datagram);
}

Result<IpAddress> local_address_towards(const IpAddress& remote) {
    const UniqueFd probe(socket(raw_family(remote.family()), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Address to = to_raw({remote, 500});
    Address own;
    own.length = sizeof(own.storage);
    // Nothing is sent: connect() of a UDP socket only looks up the route.
    const bool found = probe && connect(probe.get(), to.get(), to.length) == 0 &&
                       getsockname(probe.get(), own.get(), &own.length) == 0;
    const auto endpoint = found ? from_raw(own) : std::nullopt;
    if (!endpoint) {
        return fail("no-route", fmt::format("there is no way to {}: {}", remote.text(), std::strerror(errno)));
    }
    return endpoint->address;
}

}  // namespace keysluice::control
