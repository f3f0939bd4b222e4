#include "daemon/shared/uplink.hpp"

#include <doctest/doctest.h>

#include <list>
#include <memory>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

const Hello kHello{ProcessKind::engine, 3, 77};

/// The other end: accepts, and keeps what comes.
struct Server {
    Server(Loop& its_loop, const std::string& path)
        : loop(its_loop), door(loop, ChannelListener::bind(path).value(), [this](UniqueFd accepted) {
              peers.push_back(std::make_unique<Mailbox>(loop, std::move(accepted)));
          }) {}
    Loop& loop;
    std::list<std::unique_ptr<Mailbox>> peers;
    ChannelListener door;
};

struct User final : Uplink::Owner {
    void on_message(Uplink& /*uplink*/, Message message, Descriptors attached) override {
        mail.push_back({std::move(message), std::move(attached)});
    }
    void on_connected(Uplink& uplink) override {
        ++connected;
        CHECK(uplink.connected());
        CHECK(uplink.send(Draining{}));
    }
    std::vector<Mailbox::Mail> mail;
    int connected = 0;
};

}  // namespace

TEST_CASE("an uplink says hello, and then what its owner has to say") {
    const RuntimeFolder folder;
    Loop loop;
    Server server(loop, folder / "s.sock");
    User user;
    Uplink uplink(loop, folder / "s.sock", kHello, user);
    CHECK_FALSE(uplink.connected());
    uplink.connect();
    CHECK(user.connected == 1);
    settle(loop);
    REQUIRE(server.peers.size() == 1);
    Mailbox& peer = *server.peers.front();
    CHECK(peer.at<Hello>(0) == kHello);
    CHECK(peer.count<Draining>() == 1);
    CHECK(uplink.queued() == 0);

    Token token;
    CHECK(peer.channel.send(Attach{{5}}, token.give()));
    settle(loop);
    REQUIRE(user.mail.size() == 1);
    CHECK(std::get<Attach>(user.mail[0].message).slot.value == 5);
    CHECK(token.is_other_end(user.mail[0].descriptors.at(0).get()));
}

TEST_CASE("while the other end is away nothing is sent, and descriptors are closed") {
    const RuntimeFolder folder;
    Loop loop;
    User user;
    Uplink uplink(loop, folder / "s.sock", kHello, user);
    uplink.connect();
    CHECK_FALSE(uplink.connected());
    Token token;
    CHECK_FALSE(uplink.send(Attach{{1}}, token.give()));
    CHECK(token.let_go());
    CHECK(uplink.queued() == 0);
}

TEST_CASE("an uplink finds an other end that comes later") {
    const RuntimeFolder folder;
    Loop loop;
    User user;
    Uplink uplink(loop, folder / "s.sock", kHello, user);
    uplink.connect();
    const Instant start = now();
    Server server(loop, folder / "s.sock");
    turn_until(loop, [&] { return user.connected == 1; });
    CHECK(now() - start >= Uplink::kRetry - std::chrono::milliseconds(1));
}

TEST_CASE("an uplink comes back each time the other end does, with another hello") {
    const RuntimeFolder folder;
    Loop loop;
    User user;
    auto server = std::make_unique<Server>(loop, folder / "s.sock");
    Uplink uplink(loop, folder / "s.sock", kHello, user);
    uplink.connect();
    for (int round = 2; round < 4; ++round) {
        settle(loop);
        server.reset();
        settle(loop);
        CHECK_FALSE(uplink.connected());
        server = std::make_unique<Server>(loop, folder / "s.sock");
        turn_until(loop, [&] { return user.connected == round; });
        settle(loop);
        REQUIRE(server->peers.size() == 1);
        CHECK(server->peers.front()->at<Hello>(0) == kHello);
    }
}

TEST_CASE("an other end that breaks the format is left, and tried again") {
    const RuntimeFolder folder;
    Loop loop;
    User user;
    std::vector<UniqueFd> accepted;
    const ChannelListener door(loop, ChannelListener::bind(folder / "s.sock").value(),
                               [&](UniqueFd one) { accepted.push_back(std::move(one)); });
    Uplink uplink(loop, folder / "s.sock", kHello, user);
    uplink.connect();
    settle(loop);
    REQUIRE(accepted.size() == 1);
    REQUIRE(::send(accepted[0].get(), "??", 2, 0) == 2);
    turn_until(loop, [&] { return user.connected == 2; });
    CHECK(user.mail.empty());
}

TEST_CASE("an uplink that is gone tries no more") {
    const RuntimeFolder folder;
    Loop loop;
    User user;
    {
        Uplink uplink(loop, folder / "s.sock", kHello, user);
        uplink.connect();
    }
    Server server(loop, folder / "s.sock");
    // Past the moment of its next try.
    const Instant later = now() + 2 * Uplink::kRetry;
    turn_until(loop, [&] { return now() > later; });
    CHECK(user.connected == 0);
}
