#include "policy/packet_header.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <string>
#include <vector>

using namespace keysluice;
using namespace keysluice::policy;

namespace {

using Packet = std::vector<std::uint8_t>;

Packet operator+(Packet left, const Packet& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

/// From 192.0.2.1 to 192.0.2.2. `offset` in units of 8 bytes; 0x2000 says that there are more.
Packet ipv4(std::uint8_t protocol, std::uint16_t offset = 0, std::uint8_t words = 5) {
    Packet header{static_cast<std::uint8_t>(0x40U | words),
                  0,
                  0,
                  0,
                  0,
                  0,
                  static_cast<std::uint8_t>(offset >> 8U),
                  static_cast<std::uint8_t>(offset & 0xffU),
                  64,
                  protocol,
                  0,
                  0,
                  192,
                  0,
                  2,
                  1,
                  192,
                  0,
                  2,
                  2};
    header.resize(std::size_t{words} * 4);
    return header;
}

/// From fd00::1 to fd00::2.
Packet ipv6(std::uint8_t next) {
    Packet header(40);
    header[0] = 0x60;
    header[6] = next;
    header[8] = header[24] = 0xfd;
    header[23] = 1;
    header[39] = 2;
    return header;
}

const Packet kPorts{0x9c, 0x40, 0, 21};  // 40000 and 21

std::string read(const Packet& packet) {
    const auto header = parse_packet(packet);
    return header ? describe(*header) : "none";
}

}  // namespace

TEST_SUITE_BEGIN("packet header");

TEST_CASE("addresses, ports, ICMP's type and code, and SPIs of both families") {
    CHECK(read(ipv4(IPPROTO_TCP) + kPorts) == "tcp 192.0.2.1 port 40000 to 192.0.2.2 port 21");
    CHECK(read(ipv6(IPPROTO_UDP) + kPorts) == "udp fd00::1 port 40000 to fd00::2 port 21");
    CHECK(read(ipv4(IPPROTO_ICMP) + Packet{3, 4, 0, 0}) == "icmp 192.0.2.1 to 192.0.2.2 type 3 code 4");
    CHECK(read(ipv6(IPPROTO_ICMPV6) + Packet{135, 0, 0, 0}) == "ipv6-icmp fd00::1 to fd00::2 type 135 code 0");
    CHECK(read(ipv4(IPPROTO_ESP) + Packet{0, 0, 0x60, 1}) == "esp 192.0.2.1 to 192.0.2.2 SPI 24577 (0x6001)");
    CHECK(read(ipv6(IPPROTO_AH) + Packet{6, 4, 0, 0, 0, 0, 0x60, 2}) == "ah fd00::1 to fd00::2 SPI 24578 (0x6002)");
    CHECK(read(ipv4(200) + kPorts) == "protocol 200 192.0.2.1 to 192.0.2.2");
}

TEST_CASE("what is inside is found behind options and extension headers") {
    CHECK(read(ipv4(IPPROTO_TCP, 0, 7) + kPorts) == "tcp 192.0.2.1 port 40000 to 192.0.2.2 port 21");
    const Packet hop_by_hop{IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0};
    const Packet destination{IPPROTO_FRAGMENT, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const Packet first_fragment{IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 7};
    CHECK(read(ipv6(IPPROTO_HOPOPTS) + hop_by_hop + destination + first_fragment + kPorts) ==
          "udp fd00::1 port 40000 to fd00::2 port 21");
}

TEST_CASE("later fragments have no ports, whatever stands there") {
    CHECK(read(ipv4(IPPROTO_UDP, 0x2000) + kPorts) == "udp 192.0.2.1 port 40000 to 192.0.2.2 port 21");
    CHECK(read(ipv4(IPPROTO_UDP, 1) + kPorts) == "udp 192.0.2.1 to 192.0.2.2");
    CHECK(read(ipv4(IPPROTO_UDP, 0x2100) + kPorts) == "udp 192.0.2.1 to 192.0.2.2");
    CHECK(read(ipv6(IPPROTO_FRAGMENT) + Packet{IPPROTO_UDP, 0, 0, 8, 0, 0, 0, 7} + kPorts) ==
          "udp fd00::1 to fd00::2");
}

TEST_CASE("what was cut short is read as far as it goes") {
    CHECK(read({}) == "none");
    CHECK(read(Packet(19, 0x45)) == "none");
    CHECK(read(Packet(60, 0x50)) == "none");
    CHECK(read(ipv4(IPPROTO_TCP)) == "tcp 192.0.2.1 to 192.0.2.2");
    CHECK(read(ipv4(IPPROTO_TCP) + Packet{1, 2, 3}) == "tcp 192.0.2.1 to 192.0.2.2");
    Packet lies = ipv4(IPPROTO_TCP) + kPorts;
    lies[0] = 0x44;  // a header of 16 bytes
    CHECK(read(lies) == "tcp 192.0.2.1 to 192.0.2.2");
    lies[0] = 0x4f;
    CHECK(read(lies) == "tcp 192.0.2.1 to 192.0.2.2");
    CHECK(read(ipv6(IPPROTO_HOPOPTS) + Packet{IPPROTO_TCP, 200, 0, 0, 0, 0, 0, 0} + kPorts) ==
          "tcp fd00::1 to fd00::2");
    CHECK(read(ipv6(IPPROTO_AH) + Packet{6, 4, 0, 0, 0, 0}) == "ah fd00::1 to fd00::2");
}

TEST_SUITE_END();
