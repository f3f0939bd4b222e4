#include "daemon/shared/endpoint.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <type_traits>

#include "daemon/shared/quoted.hpp"

namespace keysluice {
namespace {

static_assert(kLongestUnixPath == sizeof(sockaddr_un::sun_path) - 1);

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::string_view kSubmitPrefix = "submit:";
constexpr std::size_t kLongestHostName = 253;
constexpr std::size_t kLongestLabel = 63;

std::unexpected<Error> bad(std::string_view text, std::string_view what) {
    return fail("bad-endpoint", fmt::format("{} {}", in_quotes(text), what));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): `end` is the size
    const auto [stop, error] = std::from_chars(text.data(), end, port);
    if (error != std::errc{} || stop != end || port == 0) {
        return std::nullopt;
    }
    return port;
}

std::unexpected<Error> bad_port(std::string_view text, std::string_view port) {
    return bad(text, port.empty()
                         ? "has no port behind the colon: a number from 1 to 65535 is expected there"
                         : fmt::format("has the port {}: expected a number from 1 to 65535", in_quotes(port)));
}

template <std::size_t Size>
bool read_address(int family, std::string_view text, std::array<std::uint8_t, Size>& address) {
    return ::inet_pton(family, std::string(text).c_str(), address.data()) == 1 &&
           text.find('\0') == std::string_view::npos;
}

bool is_ascii_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_ascii_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= kLongestLabel && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(
               label, [](char c) { return is_ascii_letter(c) || is_ascii_digit(c) || c == '-' || c == '_'; });
}

bool looks_like_ipv4(std::string_view host) {
    return std::ranges::all_of(host, [](char c) { return is_ascii_digit(c) || c == '.'; });
}

/// UnixEndpoint or SubmitEndpoint: "PREFIX/PATH".
template <typename Kind>
Result<Endpoint> parse_path(std::string_view text, std::string_view prefix) {
    const std::string_view path = text.substr(prefix.size());
    if (!path.starts_with('/') || path.size() == 1) {
        return bad(text,
                   fmt::format("names no socket: expected an absolute path, as in \"{}/run/shop.sock\"", prefix));
    }
    if (path.find('\0') != std::string_view::npos) {
        return bad(text, "has a zero byte in its path");
    }
    if (path.size() > kLongestUnixPath) {
        return bad(text, fmt::format("has a path of {} bytes: a socket's path has at most {}", path.size(),
                                     kLongestUnixPath));
    }
    return Kind{std::string(path)};
}

Result<Endpoint> parse_bracketed(std::string_view text) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) {
        return bad(text, "lacks the closing bracket: expected an IPv6 address and a port, as in \"[::1]:443\"");
    }
    const std::string_view host = text.substr(1, close - 1);
    const std::string_view tail = text.substr(close + 1);
    Ipv6Endpoint endpoint;
    if (host.find('%') != std::string_view::npos) {
        return bad(text, "has a zone behind '%': link-local addresses are not supported, use a global one");
    }
    if (!read_address(AF_INET6, host, endpoint.address)) {
        return bad(text, fmt::format("is not an IPv6 address and a port: {} in the brackets is no IPv6 address",
                                     in_quotes(host)));
    }
    in6_addr raw{};
    std::memcpy(&raw, endpoint.address.data(), sizeof raw);
    if (IN6_IS_ADDR_V4MAPPED(&raw)) {
        return bad(text, "is an IPv4 address in IPv6 clothes: write it as \"192.0.2.1:443\"");
    }
    if (!tail.starts_with(':')) {
        return bad(text, "has no port: expected \":PORT\" behind the bracket, as in \"[::1]:443\"");
    }
    const auto port = parse_port(tail.substr(1));
    if (!port) {
        return bad_port(text, tail.substr(1));
    }
    endpoint.port = *port;
    return endpoint;
}

Result<Endpoint> parse_named(std::string_view text, std::string_view host, std::uint16_t port) {
    Ipv4Endpoint endpoint{.port = port};
    if (read_address(AF_INET, host, endpoint.address)) {
        return endpoint;
    }
    if (host.empty() || host == "*") {
        return bad(text, fmt::format("has no address: for every address of this machine write \"0.0.0.0:{0}\" and "
                                     "\"[::]:{0}\"",
                                     port));
    }
    if (looks_like_ipv4(host)) {
        return bad(text, fmt::format("is not an address and a port: {} is no IPv4 address", in_quotes(host)));
    }
    if (!is_host_name(host)) {
        return bad(text, fmt::format("is not an address and a port: {} is neither an address nor a host name",
                                     in_quotes(host)));
    }
    return HostEndpoint{std::string(host), port};
}

