#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// The numbers of the format, for whoever writes and whoever reads it (doc/proxy-protocol.txt, section 2).
namespace keysluice::proxy {

inline constexpr std::string_view kVersion1 = "PROXY ";
inline constexpr std::string_view kLineEnd = "\r\n";
inline constexpr std::string_view kUnknown = "UNKNOWN";
inline constexpr std::string_view kTcp4 = "TCP4";
inline constexpr std::string_view kTcp6 = "TCP6";
/// 2.1: "If the CRLF sequence is not found in the first 107 characters, the receiver should declare the line
/// invalid."
inline constexpr std::size_t kLongestLine = 107;

inline constexpr std::array<std::uint8_t, 12> kSignature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                         0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
/// The signature, version and command, family and protocol, and how many octets follow.
inline constexpr std::size_t kFixedSize = kSignature.size() + 1 + 1 + 2;

enum class Command : std::uint8_t { local = 0, proxy = 1 };
enum class AddressFamily : std::uint8_t { unspecified = 0, ipv4 = 1, ipv6 = 2, unix_socket = 3 };
enum class Transport : std::uint8_t { unspecified = 0, stream = 1, datagram = 2 };

enum class Tlv : std::uint8_t {
    alpn = 0x01,
    authority = 0x02,
    crc32c = 0x03,
    ssl = 0x20,
    ssl_version = 0x21,
    ssl_common_name = 0x22,
    ssl_cipher = 0x23,
};

inline constexpr std::uint8_t kClientSsl = 0x01;
inline constexpr std::uint8_t kClientCertificateConnection = 0x02;
inline constexpr std::uint8_t kClientCertificateSession = 0x04;

}  // namespace keysluice::proxy
