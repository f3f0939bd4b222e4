#include "proxy/header.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::proxy;
using testing::to_hex;

namespace {

IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value();
}

std::string line(const Ends& ends) {
    return std::string(as_text(write_v1(ends)));
}

/// One octet each for "0d0a0d0a000d0a515549540a": the rest is what a case is about.
std::string behind_signature(const Header& header) {
    const std::string hex = to_hex(write_v2(header));
    REQUIRE(hex.starts_with("0d0a0d0a000d0a515549540a"));
    return hex.substr(24);
}

const TcpEnds kFour{{address("192.0.2.1"), 4711}, {address("198.51.100.7"), 443}};
const TcpEnds kSix{{address("2001:db8::1"), 65535}, {address("::1"), 0}};

}  // namespace

TEST_CASE("lines of version 1") {
    CHECK(line(kFour) == "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n");
    CHECK(line(kSix) == "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n");
    CHECK(line({}) == "PROXY UNKNOWN\r\n");
    CHECK(line(UnixEnds{"", "/run/shop.sock"}) == "PROXY UNKNOWN\r\n");
    const IpAddress longest = IpAddress::highest(Family::ipv6);
    CHECK(line(TcpEnds{{longest, 65535}, {longest, 65535}}).size() == 104);
}

TEST_CASE("blocks of version 2 have the addresses, and a checksum") {
    // Version 2 and PROXY, family and STREAM, the length; the addresses, the ports; type 3 with its 4 octets.
    CHECK(behind_signature({kFour}) ==
          "21110013"
          "c0000201"
          "c6336407"
          "1267"
          "01bb"
          "030004"
          "ea19cf5a");
    CHECK(behind_signature({kSix}).substr(0, 86) ==
          "2121002b"
          "20010db8000000000000000000000001"
          "00000000000000000000000000000001"
          "ffff"
          "0000"
          "030004");
}

TEST_CASE("a block without ends is LOCAL, and has nothing else") {
    CHECK(behind_signature({}) == "20000000");
    CHECK(behind_signature({.alpn = "h2", .authority = "shop.example", .tls = ClientTls{}}) == "20000000");
}

TEST_CASE("unix sockets are padded to their size") {
    const auto block = write_v2({UnixEnds{"/a", std::string("\0b", 2)}});
    REQUIRE(block.size() == 16 + 216 + 7);
    CHECK(to_hex(Bytes(block).subspan(12, 7)) ==
          "213100df"
          "2f6100");
    CHECK(to_hex(Bytes(block).subspan(16 + 108, 3)) == "006200");
}

TEST_CASE("what is known of TLS stands behind the addresses") {
    const Header header{.ends = kFour,
                        .alpn = "h2",
                        .authority = "a.b",
                        .tls = ClientTls{.certificate = true,
                                         .authenticated = true,
                                         .verify = 0,
                                         .version = "TLSv1.3",
                                         .cipher = "X",
                                         .common_name = "me"}};
    const std::string hex = behind_signature(header);
    CHECK(hex.substr(8 + 24, hex.size() - 8 - 24 - 8) ==
          "010002"
          "6832"
          "020003"
          "612e62"
          "200018"
          "07"
          "00000000"
          "210007"
          "544c5376312e33"
          "220002"
          "6d65"
          "230001"
          "58"
          "030004");
}

TEST_CASE("a client without a certificate is not verified") {
    const std::string hex = behind_signature({.ends = kFour, .tls = ClientTls{.version = "T"}});
    CHECK(hex.substr(8 + 24, 24) ==
          "200009"
          "01"
          "00000001"
          "210001"
          "54");
}

TEST_CASE("a text that is too long is left out") {
    Header header{.ends = kFour, .authority = std::string(255, 'a')};
    const std::size_t with = write_v2(header).size();
    header.authority += 'a';
    CHECK(write_v2(header).size() == with - 255 - 3);
}
