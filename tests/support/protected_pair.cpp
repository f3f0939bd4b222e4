#include "tests/support/protected_pair.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <sstream>

#include "xfrm/bypass.hpp"

namespace keysluice::test {
namespace {

using namespace xfrm;

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
    SocketAddress made;
    if (address.family() == Family::ipv4) {
        sockaddr_in raw{};
        raw.sin_family = AF_INET;
        raw.sin_port = htons(port);
        std::memcpy(&raw.sin_addr, address.octets().data(), sizeof(raw.sin_addr));
        std::memcpy(&made.storage, &raw, sizeof(raw));
        made.size = sizeof(raw);
    } else {
        sockaddr_in6 raw{};
        raw.sin6_family = AF_INET6;
        raw.sin6_port = htons(port);
        std::memcpy(&raw.sin6_addr, address.octets().data(), sizeof(raw.sin6_addr));
        std::memcpy(&made.storage, &raw, sizeof(raw));
        made.size = sizeof(raw);
    }
    return made;
}

SocketAddress local_address(const UniqueFd& socket) {
    SocketAddress found;
    found.size = sizeof(found.storage);
    REQUIRE(::getsockname(socket.get(), found.get(), &found.size) == 0);
    return found;
}

IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value();
}

IpAddress outer_address(Family family, bool left) {
    return address(family == Family::ipv4 ? (left ? "10.0.0.1" : "10.0.0.2") : (left ? "fd00::1" : "fd00::2"));
}

IpAddress inner_address(const Protection& protection, bool left) {
    if (protection.mode == Mode::transport) {
        return outer_address(protection.outer, left);
    }
    return address(protection.inner == Family::ipv4 ? (left ? "10.1.0.1" : "10.2.0.1")
                                                    : (left ? "fd01::1" : "fd02::1"));
}

Kernel kernel_in(const NetworkNamespace& there) {
    auto kernel = there.run([] { return Kernel::open(); });
    REQUIRE_MESSAGE(kernel, (kernel ? "" : kernel.error().sentence));
    return *std::move(kernel);
}

