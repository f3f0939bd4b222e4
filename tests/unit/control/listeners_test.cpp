#include "daemon/control/listeners.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

Endpoint endpoint(std::string_view text) {
    return parse_endpoint(text).value();
}

/// Where this socket listens: the port that the kernel chose.
Endpoint bound_to(const UniqueFd& socket) {
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return Ipv4Endpoint{{127, 0, 0, 1}, ntohs(address.sin_port)};
}

constexpr Ipv4Endpoint kAnyPort{{127, 0, 0, 1}, 0};

int option(const UniqueFd& socket, int level, int name) {
    int value = 0;
    socklen_t size = sizeof(value);
    REQUIRE(getsockopt(socket.get(), level, name, &value, &size) == 0);
    return value;
}

bool can_connect(const Endpoint& to) {
    const SocketAddress address = to_socket_address(to).value();
    const UniqueFd client(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(client.get(), address.get(), address.length) == 0;
}

}  // namespace

TEST_CASE("a listening socket passes its options on to what it accepts") {
    const UniqueFd listener = bind_listener(kAnyPort, true).value();
    CHECK(option(listener, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK(option(listener, SOL_SOCKET, SO_REUSEPORT) == 1);
    CHECK(can_connect(bound_to(listener)));
    const UniqueFd accepted(::accept(listener.get(), nullptr, nullptr));
    CHECK(option(accepted, IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(option(accepted, SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK((fcntl(listener.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(listener.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("each engine has a socket on the same port") {
    const UniqueFd first = bind_listener(kAnyPort, true).value();
    const Endpoint port = bound_to(first);
    CHECK(bind_listener(port, true));
    const auto alone = bind_listener(port, false);
    REQUIRE_FALSE(alone);
    CHECK(alone.error().reason == "address-in-use");
}

TEST_CASE("an address in use is found out although SO_REUSEPORT would share it in silence") {
    const UniqueFd other_process = bind_listener(kAnyPort, true).value();
    const Endpoint port = bound_to(other_process);
    const auto taken = check_address_is_free(port);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().reason == "address-in-use");
    CHECK(taken.error().sentence ==
          "cannot listen on " + to_string(port) + ": another process does; `ss -ltnp` shows which");
}

TEST_CASE("a free address is free, and still is after it was asked for") {
    Endpoint port;
    {
        const UniqueFd listener = bind_listener(kAnyPort, false).value();
        port = bound_to(listener);
    }
    CHECK(check_address_is_free(port));
    CHECK(check_address_is_free(port));
    CHECK(bind_listener(port, true));
}

TEST_CASE("IPv6 stands beside IPv4 on the same port") {
    const UniqueFd v4 = bind_listener(Ipv4Endpoint{{0, 0, 0, 0}, 0}, true).value();
    Ipv6Endpoint all;
    all.port = std::get<Ipv4Endpoint>(bound_to(v4)).port;
    const auto v6 = bind_listener(all, true);
    if (!v6) {
        CHECK(v6.error().reason != "address-in-use");
        MESSAGE("skipped: ", v6.error().sentence);
        return;
    }
    CHECK(option(*v6, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
    CHECK(check_address_is_free(all).error().reason == "address-in-use");
}

TEST_CASE("an address that this host doesn't have") {
    const auto listener = bind_listener(endpoint("192.0.2.1:1"), true);
    REQUIRE_FALSE(listener);
    CHECK(listener.error().reason == "address-not-available");
    CHECK(listener.error().sentence == "cannot listen on 192.0.2.1:1: this host does not have that address");
}

TEST_CASE("a name is nothing to listen on") {
    CHECK(bind_listener(endpoint("host.example:1"), true).error().reason == "host-not-resolved");
}

TEST_CASE("a unix socket that a killed process left behind is taken over") {
    const RuntimeFolder folder;
    const Endpoint local = UnixEndpoint{folder / "s"};
    bind_listener(local, false).value().reset();
    struct stat status{};
    REQUIRE(::lstat((folder / "s").c_str(), &status) == 0);
    const auto listener = bind_listener(local, false);
    REQUIRE(listener);
    CHECK(can_connect(local));
}

TEST_CASE("a unix socket on which somebody listens is left to him") {
    const RuntimeFolder folder;
    const Endpoint local = UnixEndpoint{folder / "s"};
    const UniqueFd live = bind_listener(local, false).value();
    const auto second = bind_listener(local, false);
    REQUIRE_FALSE(second);
    CHECK(second.error().reason == "address-in-use");
    CHECK(can_connect(local));
    UniqueFd accepted(::accept(live.get(), nullptr, nullptr));
    CHECK(accepted);
}

TEST_CASE("a file that is no socket is left alone") {
    const RuntimeFolder folder;
    std::ofstream(folder / "s") << "precious";
    const auto listener = bind_listener(UnixEndpoint{folder / "s"}, false);
    REQUIRE_FALSE(listener);
    CHECK(listener.error().reason == "address-in-use");
    std::string text;
    std::ifstream(folder / "s") >> text;
    CHECK(text == "precious");
}

TEST_CASE("a unix socket in a folder that is not there") {
    const RuntimeFolder folder;
    const auto listener = bind_listener(UnixEndpoint{folder / "missing/s"}, false);
    REQUIRE_FALSE(listener);
    CHECK(listener.error().reason == "listen-failed");
    CHECK(listener.error().sentence.ends_with(": No such file or directory"));
}

TEST_CASE("listening sockets have names that last: one for each engine, one for all of a unix socket") {
    CHECK(listener_name(endpoint("0.0.0.0:443"), 0) == "0.0.0.0:443 0");
    CHECK(listener_name(endpoint("[::]:443"), 12) == "[::]:443 12");
    CHECK(listener_name(endpoint("unix:/run/s"), 3) == "unix:/run/s");
    CHECK(is_shared_by_engines(endpoint("unix:/run/s")));
    CHECK_FALSE(is_shared_by_engines(endpoint("0.0.0.0:443")));
}

TEST_CASE("a folder that may not be written to") {
    const RuntimeFolder folder;
    std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_read);
    // The rights of this thread alone, until the end.
    struct Nobody {
        Nobody() { REQUIRE(::syscall(SYS_setresuid, -1, before == 0 ? 65534 : -1, -1) == 0); }
        Nobody(const Nobody&) = delete;
        Nobody& operator=(const Nobody&) = delete;
        ~Nobody() { ::syscall(SYS_setresuid, -1, before, -1); }
        uid_t before = ::geteuid();
    };
    const Result<UniqueFd> listener = [&] {
        const Nobody nobody;
        return bind_listener(UnixEndpoint{folder / "s"}, false);
    }();
    REQUIRE_FALSE(listener);
    CHECK(listener.error().reason == "permission-denied");
    CHECK(listener.error().sentence.contains("CAP_NET_BIND_SERVICE"));
}
