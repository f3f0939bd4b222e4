#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/bytes.hpp"

/// The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a proxy says in front of a
/// connection's first byte about the client that it speaks for.
namespace keysluice::proxy {

struct TcpEnd {
    IpAddress address;
    std::uint16_t port = 0;

    auto operator<=>(const TcpEnd&) const = default;
};

/// The client, and the address that it connected to; both of one family.
struct TcpEnds {
    TcpEnd source;
    TcpEnd destination;

    bool operator==(const TcpEnds&) const = default;
};

/// Of sun_path in sockaddr_un.
inline constexpr std::size_t kUnixPathSize = 108;

/// At most kUnixPathSize octets each: empty for a socket without a name, an abstract name begins with a zero.
struct UnixEnds {
    std::string source;
    std::string destination;

    bool operator==(const UnixEnds&) const = default;
};

/// Nothing is told of a connection that the proxy makes for itself (LOCAL), nor of a client whose addresses it does
/// not know (UNKNOWN, UNSPEC): then those of the connection itself hold.
using Ends = std::variant<std::monostate, TcpEnds, UnixEnds>;

/// PP2_TYPE_SSL: how the client speaks TLS with the proxy.
struct ClientTls {
    bool in_use = true;            ///< PP2_CLIENT_SSL
    bool certificate = false;      ///< PP2_CLIENT_CERT_CONN: shown in this connection
    bool authenticated = false;    ///< PP2_CLIENT_CERT_SESS: shown in this connection or one that it resumes
    std::uint32_t verify = 1;      ///< 0: it showed a certificate, and that verified
    std::string version = {};      ///< "TLSv1.3"
    std::string cipher = {};       ///< "TLS_AES_128_GCM_SHA256", or OpenSSL's name in TLS 1.2
    std::string common_name = {};  ///< of the client's certificate

    bool operator==(const ClientTls&) const = default;
};

/// Version 1 has the ends only. Where there are none, there is nothing else. A text is empty where it is not told;
/// one that is longer than kLongestText is neither written nor read, and not cut either: a part of a name is another
/// name.
struct Header {
    Ends ends = {};
    std::string alpn = {};       ///< PP2_TYPE_ALPN
    std::string authority = {};  ///< PP2_TYPE_AUTHORITY: the SNI
    std::optional<ClientTls> tls = {};

    bool operator==(const Header&) const = default;
};

inline constexpr std::size_t kLongestText = 255;

/// "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n"; UNKNOWN where there are no ends, or unix sockets.
[[nodiscard]] std::vector<std::uint8_t> write_v1(const Ends& ends);

/// With its CRC32C; LOCAL where there are no ends.
[[nodiscard]] std::vector<std::uint8_t> write_v2(const Header& header);

}  // namespace keysluice::proxy