std::string print_ipv6(const Ipv6Endpoint& endpoint) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, endpoint.address.data(), text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), endpoint.port);
}

/// The kernel's structure at the start of the storage, which is large and aligned enough for all of them.
template <typename Struct>
SocketAddress wrap(const Struct& address, std::size_t length = sizeof(Struct)) {
    SocketAddress result;
    std::memcpy(&result.storage, &address, length);
    result.length = static_cast<socklen_t>(length);
    return result;
}

struct ToSocketAddress {
    Result<SocketAddress> operator()(const Ipv4Endpoint& endpoint) const {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(endpoint.port);
        std::memcpy(&address.sin_addr, endpoint.address.data(), endpoint.address.size());
        return wrap(address);
    }
    Result<SocketAddress> operator()(const Ipv6Endpoint& endpoint) const {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(endpoint.port);
        std::memcpy(&address.sin6_addr, endpoint.address.data(), endpoint.address.size());
        return wrap(address);
    }
    Result<SocketAddress> operator()(const UnixEndpoint& endpoint) const { return at(endpoint, endpoint.path); }
    Result<SocketAddress> operator()(const SubmitEndpoint& endpoint) const { return at(endpoint, endpoint.path); }
    Result<SocketAddress> operator()(const HostEndpoint& endpoint) const {
        return fail("host-not-resolved",
                    fmt::format("{} is a host name, which must be looked up before it has a socket address",
                                in_quotes(endpoint.name)));
    }

   private:
    static Result<SocketAddress> at(const Endpoint& endpoint, const std::string& path) {
        if (path.size() > kLongestUnixPath) {
            return bad(to_string(endpoint), "has a path too long for a socket");
        }
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::ranges::copy(path, address.sun_path);
        return wrap(address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
    }
};

struct ToString {
    std::string operator()(const Ipv4Endpoint& endpoint) const {
        const auto& a = endpoint.address;
        return fmt::format("{}.{}.{}.{}:{}", a[0], a[1], a[2], a[3], endpoint.port);
    }
    std::string operator()(const Ipv6Endpoint& endpoint) const { return print_ipv6(endpoint); }
    std::string operator()(const UnixEndpoint& endpoint) const { return fmt::format("unix:{}", endpoint.path); }
    std::string operator()(const SubmitEndpoint& endpoint) const { return fmt::format("submit:{}", endpoint.path); }
    std::string operator()(const HostEndpoint& endpoint) const {
        return fmt::format("{}:{}", endpoint.name, endpoint.port);
    }
};

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
    if (text.starts_with(kUnixPrefix)) {
        return parse_path<UnixEndpoint>(text, kUnixPrefix);
    }
    if (text.starts_with(kSubmitPrefix)) {
        return parse_path<SubmitEndpoint>(text, kSubmitPrefix);
    }
    if (text.starts_with('[')) {
        return parse_bracketed(text);
    }
    if (text.starts_with('/')) {
        return bad(text, "is a path: a unix socket is written as \"unix:/PATH\"");
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return bad(text, "has no port: expected \"ADDRESS:PORT\", \"[IPV6-ADDRESS]:PORT\" or \"unix:/PATH\"");
    }
    const std::string_view host = text.substr(0, colon);
    if (host.find(':') != std::string_view::npos) {
        return bad(text, "has too many colons: an IPv6 address stands in brackets, as in \"[::1]:443\"");
    }
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) {
        return bad_port(text, text.substr(colon + 1));
    }
    return parse_named(text, host, *port);
}

std::string to_string(const Endpoint& endpoint) {
    return std::visit(ToString{}, endpoint);
}

Result<SocketAddress> to_socket_address(const Endpoint& endpoint) {
    return std::visit(ToSocketAddress{}, endpoint);
}

bool is_host_name(std::string_view text) {
    if (text.size() > kLongestHostName || looks_like_ipv4(text)) {
        return false;
    }
    while (true) {
        const std::size_t dot = text.find('.');
        if (!is_label(text.substr(0, dot))) {
            return false;
        }
        if (dot == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(dot + 1);
    }
}

}  // namespace keysluice
