#include "proxy/header_reader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

#include "proxy/crc32c.hpp"
#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::proxy;
using testing::from_hex;
using namespace std::string_view_literals;

namespace {

constexpr std::string_view kSignature = "0d0a0d0a000d0a515549540a";
constexpr std::string_view kAddresses = "c0000201c6336407126701bb";

struct Outcome {
    std::string reason;
    std::string sentence;
    Header header;
    std::size_t taken = 0;
};

/// As a socket gives it: `chunk` octets at most at once, and another look at what was not taken.
Outcome read(Bytes octets, std::size_t chunk = 1 << 16, Versions versions = {}) {
    HeaderReader reader(versions);
    Outcome outcome;
    while (!reader.complete() && outcome.taken < octets.size()) {
        const Bytes rest = octets.subspan(outcome.taken);
        const Bytes shown = rest.first(std::min(chunk, rest.size()));
        const auto taken = reader.take(shown);
        if (!taken) {
            return {std::string(taken.error().reason), taken.error().sentence, {}, outcome.taken};
        }
        CHECK((*taken == shown.size() || reader.complete()));
        outcome.taken += *taken;
    }
    outcome.reason = reader.complete() ? "" : "incomplete";
    outcome.header = reader.header();
    return outcome;
}

Outcome read_line(std::string_view line, Versions versions = {}) {
    return read(as_bytes(line), 1 << 16, versions);
}

/// A block of version 2 in hexadecimal, its signature left out.
Outcome read_block(std::string_view hex, Versions versions = {}) {
    return read(from_hex(std::string(kSignature) + std::string(hex)), 1 << 16, versions);
}

/// The same with PROXY, TCP over IPv4, addresses, and these TLVs.
Outcome read_tlvs(std::string_view hex) {
    const auto tlvs = from_hex(hex);
    Writer length;
    length.be(static_cast<std::uint16_t>(12 + tlvs.size()));
    return read_block("2111" + testing::to_hex(length.view()) + std::string(kAddresses) + std::string(hex));
}

std::string refused(const Outcome& outcome) {
    CHECK(outcome.reason == "proxy-header-malformed");
    constexpr std::string_view kStart = "a PROXY header is not as its protocol says: ";
    REQUIRE(outcome.sentence.starts_with(kStart));
    return outcome.sentence.substr(kStart.size());
}

TcpEnds tcp(std::string_view source, std::uint16_t source_port, std::string_view destination,
            std::uint16_t destination_port) {
    return {{IpAddress::parse(source).value(), source_port},
            {IpAddress::parse(destination).value(), destination_port}};
}

}  // namespace

TEST_CASE("lines of version 1 are read, and nothing behind them") {
    const auto four = read_line("PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\nGET / HTTP/1.1\r\n");
    CHECK(four.reason == "");
    CHECK(four.taken == 44);
    CHECK(four.header.ends == Ends(tcp("192.0.2.1", 4711, "198.51.100.7", 443)));
    CHECK(read_line("PROXY TCP6 2001:DB8::1 ::1 65535 0\r\n").header.ends ==
          Ends(tcp("2001:db8::1", 65535, "::1", 0)));
    // HAProxy and nginx write the address of an IPv4 client of an IPv6 socket like this.
    CHECK(read_line("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n").header.ends ==
          Ends(tcp("::ffff:192.0.2.1", 1, "::1", 2)));
}

TEST_CASE("UNKNOWN is a header without ends, whatever stands behind it") {
    for (const std::string& line :
         {std::string("PROXY UNKNOWN\r\n"), "PROXY UNKNOWN " + std::string(91, 'f') + "\r\n",
          std::string("PROXY UNKNOWN a\rb\nc\r\n"), std::string("PROXY UNKNOWN TCP4 1.1.1.1 2.2.2.2 1 2\r\n")}) {
        CAPTURE(line);
        const auto outcome = read_line(line);
        CHECK(outcome.reason == "");
        CHECK(outcome.taken == line.size());
        CHECK(outcome.header == Header{});
    }
}

