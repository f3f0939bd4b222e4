#include "ktls/socket_info.hpp"

#include <doctest/doctest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstring>
#include <vector>

#include "ktls/inet_diag.hpp"

using namespace keysluice;
using namespace keysluice::ktls;

namespace {

using Buffer = std::vector<std::uint8_t>;

void append(Buffer& buffer, Bytes bytes) {
    buffer.insert(buffer.end(), bytes.begin(), bytes.end());
}

Buffer attribute(std::uint16_t type, Bytes payload) {
    Buffer buffer(4);
    const auto size = static_cast<std::uint16_t>(4 + payload.size());
    std::memcpy(buffer.data(), &size, sizeof(size));
    std::memcpy(buffer.data() + 2, &type, sizeof(type));
    append(buffer, payload);
    buffer.resize((buffer.size() + 3) & ~std::size_t{3});
    return buffer;
}

Buffer number(std::uint16_t type, std::uint16_t value) {
    Buffer payload(sizeof(value));
    std::memcpy(payload.data(), &value, sizeof(value));
    return attribute(type, payload);
}

Buffer nest(std::uint16_t type, const std::vector<Buffer>& parts) {
    Buffer payload;
    for (const Buffer& part : parts) {
        append(payload, part);
    }
    return attribute(type, payload);
}

Buffer ulp(std::string_view ulp_name, const std::vector<Buffer>& tls) {
    return nest(INET_DIAG_ULP_INFO,
                {attribute(INET_ULP_INFO_NAME, as_bytes(ulp_name)), nest(INET_ULP_INFO_TLS | NLA_F_NESTED, tls)});
}

inet_diag_msg v4_socket() {
    inet_diag_msg message{};
    message.idiag_family = AF_INET;
    message.idiag_state = TCP_ESTABLISHED;
    message.id.idiag_sport = htons(443);
    message.id.idiag_dport = htons(50000);
    message.id.idiag_src[0] = htonl(0xc0000201);
    message.id.idiag_dst[0] = htonl(0xc6336407);
    message.id.idiag_cookie[0] = 0x89abcdef;
    message.id.idiag_cookie[1] = 0x01234567;
    message.idiag_uid = 1001;
    message.idiag_inode = 424242;
    return message;
}

Buffer payload(const inet_diag_msg& message, const std::vector<Buffer>& attributes = {}) {
    Buffer buffer(sizeof(message));
    std::memcpy(buffer.data(), &message, sizeof(message));
    for (const Buffer& each : attributes) {
        append(buffer, each);
    }
    return buffer;
}

const std::vector<Buffer> kSoftwareBothWays{number(TLS_INFO_VERSION, 0x0304), number(TLS_INFO_CIPHER, 54),
                                            number(TLS_INFO_RXCONF, TLS_CONF_SW),
                                            number(TLS_INFO_TXCONF, TLS_CONF_SW)};

std::string_view refusal(const Buffer& bytes) {
    const auto info = decode_socket_info(bytes);
    REQUIRE_FALSE(info);
    return info.error().reason;
}

}  // namespace

TEST_CASE("a socket without kernel TLS") {
    const auto info = decode_socket_info(payload(v4_socket(), {attribute(INET_DIAG_SHUTDOWN, Buffer{3})}));
    REQUIRE(info);
    CHECK(to_string(info->local) == "192.0.2.1:443");
    CHECK(to_string(info->remote) == "198.51.100.7:50000");
    CHECK(info->state == TCP_ESTABLISHED);
    CHECK(info->uid == 1001);
    CHECK(info->inode == 424242);
    CHECK(info->cookie == 0x0123456789abcdef);
    CHECK_FALSE(info->tls);
}

TEST_CASE("a socket with kernel TLS") {
    using std::string_view;
    SUBCASE("in software, both directions") {
        const auto info = decode_socket_info(payload(v4_socket(), {ulp(string_view("tls\0", 4), kSoftwareBothWays)}));
        REQUIRE(info);
        CHECK(info->tls == TlsInfo{.version = Version::tls13,
                                   .cipher = Cipher::chacha20_poly1305,
                                   .tx = Carrier::software,
                                   .rx = Carrier::software});
    }
    SUBCASE("sending in the device, with attributes that this program does not know") {
        const auto info = decode_socket_info(payload(
            v4_socket(), {attribute(INET_DIAG_SHUTDOWN, Buffer{0}),
                          ulp("tls", {number(TLS_INFO_VERSION, 0x0303), number(TLS_INFO_CIPHER, 51),
                                      number(TLS_INFO_TXCONF, TLS_CONF_HW), number(TLS_INFO_RXCONF, TLS_CONF_BASE),
                                      attribute(TLS_INFO_ZC_RO_TX, {}), number(200, 7)})}));
        REQUIRE(info);
        CHECK(info->tls == TlsInfo{.version = Version::tls12,
                                   .cipher = Cipher::aes128_gcm,
                                   .tx = Carrier::device,
                                   .rx = Carrier::base});
    }
    SUBCASE("attached, but without keys") {
        const auto info = decode_socket_info(payload(v4_socket(), {ulp("tls", {})}));
        REQUIRE(info);
        CHECK(info->tls == TlsInfo{});
    }
    SUBCASE("with a cipher of somebody else") {
        const auto info = decode_socket_info(payload(v4_socket(), {ulp("tls", {number(TLS_INFO_CIPHER, 55)})}));
        REQUIRE(info);
        REQUIRE(info->tls);
        CHECK_FALSE(info->tls->cipher);
    }
}

