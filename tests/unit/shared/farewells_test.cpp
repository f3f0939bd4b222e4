#include "daemon/shared/farewells.hpp"

#include <doctest/doctest.h>

#include <list>
#include <string>

#include "tests/support/processes.hpp"
#include "tests/support/tcp_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// What the peer reads: "end", "reset", "nothing yet" or the bytes.
std::string heard(const UniqueFd& peer) {
    std::array<char, 64> buffer{};
    const ssize_t size = ::recv(peer.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) {
        return errno == ECONNRESET ? "reset" : "nothing yet";
    }
    return size == 0 ? "end" : std::string(buffer.data(), static_cast<std::size_t>(size));
}

}  // namespace

TEST_CASE("the peer gets our last words and our end, although it was still sending") {
    Loop loop;
    Farewells farewells(loop);
    auto pair = tcp_pair();
    REQUIRE(::send(pair.client.get(), "more", 4, 0) == 4);
    REQUIRE(::send(pair.server.get(), "bye", 3, 0) == 3);
    farewells.add(std::move(pair.server));
    CHECK(farewells.size() == 1);
    settle(loop);
    CHECK(farewells.size() == 1);
    CHECK(heard(pair.client) == "bye");
    CHECK(heard(pair.client) == "end");
    pair.client.reset();
    turn_until(loop, [&] { return farewells.size() == 0; });
}

TEST_CASE("input is thrown away up to a limit, then the peer gets a reset") {
    Loop loop;
    Farewells farewells(loop);
    auto pair = tcp_pair();
    farewells.add(std::move(pair.server));
    const std::string rubbish(64UL * 1024, 'x');
    std::size_t sent = 0;
    turn_until(loop, [&] {
        const ssize_t size = ::send(pair.client.get(), rubbish.data(), rubbish.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += size > 0 ? static_cast<std::size_t>(size) : 0;
        return farewells.size() == 0;
    });
    CHECK(sent > Farewells::kMostBytes);
    // What was on its way when the socket was closed is what makes the reset.
    turn_until(loop, [&] {
        const ssize_t size = ::send(pair.client.get(), "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        return size < 0 && (errno == EPIPE || errno == ECONNRESET);
    });
}

TEST_CASE("a peer that says nothing is left after a while, and not before") {
    Loop loop;
    Farewells farewells(loop);
    auto pair = tcp_pair();
    const Instant start = now();
    farewells.add(std::move(pair.server));
    settle(loop);
    turn_until(loop, [&] { return farewells.size() == 0; });
    CHECK(now() - start >= Farewells::kLongest);
}

TEST_CASE("only so many sockets wait; the next one is closed at once") {
    Loop loop;
    Farewells farewells(loop);
    std::list<UniqueFd> peers;
    for (std::size_t i = 0; i < Farewells::kMost; ++i) {
        auto [ours, theirs] = stream_pair();
        farewells.add(std::move(ours));
        peers.push_back(std::move(theirs));
    }
    CHECK(farewells.size() == Farewells::kMost);
    auto pair = tcp_pair();
    REQUIRE(::send(pair.client.get(), "x", 1, 0) == 1);
    farewells.add(std::move(pair.server));
    CHECK(farewells.size() == Farewells::kMost);
    CHECK(heard(pair.client) == "reset");
}

TEST_CASE("a socket of which the keeper still has a duplicate is heard of no more") {
    Loop loop;
    Farewells farewells(loop);
    auto [ours, theirs] = stream_pair();
    const UniqueFd kept_by_keeper(::dup(ours.get()));
    farewells.add(std::move(ours));
    theirs.reset();
    settle(loop);
    CHECK(farewells.size() == 0);
    // Were it still registered, the loop would call what is no longer there.
    settle(loop);
}

TEST_CASE("farewells that end before their sockets do leave nothing behind in the loop") {
    Loop loop;
    auto [ours, theirs] = stream_pair();
    const UniqueFd kept_by_keeper(::dup(ours.get()));
    {
        Farewells farewells(loop);
        farewells.add(std::move(ours));
    }
    REQUIRE(::send(theirs.get(), "x", 1, 0) == 1);
    settle(loop);
    CHECK(kept_by_keeper);
}
