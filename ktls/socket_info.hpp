#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "ktls/types.hpp"

namespace keysluice::ktls {

/// One end of a TCP connection. An IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d is kept as IPv4.
struct Endpoint {
    /// Network byte order; of IPv4, the first four bytes.
    std::array<std::uint8_t, 16> address{};
    bool is_v6 = false;
    std::uint16_t port = 0;

    bool operator==(const Endpoint&) const = default;
};
/// "192.0.2.1:443", "[2001:db8::1]:443".
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

/// Who does the records of one direction (TLS_CONF_*).
enum class Carrier : std::uint8_t {
    /// No keys yet: bytes pass through as they are.
    base = 1,
    /// The kernel's own code.
    software = 2,
    /// The network device.
    device = 3,
    /// The network device, together with TCP (TLS_HW_RECORD).
    device_record = 4,
};
/// "base", "sw", "hw", "hw-record".
[[nodiscard]] std::string_view name(Carrier carrier);

/// The kernel's view of a connection's record layer.
struct TlsInfo {
    /// Nothing as long as there are no keys, and for values that this project never installs.
    std::optional<Version> version;
    std::optional<Cipher> cipher;
    Carrier tx = Carrier::base;
    Carrier rx = Carrier::base;

    bool operator==(const TlsInfo&) const = default;
};

/// A TCP socket as sock_diag tells of it.
struct SocketInfo {
    Endpoint local;
    Endpoint remote;
    /// enum of <netinet/tcp.h>: TCP_ESTABLISHED, …
    std::uint8_t state = 0;
    std::uint32_t uid = 0;
    std::uint32_t inode = 0;
    /// SO_COOKIE: never used twice while the system is up.
    std::uint64_t cookie = 0;
    /// Where the upper layer protocol is "tls". The kernel tells this to callers with CAP_NET_ADMIN only.
    std::optional<TlsInfo> tls;

    bool operator==(const SocketInfo&) const = default;
};

/// Decodes the payload of a SOCK_DIAG_BY_FAMILY message: struct inet_diag_msg and its attributes, of which
/// INET_DIAG_ULP_INFO is read. Fails with "inet-diag-malformed".
[[nodiscard]] Result<SocketInfo> decode_socket_info(Bytes payload);

}  // namespace keysluice::ktls