TEST_CASE("lines that are not exactly as they should be are refused") {
    for (const char* line : {"PROXY TCP4 192.0.2.1 198.51.100.7 4711\r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443 \r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443 5\r\n",
                             "PROXY TCP4  192.0.2.1 198.51.100.7 4711 443\r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 04711 443\r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 4711 65536\r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 4711 +43\r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 4711 0x1\r\n",
                             "PROXY TCP4 192.0.2.01 198.51.100.7 4711 443\r\n",
                             "PROXY TCP4 192.0.2.256 198.51.100.7 4711 443\r\n",
                             "PROXY TCP4 ::1 ::1 4711 443\r\n",
                             "PROXY TCP6 192.0.2.1 198.51.100.7 4711 443\r\n",
                             "PROXY TCP6 ::1 192.0.2.1 4711 443\r\n",
                             "PROXY TCP6 fe80::1%lo ::1 4711 443\r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 4711 \r\n",
                             "PROXY TCP4\r\n",
                             "PROXY \r\n",
                             "PROXY TCP5 a b 1 2\r\n",
                             "PROXY tcp4 192.0.2.1 198.51.100.7 4711 443\r\n",
                             "PROXY UNKNOWNS\r\n",
                             "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\n\r\n"}) {
        CAPTURE(line);
        CHECK(read_line(line).reason == "proxy-header-malformed");
    }
}

TEST_CASE("a line ends within 107 octets, with CR and LF") {
    const std::string unknown = "PROXY UNKNOWN " + std::string(91, 'x');
    CHECK(read_line(unknown + "\r\n").reason == "");
    CHECK(refused(read_line(unknown + "x\r\n")) == "its line is longer than 107 octets");
    CHECK(read_line(unknown + "\n").reason == "incomplete");
    CHECK(refused(read_line(std::string("PROXY TCP4 ") + std::string(200, '1'))) ==
          "its line is longer than 107 octets");
}

TEST_CASE("another protocol is refused by its first octet that differs") {
    for (const std::string_view octets :
         {"\x16\x03\x01"sv, "GET / HTTP/1.1"sv, "PO"sv, "PROXYX"sv, "\r\n\r\n\0\r\nQUIR"sv}) {
        CAPTURE(octets);
        CHECK(read(as_bytes(octets)).reason == "proxy-header-missing");
    }
    CHECK(read(as_bytes("PO"), 1).taken == 1);
    CHECK(read(as_bytes("GET"), 1).taken == 0);
    CHECK(read({}).reason == "incomplete");
}

TEST_CASE("a version that is not taken is refused by its first octet") {
    CHECK(read_line("P", {.v1 = false}).reason == "proxy-header-version");
    CHECK(read_block("", {.v2 = false}).reason == "proxy-header-version");
    CHECK(read_line("PROXY UNKNOWN\r\n", {.v2 = false}).reason == "");
    CHECK(read_block("20000000", {.v1 = false}).reason == "");
}

TEST_CASE("blocks of version 2 are read, and nothing behind them") {
    const auto four = read_block("2111000c" + std::string(kAddresses) + "160301");
    CHECK(four.reason == "");
    CHECK(four.taken == 28);
    CHECK(four.header == Header{.ends = tcp("192.0.2.1", 4711, "198.51.100.7", 443)});
    CHECK(read_block("21210024"
                     "20010db8000000000000000000000001"
                     "00000000000000000000000000000001"
                     "ffff"
                     "0000")
              .header.ends == Ends(tcp("2001:db8::1", 65535, "::1", 0)));
    const std::string zeros(216 - 8, '0');
    const auto local = read_block(
                           "213100d8"
                           "2f610062" +
                           zeros + "00626300" + zeros)
                           .header;
    CHECK(local.ends == Ends(UnixEnds{"/a", std::string("\0bc", 3)}));
}

TEST_CASE("LOCAL, UNSPEC and UDP are headers without ends, and what they have is skipped") {
    for (const std::string_view block :
         {"20000000", "2011000cc0000201c6336407126701bb", "20ff0000", "2000000703000400000000", "21000003ffffff",
          "21010000", "21100000", "2112000cc0000201c6336407126701bb", "2132000161"}) {
        CAPTURE(block);
        const auto outcome = read_block(block);
        CHECK(outcome.reason == "");
        CHECK(outcome.taken == 12 + block.size() / 2);
        CHECK(outcome.header == Header{});
    }
}

