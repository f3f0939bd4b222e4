#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"

namespace keysluice {

/// "192.0.2.1:443". The address is in network byte order, the port in the host's.
struct Ipv4Endpoint {
    std::array<std::uint8_t, 4> address{};
    std::uint16_t port = 0;

    auto operator<=>(const Ipv4Endpoint&) const = default;
};

/// "[2001:db8::1]:443". Listeners are expected to set IPV6_V6ONLY, so that "[::]:443" stands beside "0.0.0.0:443".
struct Ipv6Endpoint {
    std::array<std::uint8_t, 16> address{};
    std::uint16_t port = 0;

    auto operator<=>(const Ipv6Endpoint&) const = default;
};

/// "unix:/run/shop.sock": an absolute path that fits into sockaddr_un.
struct UnixEndpoint {
    std::string path;

    auto operator<=>(const UnixEndpoint&) const = default;
};

/// "submit:/run/shop.submit", for `listen` only: an application hands connections in there that it has accepted
/// itself.
struct SubmitEndpoint {
    std::string path;

    auto operator<=>(const SubmitEndpoint&) const = default;
};

/// "host.example:993": somebody has to look the name up before anything can connect to it.
struct HostEndpoint {
    std::string name;
    std::uint16_t port = 0;

    auto operator<=>(const HostEndpoint&) const = default;
};

/// Where to listen or to connect to.
using Endpoint = std::variant<Ipv4Endpoint, Ipv6Endpoint, UnixEndpoint, HostEndpoint, SubmitEndpoint>;

/// An Endpoint in the shape that bind(2) and connect(2) take.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    [[nodiscard]] int family() const { return storage.ss_family; }
};

/// Longest path that sockaddr_un holds with its terminator (unix(7)).
inline constexpr std::size_t kLongestUnixPath = 107;

/// Reads "ADDRESS:PORT", "[ADDRESS]:PORT", "unix:/PATH", "submit:/PATH" or "HOST:PORT"; ports are 1 to 65535. Looks
/// no name up. Error: `bad-endpoint`.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

/// What parse_endpoint() reads, in its shortest spelling.
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

/// Error: `host-not-resolved` for a HostEndpoint, `bad-endpoint` for a path that doesn't fit.
[[nodiscard]] Result<SocketAddress> to_socket_address(const Endpoint& endpoint);

/// A DNS name as RFC 1123 2.1 has it, without the final dot, at most 253 bytes; underscores are let through because
/// container networks use them. Something that looks like an IPv4 address is not a host name.
[[nodiscard]] bool is_host_name(std::string_view text);

}  // namespace keysluice
