#include "daemon/shared/endpoint.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <vector>

using namespace keysluice;

namespace {

template <typename Struct>
Struct unwrap(const SocketAddress& address) {
    Struct result{};
    std::memcpy(&result, &address.storage, sizeof result);
    return result;
}

SocketAddress socket_address(std::string_view text) {
    return to_socket_address(parse_endpoint(text).value()).value();
}

}  // namespace

TEST_CASE("endpoints are read and printed back") {
    struct Case {
        std::string text;
        Endpoint expected;
    };
    const std::vector<Case> cases = {
        {"0.0.0.0:443", Ipv4Endpoint{{0, 0, 0, 0}, 443}},
        {"192.0.2.1:1", Ipv4Endpoint{{192, 0, 2, 1}, 1}},
        {"255.255.255.255:65535", Ipv4Endpoint{{255, 255, 255, 255}, 65535}},
        {"[::]:443", Ipv6Endpoint{{}, 443}},
        {"[2001:db8::1]:8443", Ipv6Endpoint{{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 8443}},
        {"unix:/run/shop.sock", UnixEndpoint{"/run/shop.sock"}},
        {"unix:/with:colon", UnixEndpoint{"/with:colon"}},
        {"submit:/run/shop.submit", SubmitEndpoint{"/run/shop.submit"}},
        {"unix:" + std::string(107, '/'), UnixEndpoint{std::string(107, '/')}},
        {"host.example:993", HostEndpoint{"host.example", 993}},
        {"localhost:80", HostEndpoint{"localhost", 80}},
        {"my_db-1:5432", HostEndpoint{"my_db-1", 5432}},
    };
    for (const Case& test : cases) {
        CAPTURE(test.text);
        const auto endpoint = parse_endpoint(test.text);
        REQUIRE(endpoint);
        CHECK(*endpoint == test.expected);
        CHECK(to_string(*endpoint) == test.text);
    }
}

TEST_CASE("endpoints are printed in their shortest spelling") {
    CHECK(to_string(parse_endpoint("[2001:0DB8:0:0::1]:0443").value()) == "[2001:db8::1]:443");
}

TEST_CASE("what is no endpoint is refused with what is wrong and what is expected") {
    struct Case {
        std::string text;
        std::string sentence;
    };
    const std::vector<Case> cases = {
        {"", R"("" has no port: expected "ADDRESS:PORT", "[IPV6-ADDRESS]:PORT" or "unix:/PATH")"},
        {"10.0.0.1", R"("10.0.0.1" has no port: expected "ADDRESS:PORT", "[IPV6-ADDRESS]:PORT" or "unix:/PATH")"},
        {"10.0.0.1:", R"("10.0.0.1:" has no port behind the colon: a number from 1 to 65535 is expected there)"},
        {"10.0.0.1:https", R"("10.0.0.1:https" has the port "https": expected a number from 1 to 65535)"},
        {"10.0.0.1:0", R"("10.0.0.1:0" has the port "0": expected a number from 1 to 65535)"},
        {"10.0.0.1:65536", R"("10.0.0.1:65536" has the port "65536": expected a number from 1 to 65535)"},
        {"10.0.0.1:-1", R"("10.0.0.1:-1" has the port "-1": expected a number from 1 to 65535)"},
        {"10.0.0.1:44 3", R"("10.0.0.1:44 3" has the port "44 3": expected a number from 1 to 65535)"},
        {"10.0.0.256:443", R"("10.0.0.256:443" is not an address and a port: "10.0.0.256" is no IPv4 address)"},
        {"10.1:443", R"("10.1:443" is not an address and a port: "10.1" is no IPv4 address)"},
        {":443", R"(":443" has no address: for every address of this machine write "0.0.0.0:443" and "[::]:443")"},
        {"*:443", R"("*:443" has no address: for every address of this machine write "0.0.0.0:443" and "[::]:443")"},
        {"a b:443", R"("a b:443" is not an address and a port: "a b" is neither an address nor a host name)"},
        {"::1:443", R"("::1:443" has too many colons: an IPv6 address stands in brackets, as in "[::1]:443")"},
        {"[::1:443",
         R"("[::1:443" lacks the closing bracket: expected an IPv6 address and a port, as in "[::1]:443")"},
        {"[::1]", R"("[::1]" has no port: expected ":PORT" behind the bracket, as in "[::1]:443")"},
        {"[::1]443", R"("[::1]443" has no port: expected ":PORT" behind the bracket, as in "[::1]:443")"},
        {"[::1]:", R"("[::1]:" has no port behind the colon: a number from 1 to 65535 is expected there)"},
        {"[::g]:443", R"("[::g]:443" is not an IPv6 address and a port: "::g" in the brackets is no IPv6 address)"},
        {"[10.0.0.1]:443",
         R"("[10.0.0.1]:443" is not an IPv6 address and a port: "10.0.0.1" in the brackets is no IPv6 address)"},
        {"[fe80::1%eth0]:443",
         R"("[fe80::1%eth0]:443" has a zone behind '%': link-local addresses are not supported, use a global one)"},
        {"[::ffff:192.0.2.1]:443",
         R"("[::ffff:192.0.2.1]:443" is an IPv4 address in IPv6 clothes: write it as "192.0.2.1:443")"},
        {"/run/x", R"("/run/x" is a path: a unix socket is written as "unix:/PATH")"},
        {"unix:", R"("unix:" names no socket: expected an absolute path, as in "unix:/run/shop.sock")"},
        {"unix:/", R"("unix:/" names no socket: expected an absolute path, as in "unix:/run/shop.sock")"},
        {"submit:x", R"("submit:x" names no socket: expected an absolute path, as in "submit:/run/shop.sock")"},
        {"unix:x", R"("unix:x" names no socket: expected an absolute path, as in "unix:/run/shop.sock")"},
        {std::string("unix:/a\0b", 9), R"("unix:/a\x00b" has a zero byte in its path)"},
        {std::string("1.2.3.4\0:1", 10),
         R"("1.2.3.4\x00:1" is not an address and a port: "1.2.3.4\x00" is neither an address nor a host name)"},
    };
    for (const Case& test : cases) {
        CAPTURE(test.text);
        const auto endpoint = parse_endpoint(test.text);
        REQUIRE_FALSE(endpoint);
        CHECK(endpoint.error().reason == "bad-endpoint");
        CHECK(endpoint.error().sentence == test.sentence);
    }
}

TEST_CASE("a unix path that does not fit is refused") {
    const auto endpoint = parse_endpoint("unix:/" + std::string(107, 'x'));
    REQUIRE_FALSE(endpoint);
    CHECK(endpoint.error().sentence.ends_with("has a path of 108 bytes: a socket's path has at most 107"));
    CHECK(to_socket_address(UnixEndpoint{std::string(108, '/')}).error().reason == "bad-endpoint");
}

TEST_CASE("host names") {
    for (const std::string& name : {std::string("a"), std::string("a.b"), std::string("xn--bcher-kva.example"),
                                    std::string("1a"), std::string("a.1"), std::string(63, 'a')}) {
        CAPTURE(name);
        CHECK(is_host_name(name));
    }
    std::string longest = std::string(63, 'a') + '.' + std::string(63, 'b') + '.' + std::string(63, 'c') + '.';
    longest += std::string(61, 'd');
    CHECK(is_host_name(longest));
    for (const std::string& name :
         {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
          std::string("-a"), std::string("a-"), std::string("a.-b"), std::string("a b"), std::string("1.2.3.4"),
          std::string("12"), std::string(64, 'a'), longest + 'd', std::string("\xc3\xa9"), std::string("*.a")}) {
        CAPTURE(name);
        CHECK_FALSE(is_host_name(name));
    }
}

TEST_CASE("socket addresses are what the kernel takes") {
    const SocketAddress v4 = socket_address("192.0.2.1:443");
    CHECK(v4.family() == AF_INET);
    CHECK(v4.length == sizeof(sockaddr_in));
    CHECK(unwrap<sockaddr_in>(v4).sin_port == htons(443));
    CHECK(unwrap<sockaddr_in>(v4).sin_addr.s_addr == htonl(0xc0000201));

    const SocketAddress v6 = socket_address("[2001:db8::1]:443");
    CHECK(v6.family() == AF_INET6);
    CHECK(v6.length == sizeof(sockaddr_in6));
    CHECK(unwrap<sockaddr_in6>(v6).sin6_port == htons(443));
    CHECK(unwrap<sockaddr_in6>(v6).sin6_addr.s6_addr[0] == 0x20);
    CHECK(unwrap<sockaddr_in6>(v6).sin6_addr.s6_addr[15] == 1);
    CHECK(unwrap<sockaddr_in6>(v6).sin6_scope_id == 0);

    const SocketAddress path = socket_address("unix:/run/shop.sock");
    CHECK(path.family() == AF_UNIX);
    CHECK(path.length == offsetof(sockaddr_un, sun_path) + sizeof("/run/shop.sock"));
    CHECK(std::string(unwrap<sockaddr_un>(path).sun_path) == "/run/shop.sock");

    const auto host = to_socket_address(HostEndpoint{"host.example", 993});
    REQUIRE_FALSE(host);
    CHECK(host.error().reason == "host-not-resolved");
}
