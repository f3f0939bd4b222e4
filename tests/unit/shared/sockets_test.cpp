#include "daemon/shared/sockets.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "tests/support/processes.hpp"
#include "tests/support/tcp_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

std::string described(std::string_view endpoint) {
    return describe_peer(to_socket_address(parse_endpoint(endpoint).value()).value());
}

/// What a peer reads when `fd` is closed after something was sent.
int error_after_close(ktls::TcpPair pair) {
    REQUIRE(::send(pair.server.get(), "x", 1, 0) == 1);
    pair.server.reset();
    char byte = 0;
    CHECK((::recv(pair.client.get(), &byte, 1, 0) == 1 || errno == ECONNRESET));
    return ::recv(pair.client.get(), &byte, 1, 0) == 0 ? 0 : errno;
}

}  // namespace

TEST_CASE("peers are described as a configuration would spell them") {
    CHECK(described("192.0.2.1:4711") == "192.0.2.1:4711");
    CHECK(described("[2001:db8::1]:1") == "[2001:db8::1]:1");
    CHECK(described("unix:/run/x.sock") == "a local process");
}

TEST_CASE("the peer of a socket") {
    const auto pair = tcp_pair();
    CHECK(describe_peer(pair.server.get()).starts_with("127.0.0.1:"));
    const FdPair local = stream_pair();
    CHECK(describe_peer(local.first.get()) == "a local process");
    CHECK(describe_peer(-1) == "a peer that is gone");
}

TEST_CASE("close() is a reset, or an end, as it was chosen last") {
    SUBCASE("in order, if nobody said otherwise") {
        CHECK(error_after_close(tcp_pair()) == 0);
    }
    SUBCASE("reset") {
        auto pair = tcp_pair();
        reset_on_close(pair.server.get());
        // The reset may overtake the byte: the first or the second recv() hears of it.
        REQUIRE(::send(pair.server.get(), "x", 1, 0) == 1);
        char byte = 0;
        CHECK(::recv(pair.client.get(), &byte, 1, 0) == 1);
        pair.server.reset();
        CHECK(::recv(pair.client.get(), &byte, 1, 0) == -1);
        CHECK(errno == ECONNRESET);
    }
    SUBCASE("in order again") {
        auto pair = tcp_pair();
        reset_on_close(pair.server.get());
        close_in_order(pair.server.get());
        CHECK(error_after_close(std::move(pair)) == 0);
    }
    SUBCASE("whoever closes it last") {
        auto pair = tcp_pair();
        reset_on_close(pair.server.get());
        UniqueFd duplicate(::dup(pair.server.get()));
        pair.server.reset();
        char byte = 0;
        CHECK(::recv(pair.client.get(), &byte, 1, MSG_DONTWAIT) == -1);
        CHECK(errno == EAGAIN);
        duplicate.reset();
        CHECK(::recv(pair.client.get(), &byte, 1, 0) == -1);
        CHECK(errno == ECONNRESET);
    }
}

TEST_CASE("the limit of descriptors is raised to what the system grants") {
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit low = before;
    low.rlim_cur = 256;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    CHECK(raise_descriptor_limit() == before.rlim_max);
    rlimit raised{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &raised) == 0);
    CHECK(raised.rlim_cur == before.rlim_max);
    setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("sockets lie below the runtime directory") {
    CHECK(runtime_path("/run/keysluice", "keeper.sock") == "/run/keysluice/keeper.sock");
}