TEST_CASE("blocks that are not as they should be are refused") {
    CHECK(refused(read_block("11110000")) == "the version in its block is not 2");
    CHECK(refused(read_block("31110000")) == "the version in its block is not 2");
    CHECK(refused(read_block("22110000")) == "its command is neither LOCAL nor PROXY");
    for (const char* block : {"21410000", "21130000", "21f10000", "211f0000"}) {
        CHECK(refused(read_block(block)) == "its address family or transport protocol does not exist");
    }
    CHECK(refused(read_block("2111000b"
                             "c0000201c6336407126701")) == "it is too short for its addresses");
    CHECK(refused(read_block("2121000c" + std::string(kAddresses))) == "it is too short for its addresses");
    CHECK(refused(read_block("21110000")) == "it is too short for its addresses");
}

TEST_CASE("a block may have 4096 octets in all, and a longer one is refused before it has come") {
    CHECK(refused(read_block("20000ff1")) == "it is longer than 4096 octets");
    CHECK(refused(read_block("2111ffff")) == "it is longer than 4096 octets");
    std::vector<std::uint8_t> longest = from_hex(std::string(kSignature) + "20000ff0");
    longest.resize(4096 + 1);
    const auto outcome = read(longest, 100);
    CHECK(outcome.reason == "");
    CHECK(outcome.taken == 4096);
}

TEST_CASE("TLVs") {
    const auto outcome = read_tlvs(
        "010002"
        "6832"
        "ea0001"
        "ff"
        "040000"
        "040001"
        "00"
        "020003"
        "612e62"
        "200018"
        "05"
        "00000007"
        "230001"
        "58"
        "210007"
        "544c5376312e33"
        "220002"
        "6d65");
    CHECK(outcome.reason == "");
    CHECK(outcome.header.alpn == "h2");
    CHECK(outcome.header.authority == "a.b");
    REQUIRE(outcome.header.tls);
    CHECK(*outcome.header.tls == ClientTls{.in_use = true,
                                           .certificate = false,
                                           .authenticated = true,
                                           .verify = 7,
                                           .version = "TLSv1.3",
                                           .cipher = "X",
                                           .common_name = "me"});
}

TEST_CASE("a text longer than 255 octets is not told") {
    CHECK(read_tlvs("0200ff" + std::string(510, '6')).header.authority.size() == 255);
    const auto outcome = read_tlvs("020100" + std::string(512, '6'));
    CHECK(outcome.reason == "");
    CHECK(outcome.header.authority == "");
}

TEST_CASE("TLVs that are cut off, or of which nobody knows which one counts, are refused") {
    constexpr std::string_view kRest = "what follows its addresses is cut off or stands twice";
    constexpr std::string_view kTls = "what it says of TLS is cut off or says something twice";
    for (const char* tlvs : {"01", "0100", "010001", "01000261",
                             "020001"
                             "61"
                             "020001"
                             "61",
                             "200005"
                             "0000000001"
                             "200005"
                             "0000000001"}) {
        CAPTURE(tlvs);
        CHECK(refused(read_tlvs(tlvs)) == kRest);
    }
    for (const char* tlvs : {"200000",
                             "200004"
                             "01000000",
                             "200006"
                             "0100000000"
                             "21",
                             "200008"
                             "0100000000"
                             "210001",
                             "20000d"
                             "0100000000"
                             "220001"
                             "61"
                             "220001"
                             "62"}) {
        CAPTURE(tlvs);
        CHECK(refused(read_tlvs(tlvs)) == kTls);
    }
}