/// IKE's socket on port 4500: without the bypass, the policies would drop the packets that bring ESP.
UniqueFd encapsulation_socket(const NetworkNamespace& there, const IpAddress& at) {
    const int domain = at.family() == Family::ipv4 ? AF_INET : AF_INET6;
    UniqueFd socket = there.run([&] { return UniqueFd(::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
    REQUIRE(bypass_policies(socket.get(), at.family()));
    REQUIRE(accept_encapsulated_esp(socket.get()));
    const SocketAddress own = socket_address(at, 4500);
    REQUIRE(::bind(socket.get(), own.get(), own.size) == 0);
    return socket;
}

ProtectedEnd end(const Protection& protection, const NetworkNamespace& there, bool left) {
    constexpr Spi kToLeft{0xc0000001};
    constexpr Spi kToRight{0xc0000002};
    const IpAddress here = outer_address(protection.outer, left);
    ProtectedEnd made{
        .there = there,
        .kernel = kernel_in(there),
        .outer = here,
        .inner = inner_address(protection, left),
        .sending = {outer_address(protection.outer, !left), left ? kToRight : kToLeft, protection.protocol},
        .receiving = {here, left ? kToLeft : kToRight, protection.protocol}};
    if (protection.encapsulated) {
        made.encapsulation = encapsulation_socket(there, here);
    }
    return made;
}

Sa sa(const Protection& protection, const ProtectedEnd& end, Direction direction, std::uint8_t seed) {
    const bool out = direction == Direction::out;
    const SaId& id = out ? end.sending : end.receiving;
    Sa made;
    made.direction = direction;
    made.source = out ? end.outer : end.sending.destination;
    made.destination = id.destination;
    made.protocol = id.protocol;
    made.spi = id.spi;
    made.reqid = {7};
    made.mode = protection.mode;
    made.algorithms = protection.algorithms(seed);
    made.esn = protection.esn;
    made.replay_window = protection.replay_window;
    if (protection.encapsulated) {
        made.encapsulation = UdpEncapsulation{};
    }
    return made;
}

Prefix host(const IpAddress& one) {
    return {one, static_cast<std::uint8_t>(one.bits())};
}

std::vector<std::uint8_t> receive_all(const UniqueFd& from, const UniqueFd& to, Bytes payload) {
    std::vector<std::uint8_t> arrived;
    std::vector<std::uint8_t> buffer(65536);
    const std::size_t expected = payload.size();
    while (arrived.size() < expected) {
        const ssize_t sent = ::send(from.get(), payload.data(), payload.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        payload = payload.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        pollfd readable{.fd = to.get(), .events = POLLIN, .revents = 0};
        REQUIRE(::poll(&readable, 1, 10'000) == 1);
        const ssize_t size = ::recv(to.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        REQUIRE(size > 0);
        arrived.insert(arrived.end(), buffer.begin(), buffer.begin() + size);
    }
    return arrived;
}

}  // namespace

std::vector<std::uint8_t> key_of(std::uint8_t seed, std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    std::iota(bytes.begin(), bytes.end(), static_cast<std::uint8_t>(seed * 16));
    return bytes;
}

Algorithms aes_gcm(std::uint8_t seed) {
    return Aead{.name = algorithms::kAesGcm, .key = Secret<36>(key_of(seed, 20))};
}

bool kernel_has_esp() {
    const NetworkNamespace there;
    Kernel kernel = kernel_in(there);
    Sa trial;
    trial.source = address("192.0.2.1");
    trial.destination = address("192.0.2.2");
    trial.spi = {0xc0000001};
    trial.algorithms = aes_gcm(1);
    const auto added = kernel.apply(std::move(Transaction{}.add(std::move(trial))));
    if (added) {
        return true;
    }
    if (std::getenv("KEYSLUICE_GUEST") != nullptr) {
        FAIL(added.error().sentence);
    }
    MESSAGE("skipped: ", added.error().sentence);
    return false;
}

UniqueFd ProtectedEnd::socket(int type) const {
    const int domain = inner.family() == Family::ipv4 ? AF_INET : AF_INET6;
    UniqueFd made = there.run([&] { return UniqueFd(::socket(domain, type | SOCK_CLOEXEC, 0)); });
    const SocketAddress own = socket_address(inner, 0);
    REQUIRE(::bind(made.get(), own.get(), own.size) == 0);
    return made;
}

std::string ProtectedEnd::statistics() const {
    return there.run([] {
        std::ifstream file{"/proc/thread-self/net/xfrm_stat"};
        return std::string{std::istreambuf_iterator<char>{file}, {}};
    });
}

std::string noticed(const ProtectedEnd& end) {
    std::istringstream lines{end.statistics()};
    std::string name;
    std::string found;
    unsigned long count = 0;
    while (lines >> name >> count) {
        found += count == 0 ? "" : name + " ";
    }
    return found;
}

ProtectedPair::ProtectedPair(const Protection& protection)
    : left(end(protection, spaces.left, true)), right(end(protection, spaces.right, false)), protection_(protection) {
    if (protection.mode == Mode::tunnel) {
        spaces.left.shell(
            "ip addr add 10.1.0.1/32 dev lo && ip addr add fd01::1/128 dev lo && "
            "ip route add 10.2.0.0/16 via 10.0.0.2 && ip route add fd02::/64 via fd00::2");
        spaces.right.shell(
            "ip addr add 10.2.0.1/32 dev lo && ip addr add fd02::1/128 dev lo && "
            "ip route add 10.1.0.0/16 via 10.0.0.1 && ip route add fd01::/64 via fd00::1");
    }
}

void ProtectedPair::protect() {
    for (ProtectedEnd* end : {&left, &right}) {
        const auto applied = end->kernel.apply(changes(*end));
        REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
    }
}

Transaction ProtectedPair::changes(const ProtectedEnd& end, const std::function<void(Sa&)>& change) const {
    const ProtectedEnd& other = &end == &left ? right : left;
    Transaction made;
    for (const Direction direction : {Direction::in, Direction::out}) {
        const SaId& id = direction == Direction::in ? end.receiving : end.sending;
        Sa one = sa(protection_, end, direction, static_cast<std::uint8_t>(id.spi.value & 0xffU));
        if (change) {
            change(one);
        }
        made.add(std::move(one));
    }
    for (const Direction direction : {Direction::in, Direction::fwd, Direction::out}) {
        if (direction == Direction::fwd && protection_.mode == Mode::transport) {
            continue;
        }
        const bool out = direction == Direction::out;
        const bool tunnel = protection_.mode == Mode::tunnel;
        const auto [source, destination] = out ? std::pair(&end, &other) : std::pair(&other, &end);
        Policy policy{.direction = direction,
                      .selector = {.source = host(source->inner), .destination = host(destination->inner)},
                      .templates = {{.source = tunnel ? source->outer : IpAddress{},
                                     .destination = tunnel ? destination->outer : IpAddress{},
                                     .protocol = protection_.protocol,
                                     .mode = protection_.mode,
                                     .reqid = {7}}}};
        policy.priority = priority_of(policy.selector, Purpose::installed);
        made.add(std::move(policy));
    }
    return made;
}

std::optional<std::vector<std::uint8_t>> send_datagram(const ProtectedEnd& from, const ProtectedEnd& to,
                                                       const std::vector<std::uint8_t>& payload, int patience) {
    const UniqueFd sender = from.socket(SOCK_DGRAM);
    const UniqueFd receiver = to.socket(SOCK_DGRAM);
    const SocketAddress target = local_address(receiver);
    // The policies may refuse: then nothing arrives.
    static_cast<void>(::sendto(sender.get(), payload.data(), payload.size(), 0, target.get(), target.size));
    pollfd readable{.fd = receiver.get(), .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, patience) != 1) {
        return std::nullopt;
    }
    std::vector<std::uint8_t> arrived(65536);
    const ssize_t size = ::recv(receiver.get(), arrived.data(), arrived.size(), MSG_DONTWAIT);
    REQUIRE(size >= 0);
    arrived.resize(static_cast<std::size_t>(size));
    return arrived;
}

std::vector<std::uint8_t> send_stream(const ProtectedEnd& from, const ProtectedEnd& to,
                                      const std::vector<std::uint8_t>& payload) {
    const UniqueFd sender = from.socket(SOCK_STREAM);
    const UniqueFd listener = to.socket(SOCK_STREAM);
    REQUIRE(::listen(listener.get(), 1) == 0);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    REQUIRE(::setsockopt(sender.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0);
    const SocketAddress target = local_address(listener);
    REQUIRE(::connect(sender.get(), target.get(), target.size) == 0);
    const UniqueFd receiver{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    REQUIRE(receiver);
    return receive_all(sender, receiver, payload);
}

}  // namespace keysluice::test
