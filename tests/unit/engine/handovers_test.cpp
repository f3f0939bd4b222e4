#include "daemon/engine/handovers.hpp"

#include <doctest/doctest.h>

#include <list>
#include <memory>
#include <utility>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// An engine's uplink to a keeper that can go and come back.
struct Fixture final : Uplink::Owner {
    Fixture() { come(); }

    void come() {
        door = std::make_unique<ChannelListener>(
            loop, ChannelListener::bind(folder / "keeper.sock").value(),
            [this](UniqueFd accepted) { keeper = std::make_unique<Mailbox>(loop, std::move(accepted)); });
        if (!std::exchange(called, true)) {
            uplink.connect();  // later, it calls by itself
        }
        turn_until(loop, [&] { return uplink.connected() && keeper != nullptr; });
        settle(loop);
    }
    /// The keeper dies with everything that it has not read.
    void die() {
        door.reset();
        keeper.reset();
        turn_until(loop, [&] { return !uplink.connected(); });
    }

    void on_message(Uplink& /*uplink*/, Message message, Descriptors /*descriptors*/) override {
        handovers.on_taken(std::get<Taken>(message));
    }
    void on_connected(Uplink& /*uplink*/) override { handovers.tell_again(); }

    void take(std::vector<std::uint32_t> tokens) {
        REQUIRE(keeper->channel.send(Taken{std::move(tokens)}));
        settle(loop);
    }

    RuntimeFolder folder;
    Loop loop;
    std::unique_ptr<ChannelListener> door;
    std::unique_ptr<Mailbox> keeper;
    Uplink uplink{loop, folder / "keeper.sock", {ProcessKind::engine, 0, 1}, *this};
    Handovers handovers{uplink};
    bool called = false;
};

constexpr Carried kConnection{.service = {3}, .tls13 = true};

}  // namespace

TEST_CASE("an engine keeps a connection's sockets until its relay has them") {
    Fixture fixture;
    Token tls;
    REQUIRE(fixture.handovers.give(kConnection, {}, tls.give()));
    settle(fixture.loop);
    CHECK(fixture.keeper->at<Handover>(1) == Handover{1, false, kConnection});
    CHECK(tls.is_other_end(fixture.keeper->mail[1].descriptors.at(0).get()));
    fixture.keeper->mail.clear();
    CHECK_FALSE(tls.let_go());
    CHECK_FALSE(fixture.handovers.empty());
    fixture.take({7});  // which nobody has given
    CHECK_FALSE(tls.let_go());
    fixture.take({1});
    CHECK(tls.let_go());
    CHECK(fixture.handovers.empty());
}

TEST_CASE("another keeper is told what its predecessor had not confirmed, and what came meanwhile") {
    Fixture fixture;
    std::array<Token, 3> tls;
    REQUIRE(fixture.handovers.give(kConnection, {}, tls[0].give()));
    REQUIRE(fixture.handovers.give(kConnection, {}, tls[1].give()));
    settle(fixture.loop);
    fixture.take({1});
    fixture.die();
    REQUIRE(fixture.handovers.give(kConnection, {}, tls[2].give()));
    CHECK_FALSE(tls[2].let_go());
    fixture.come();
    REQUIRE(fixture.keeper->mail.size() == 3);
    CHECK(fixture.keeper->at<Handover>(1) == Handover{2, true, kConnection});
    CHECK(tls[1].is_other_end(fixture.keeper->mail[1].descriptors.at(0).get()));
    CHECK(fixture.keeper->at<Handover>(2) == Handover{3, false, kConnection});
    CHECK(tls[2].is_other_end(fixture.keeper->mail[2].descriptors.at(0).get()));
}

TEST_CASE("an engine does not pile connections up for a keeper that is away") {
    Fixture fixture;
    fixture.die();
    Token token;
    const auto give = [&] {
        return fixture.handovers.give(kConnection, {}, descriptors(duplicate_fd(token.theirs)));
    };
    for (std::size_t i = 0; i < Handovers::kEnough; ++i) {
        REQUIRE(fixture.handovers.has_room());
        REQUIRE(give());
    }
    CHECK_FALSE(fixture.handovers.has_room());
    CHECK(give());  // what was negotiated already
}