TEST_CASE("a checksum must hold") {
    std::vector<std::uint8_t> block = write_v2({.ends = tcp("192.0.2.1", 1, "192.0.2.2", 2), .authority = "shop"});
    CHECK(read(block).reason == "");
    for (std::size_t place = 16; place < block.size(); ++place) {
        auto changed = block;
        changed[place] ^= 0x10;
        CAPTURE(place);
        // Where a type or a length was hit, something else may be wrong first, or the type unknown.
        const bool framing = (place >= 28 && place < 31) || (place >= 35 && place < 38);
        CHECK((framing || refused(read(changed)) == "its checksum is another one"));
    }
    CHECK(refused(read_tlvs("030003"
                            "000000")) == "its checksum is another one");
    CHECK(refused(read_tlvs("030005"
                            "0000000000")) == "its checksum is another one");
}

namespace {

/// Any header that can be written, from a generator with a seed.
struct AnyHeader {
    std::mt19937 random;

    std::size_t below(std::size_t end) { return random() % end; }
    std::string text() {
        std::string text(below(4) == 0 ? 0 : below(kLongestText + 1), '\0');
        std::ranges::generate(text, [&] { return static_cast<char>(below(256)); });
        return text;
    }
    std::string path() {
        if (below(3) == 0) {
            return {};
        }
        std::string path(1 + below(kUnixPathSize), '/');
        std::ranges::generate(path.begin() + 1, path.end(), [&] { return static_cast<char>(1 + below(255)); });
        if (path.size() > 1 && below(2) == 0) {
            path.front() = '\0';
        }
        return path;
    }
    TcpEnd end(std::size_t size) {
        std::vector<std::uint8_t> octets(size);
        std::ranges::generate(octets, [&] { return static_cast<std::uint8_t>(below(3) == 0 ? 0 : below(256)); });
        return {IpAddress::from_octets(octets).value(), static_cast<std::uint16_t>(below(65536))};
    }
    Ends ends() {
        switch (below(4)) {
            case 0:
                return UnixEnds{path(), path()};
            case 1:
                return TcpEnds{end(4), end(4)};
            default:
                return TcpEnds{end(16), end(16)};
        }
    }
    Header header() {
        Header header{.ends = ends(), .alpn = text(), .authority = text()};
        if (below(2) == 0) {
            header.tls = ClientTls{.in_use = below(2) == 0,
                                   .certificate = below(2) == 0,
                                   .authenticated = below(2) == 0,
                                   .verify = static_cast<std::uint32_t>(random()),
                                   .version = text(),
                                   .cipher = text(),
                                   .common_name = text()};
        }
        return header;
    }
};

}  // namespace

TEST_CASE("property: what is written is read again, in any pieces, and not an octet behind it is taken") {
    AnyHeader any{std::mt19937(20260101)};
    for (int round = 0; round < 2000; ++round) {
        CAPTURE(round);
        const Header header = any.header();
        auto octets = any.below(3) == 0 ? write_v1(header.ends) : write_v2(header);
        const bool v1 = octets.front() == 'P';
        const std::size_t size = octets.size();
        octets.insert(octets.end(), any.below(20), static_cast<std::uint8_t>(any.below(256)));
        const auto outcome = read(octets, 1 + any.below(2 * octets.size()));
        REQUIRE(outcome.reason == "");
        REQUIRE(outcome.taken == size);
        if (!v1) {
            REQUIRE(outcome.header == header);
        } else if (std::holds_alternative<TcpEnds>(header.ends)) {
            REQUIRE(outcome.header == Header{.ends = header.ends});
        } else {
            REQUIRE(outcome.header == Header{});
        }
    }
}

TEST_CASE("property: a header that is cut off is incomplete, and one octet that differs does no harm") {
    AnyHeader any{std::mt19937(20260102)};
    for (int round = 0; round < 500; ++round) {
        CAPTURE(round);
        const Header header = any.header();
        auto octets = any.below(2) == 0 ? write_v1(header.ends) : write_v2(header);
        REQUIRE(read(Bytes(octets).first(any.below(octets.size()))).reason == "incomplete");
        octets[any.below(octets.size())] ^= static_cast<std::uint8_t>(1 + any.below(255));
        const auto outcome = read(octets);
        if (outcome.reason.empty()) {
            // What is believed can be said again.
            REQUIRE(read(write_v2(outcome.header)).header == outcome.header);
        }
    }
}
