#include "daemon/control/ike_sockets.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

using namespace keysluice;
using namespace keysluice::control;

namespace {

const IpAddress kOne = *IpAddress::parse("127.0.0.1");
const IpAddress kTwo = *IpAddress::parse("127.0.0.2");

struct Received {
    UdpEndpoint local;
    UdpEndpoint remote;
    std::vector<std::uint8_t> bytes;

    bool operator==(const Received&) const = default;
};

/// A socket like those of other programs.
class PlainSocket {
   public:
    explicit PlainSocket(std::uint16_t port = 0, const IpAddress& at = kOne)
        : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address = raw({at, port});
        REQUIRE(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
        socklen_t size = sizeof(address);
        REQUIRE(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        own_ = {at, ntohs(address.sin_port)};
        const timeval patience{.tv_sec = 2, .tv_usec = 0};
        setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    }
    [[nodiscard]] const UdpEndpoint& own() const { return own_; }
    void send(const UdpEndpoint& to, const std::vector<std::uint8_t>& bytes) const {
        const sockaddr_in address = raw(to);
        REQUIRE(sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)) == static_cast<ssize_t>(bytes.size()));
    }
    [[nodiscard]] Received receive() const {
        std::array<std::uint8_t, 2048> buffer{};
        sockaddr_in from{};
        socklen_t size = sizeof(from);
        const ssize_t count =
            recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        REQUIRE(count >= 0);
        const auto* octets = reinterpret_cast<const std::uint8_t*>(&from.sin_addr);
        return {own_,
                {*IpAddress::from_octets({octets, 4}), ntohs(from.sin_port)},
                {buffer.begin(), buffer.begin() + count}};
    }

   private:
    static sockaddr_in raw(const UdpEndpoint& endpoint) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port);
        std::memcpy(&address.sin_addr, endpoint.address.octets().data(), 4);
        return address;
    }
    UniqueFd fd_;
    UdpEndpoint own_;
};

std::uint16_t free_port() {
    return PlainSocket().own().port;
}

struct Fixture : IkeSockets::Owner {
    Fixture() {
        do {
            ports = {.port = free_port(), .nat_port = free_port()};
        } while (ports.port == ports.nat_port);
        auto opened = IkeSockets::open(loop, ports, false, store, *this);
        REQUIRE(opened);
        sockets = *std::move(opened);
    }
    void on_datagram(const UdpEndpoint& local, const UdpEndpoint& remote, Bytes bytes) override {
        received.push_back({local, remote, {bytes.begin(), bytes.end()}});
    }
    void turn() { loop.turn(std::chrono::milliseconds(50)); }

    Loop loop;
    DescriptorStore store;
    IkeSockets::Ports ports;
    std::unique_ptr<IkeSockets> sockets;
    std::vector<Received> received;
    PlainSocket peer;
};

}  // namespace

TEST_SUITE_BEGIN("ike sockets");

TEST_CASE_FIXTURE(Fixture, "what comes tells where it came to") {
    for (const IpAddress& address : {kOne, kTwo}) {
        peer.send({address, ports.port}, {1, 2, 3});
        turn();
        REQUIRE(received.size() == 1);
        CHECK(received.back() == Received{{address, ports.port}, peer.own(), {1, 2, 3}});
        received.clear();
    }
}

TEST_CASE_FIXTURE(Fixture, "what goes comes from the address that it should") {
    for (const IpAddress& address : {kOne, kTwo}) {
        const UdpEndpoint from{address, ports.port};
        REQUIRE(sockets->send({.from = from, .to = peer.own(), .bytes = {9, 8, 7}}));
        CHECK(peer.receive() == Received{peer.own(), from, {9, 8, 7}});
    }
}

TEST_CASE_FIXTURE(Fixture, "messages on the port of NATs have a marker that nobody sees") {
    const UdpEndpoint own{kOne, ports.nat_port};
    REQUIRE(sockets->send({.from = own, .to = peer.own(), .bytes = {5, 6}}));
    CHECK(peer.receive().bytes == std::vector<std::uint8_t>{0, 0, 0, 0, 5, 6});
    peer.send(own, {0, 0, 0, 0, 5, 6});
    turn();
    REQUIRE(received.size() == 1);
    CHECK(received[0] == Received{own, peer.own(), {5, 6}});
}