TEST_CASE("a socket as Linux 6.12 told of it") {
    const Buffer captured{
        0x30, 0x00, 0x13, 0x00, 0x08, 0x00, 0x01, 0x00, 0x74, 0x6c, 0x73, 0x00,   // ULP_INFO: NAME tls
        0x24, 0x00, 0x02, 0x00, 0x06, 0x00, 0x01, 0x00, 0x04, 0x03, 0x00, 0x00,   // TLS: VERSION 1.3
        0x06, 0x00, 0x02, 0x00, 0x36, 0x00, 0x00, 0x00, 0x06, 0x00, 0x03, 0x00,   // CIPHER 54
        0x02, 0x00, 0x00, 0x00, 0x06, 0x00, 0x04, 0x00, 0x02, 0x00, 0x00, 0x00};  // TXCONF, RXCONF
    const auto info = decode_socket_info(payload(v4_socket(), {captured}));
    REQUIRE(info);
    CHECK(info->tls == TlsInfo{.version = Version::tls13,
                               .cipher = Cipher::chacha20_poly1305,
                               .tx = Carrier::software,
                               .rx = Carrier::software});
}

TEST_CASE("what only CAP_NET_ADMIN may see, and other protocols, are no kernel TLS") {
    const Buffer name_only = nest(INET_DIAG_ULP_INFO, {attribute(INET_ULP_INFO_NAME, as_bytes("tls"))});
    CHECK_FALSE(decode_socket_info(payload(v4_socket(), {name_only})).value().tls);
    CHECK_FALSE(decode_socket_info(payload(v4_socket(), {ulp("mptcp", kSoftwareBothWays)})).value().tls);
}

TEST_CASE("IPv6, and IPv4 in IPv6's clothes") {
    inet_diag_msg message = v4_socket();
    message.idiag_family = AF_INET6;
    const auto set = [](__be32(&field)[4], std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
        field[0] = htonl(a);
        field[1] = htonl(b);
        field[2] = htonl(c);
        field[3] = htonl(d);
    };
    set(message.id.idiag_src, 0x20010db8, 0, 0, 1);
    set(message.id.idiag_dst, 0, 0, 0x0000ffff, 0xc6336407);
    const auto info = decode_socket_info(payload(message));
    REQUIRE(info);
    CHECK(to_string(info->local) == "[2001:db8::1]:443");
    CHECK(info->local.is_v6);
    CHECK(info->remote == decode_socket_info(payload(v4_socket())).value().remote);
}

TEST_CASE("damaged answers are refused") {
    CHECK(refusal({}) == "inet-diag-malformed");
    CHECK(refusal(Buffer(sizeof(inet_diag_msg) - 1)) == "inet-diag-malformed");
    inet_diag_msg unix_socket = v4_socket();
    unix_socket.idiag_family = AF_UNIX;
    CHECK(refusal(payload(unix_socket)) == "inet-diag-malformed");
    CHECK(refusal(payload(v4_socket(), {Buffer{9, 0, 1, 0}})) == "inet-diag-malformed");
    CHECK(refusal(payload(v4_socket(), {attribute(INET_DIAG_ULP_INFO, Buffer{9, 0, 1, 0})})) ==
          "inet-diag-malformed");
    CHECK(refusal(payload(v4_socket(), {ulp("tls", {Buffer{9, 0, 1, 0}})})) == "inet-diag-malformed");
    CHECK(refusal(payload(v4_socket(), {ulp("tls", {number(TLS_INFO_TXCONF, 9)})})) == "inet-diag-malformed");
    CHECK(refusal(payload(v4_socket(), {ulp("tls", {attribute(TLS_INFO_RXCONF, {})})})) == "inet-diag-malformed");
}

TEST_CASE("sockets are chosen by port") {
    const SocketInfo socket = decode_socket_info(payload(v4_socket())).value();
    CHECK(PortFilter{}.matches(socket));
    CHECK(PortFilter{.local = {80, 443}, .remote = {}}.matches(socket));
    CHECK(PortFilter{.local = {}, .remote = {50000}}.matches(socket));
    CHECK(PortFilter{.local = {80}, .remote = {50000}}.matches(socket));
    CHECK_FALSE(PortFilter{.local = {50000}, .remote = {443}}.matches(socket));
}

TEST_CASE("carriers have the names that ss(8) uses") {
    CHECK(name(Carrier::base) == "base");
    CHECK(name(Carrier::software) == "sw");
    CHECK(name(Carrier::device) == "hw");
    CHECK(name(Carrier::device_record) == "hw-record");
}