TEST_CASE_FIXTURE(Fixture, "a keepalive is one octet, with no marker") {
    const UdpEndpoint own{kOne, ports.nat_port};
    REQUIRE(sockets->send({.from = own, .to = peer.own(), .bytes = {0xff}, .keepalive = true}));
    CHECK(peer.receive().bytes == std::vector<std::uint8_t>{0xff});
}

TEST_CASE_FIXTURE(Fixture, "keepalives, ESP and scraps on the port of NATs reach nobody") {
    const UdpEndpoint own{kOne, ports.nat_port};
    for (const std::vector<std::uint8_t>& bytes :
         {std::vector<std::uint8_t>{0xff}, {0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1}, {0, 0, 0}, {0, 0, 0, 1, 7}, {}}) {
        peer.send(own, bytes);
    }
    peer.send({kOne, ports.port}, {0xff});
    turn();
    turn();
    CHECK(received.empty());
    // On the other port nothing has a marker.
    peer.send({kOne, ports.port}, {0, 0, 0, 0, 1});
    turn();
    REQUIRE(received.size() == 1);
    CHECK(received[0].bytes.size() == 5);
}

TEST_CASE_FIXTURE(Fixture, "a flood of one socket leaves others their turn") {
    const UdpEndpoint own{kOne, ports.port};
    for (int i = 0; i < IkeSockets::kReadsPerTurn + 10; ++i) {
        peer.send(own, {1});
    }
    turn();
    CHECK(received.size() == IkeSockets::kReadsPerTurn);
    turn();
    CHECK(received.size() == IkeSockets::kReadsPerTurn + 10);
}

TEST_CASE_FIXTURE(Fixture, "IPv6, where there is some") {
    const IpAddress loopback = *IpAddress::parse("::1");
    if (!local_address_towards(loopback)) {
        return;
    }
    REQUIRE(sockets->send(
        {.from = {loopback, ports.port}, .to = {loopback, ports.nat_port}, .bytes = {0, 0, 0, 0, 4, 2}}));
    turn();
    REQUIRE(received.size() == 1);
    CHECK(received[0] == Received{{loopback, ports.nat_port}, {loopback, ports.port}, {4, 2}});
}

TEST_CASE_FIXTURE(Fixture, "failures to send") {
    // Nobody has this address here.
    const UdpEndpoint wrong{*IpAddress::parse("192.0.2.77"), ports.port};
    const auto refused = sockets->send({.from = wrong, .to = peer.own(), .bytes = {1}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "ike-send-failed");
    CHECK(refused.error().sentence.starts_with("1 bytes from 192.0.2.77:"));
    // No socket has this port.
    CHECK(sockets->send({.from = {kOne, 1}, .to = peer.own(), .bytes = {1}}).error().reason == "ike-send-failed");
    // Larger than any datagram.
    const auto large =
        sockets->send({.from = {kOne, ports.port}, .to = peer.own(), .bytes = std::vector<std::uint8_t>(70'000)});
    CHECK(large.error().reason == "ike-send-failed");
    // A port where nobody listens is no failure, now or later.
    const UdpEndpoint nobody{kOne, free_port()};
    CHECK(sockets->send({.from = {kOne, ports.port}, .to = nobody, .bytes = {1}}));
    turn();
    CHECK(sockets->send({.from = {kOne, ports.port}, .to = nobody, .bytes = {1}}));
}

TEST_CASE("a port that is taken") {
    const PlainSocket taken(0, IpAddress::lowest(Family::ipv4));
    struct : IkeSockets::Owner {
        void on_datagram(const UdpEndpoint&, const UdpEndpoint&, Bytes) override {}
    } owner;
    Loop loop;
    DescriptorStore store;
    const auto opened =
        IkeSockets::open(loop, {.port = taken.own().port, .nat_port = free_port()}, false, store, owner);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().reason == "ike-bind-failed");
    CHECK(opened.error().sentence == "UDP 0.0.0.0:" + std::to_string(taken.own().port) + ": Address already in use");
}

TEST_CASE("the address that leads to a peer") {
    CHECK(local_address_towards(kTwo) == kOne);
    CHECK(local_address_towards(*IpAddress::parse("255.255.255.255")).error().reason == "no-route");
}

TEST_SUITE_END();
