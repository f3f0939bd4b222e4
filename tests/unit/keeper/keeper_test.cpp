#include "daemon/keeper/keeper.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// A keeper, and processes that call on it.
struct Fixture {
    explicit Fixture(std::size_t relays = 1, std::size_t slots = 4)
        : keeper(Keeper::create(loop, folder.path(), relays * slots, [this](std::uint16_t engine) {
                     draining.push_back(engine);
                 }).value()) {
        if (relays > 0) {
            tell_engines(relays);
        }
    }
    void tell_engines(std::size_t count) {
        REQUIRE(call(ProcessKind::control)->channel.send(Engines{static_cast<std::uint16_t>(count)}));
        settle(loop);
    }

    std::unique_ptr<Mailbox> call() {
        return std::make_unique<Mailbox>(loop, connect_channel(folder / "keeper.sock").value());
    }
    std::unique_ptr<Mailbox> call(ProcessKind kind, std::uint16_t index = 0) {
        auto process = call();
        REQUIRE(process->channel.send(Hello{kind, index, 1}));
        settle(loop);
        if (kind == ProcessKind::relay && process->count<AskHeld>() > 0) {
            process->mail.clear();
            REQUIRE(process->channel.send(HeldComplete{}));
            settle(loop);
        }
        return process;
    }
    /// An engine's connection with one socket.
    void hand_over(Mailbox& engine, Token& token, std::uint16_t service = 1) {
        REQUIRE(engine.channel.send(Handover{++tokens, false, {{service}, true}}, token.give()));
        settle(loop);
    }

    RuntimeFolder folder;
    Loop loop;
    std::vector<std::uint16_t> draining;
    std::uint32_t tokens = 0;
    std::unique_ptr<Keeper> keeper;
};

}  // namespace

TEST_CASE("an engine's connection reaches its relay as a duplicate, and outlives both") {
    Fixture fixture;
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    CHECK(relay->count<Table>() == 1);
    Token tls;
    fixture.hand_over(*engine, tls, 7);
    CHECK(relay->at<Adopt>(1) == Adopt{{0}, {{7}, true}});
    CHECK(tls.is_other_end(relay->mail[1].descriptors.at(0).get()));
    engine.reset();
    relay.reset();
    settle(fixture.loop);
    CHECK_FALSE(tls.let_go());
}

TEST_CASE("an engine hears that its relay has a connection, and that one is over") {
    Fixture fixture;
    auto engine = fixture.call(ProcessKind::engine);
    Token early;
    Token late;
    fixture.hand_over(*engine, early);
    CHECK(engine->mail.empty());
    auto relay = fixture.call(ProcessKind::relay);
    REQUIRE(engine->mail.size() == 1);
    CHECK(engine->at<Taken>(0) == Taken{{1}});
    relay.reset();
    settle(fixture.loop);
    fixture.hand_over(*engine, late);
    CHECK(engine->mail.size() == 1);
    relay = fixture.call(ProcessKind::relay);
    REQUIRE(engine->mail.size() == 2);
    CHECK(engine->at<Taken>(1) == Taken{{2}});
}

TEST_CASE("a relay that has outlived a keeper brings what it holds, and engines wait until that is done") {
    Fixture fixture(1, 4);
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call();
    REQUIRE(relay->channel.send(Hello{ProcessKind::relay, 0, 1}));
    settle(fixture.loop);
    CHECK(relay->count<AskHeld>() == 1);
    auto table = ConnectionTable::create(8).value();
    table.at({5}) = {.used = 1, .flags = TableEntry::kTlsEnded, .service = 9};
    table.at({6}) = {.used = 1};  // which died with the old keeper, before the relay heard of it
    REQUIRE(relay->channel.send(Table{}, descriptors(duplicate_fd(table.file()))));
    Token pipe;
    REQUIRE(relay->channel.send(Pipe{{0}}, descriptors(std::move(pipe.mine), std::move(pipe.theirs))));
    Token tls;
    Token plain;
    REQUIRE(
        relay->channel.send(Adopt{{5}, {{9}, true}}, descriptors(std::move(tls.theirs), std::move(plain.theirs))));
    Token fresh;
    fixture.hand_over(*engine, fresh);
    CHECK(relay->count<Adopt>() == 0);
    SUBCASE("it says that this is all") {
        REQUIRE(relay->channel.send(HeldComplete{}));
        settle(fixture.loop);
        CHECK(relay->at<Adopt>(1).slot.value == 0);
        CHECK(relay->count<Table>() == 0);
    }
    SUBCASE("it dies in the middle: what it has told is kept") {}
    relay.reset();
    auto successor = fixture.call(ProcessKind::relay);
    REQUIRE(successor->mail.size() == 4);
    CHECK(table.is(successor->mail[0].descriptors.at(0)));
    CHECK(successor->at<Pipe>(1).pipe.value == 0);
    CHECK(successor->at<Adopt>(2).slot.value == 0);
    CHECK(successor->at<Adopt>(3) == Adopt{{5}, {{9}, false}});
    CHECK(plain.is_other_end(successor->mail[3].descriptors.at(1).get()));
    CHECK(table.at({5}).flags == TableEntry::kTlsEnded);
    CHECK(table.at({6}).used == 0);
}

TEST_CASE("a table that is none is refused, and its relay gets nothing") {
    Fixture fixture;
    auto relay = fixture.call();
    REQUIRE(relay->channel.send(Hello{ProcessKind::relay, 0, 1}));
    SUBCASE("no memory file") {
        Token pipe;
        REQUIRE(relay->channel.send(Table{}, pipe.give()));
    }
    SUBCASE("too large") {
        auto table = ConnectionTable::create(RelayShare::kMostSlots + 1).value();
        REQUIRE(relay->channel.send(Table{}, descriptors(duplicate_fd(table.file()))));
    }
    Token tls;
    REQUIRE(relay->channel.send(Adopt{{0}, {{1}, true}}, tls.give()));
    settle(fixture.loop);
    CHECK(tls.let_go());
    CHECK(fixture.keeper->status().starts_with("0 connections of 0 relays"));
}

TEST_CASE("a client service's connection comes with its plaintext socket") {
    Fixture fixture;
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    Token tls;
    Token plain;
    REQUIRE(engine->channel.send(Handover{1, false, {{1}, false}},
                                 descriptors(std::move(tls.theirs), std::move(plain.theirs))));
    settle(fixture.loop);
    REQUIRE(relay->mail.size() == 2);
    CHECK(relay->mail[1].descriptors.size() == 2);
    CHECK(plain.is_other_end(relay->mail[1].descriptors.at(1).get()));
}

TEST_CASE("each engine has the relay of its own number") {
    Fixture fixture(2);
    auto engine = fixture.call(ProcessKind::engine, 1);
    auto first = fixture.call(ProcessKind::relay, 0);
    auto second = fixture.call(ProcessKind::relay, 1);
    Token tls;
    fixture.hand_over(*engine, tls);
    CHECK(first->count<Adopt>() == 0);
    CHECK(second->count<Adopt>() == 1);
}

TEST_CASE("a relay's successor gets all that its predecessor had, in order") {
    Fixture fixture;
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    std::array<Token, 3> tls;
    for (Token& token : tls) {
        fixture.hand_over(*engine, token);
    }
    Token pipe;
    Token plain;
    REQUIRE(relay->channel.send(Pipe{{0}}, descriptors(std::move(pipe.mine), std::move(pipe.theirs))));
    REQUIRE(relay->channel.send(Attach{{1}}, plain.give()));
    REQUIRE(relay->channel.send(Release{{{0}}}));
    settle(fixture.loop);
    relay.reset();
    CHECK(tls[0].let_go());
    // One more comes while no relay is there.
    Token late;
    fixture.hand_over(*engine, late, 2);

    auto successor = fixture.call(ProcessKind::relay);
    REQUIRE(successor->mail.size() == 5);
    CHECK(successor->count<Table>() == 1);
    CHECK(successor->at<Pipe>(1).pipe.value == 0);
    CHECK(successor->at<Adopt>(2) == Adopt{{0}, {{2}, true}});
    CHECK(late.is_other_end(successor->mail[2].descriptors.at(0).get()));
    CHECK(successor->at<Adopt>(3).slot.value == 1);
    REQUIRE(successor->mail[3].descriptors.size() == 2);
    CHECK(plain.is_other_end(successor->mail[3].descriptors[1].get()));
    CHECK(successor->at<Adopt>(4).slot.value == 2);
}

TEST_CASE("a successor that comes before its predecessor has gone keeps its place") {
    Fixture fixture;
    auto engine = fixture.call(ProcessKind::engine);
    auto old = fixture.call(ProcessKind::relay);
    auto successor = fixture.call(ProcessKind::relay);
    old.reset();
    settle(fixture.loop);
    Token tls;
    fixture.hand_over(*engine, tls);
    CHECK(successor->count<Adopt>() == 1);
}

TEST_CASE("engines wait while their relay has no place left, and go on when it has") {
    Fixture fixture(2, 2);
    auto engine = fixture.call(ProcessKind::engine, 0);
    auto other = fixture.call(ProcessKind::engine, 1);
    auto relay = fixture.call(ProcessKind::relay, 0);
    auto second_relay = fixture.call(ProcessKind::relay, 1);
    std::array<Token, 4> tls;
    for (Token& token : tls) {
        fixture.hand_over(*engine, token);
    }
    CHECK(relay->count<Adopt>() == 2);
    CHECK_FALSE(tls[2].let_go());
    Token elsewhere;
    fixture.hand_over(*other, elsewhere);
    CHECK(second_relay->count<Adopt>() == 1);

    // A new engine of the same number waits as well.
    auto newcomer = fixture.call(ProcessKind::engine, 0);
    Token last;
    fixture.hand_over(*newcomer, last);
    CHECK(relay->count<Adopt>() == 2);

    REQUIRE(relay->channel.send(Release{{{0}}}));
    settle(fixture.loop);
    CHECK(relay->count<Adopt>() == 3);
    REQUIRE(relay->channel.send(Release{{{0}, {1}}}));
    settle(fixture.loop);
    CHECK(relay->count<Adopt>() == 5);
    CHECK_FALSE(last.let_go());
}

TEST_CASE("listening sockets come back to a new control, until they are forgotten") {
    Fixture fixture;
    auto control = fixture.call(ProcessKind::control);
    CHECK(control->count<ListenersComplete>() == 1);
    CHECK(control->mail.size() == 1);
    Token one;
    Token two;
    REQUIRE(control->channel.send(Listener{"[::]:443 0"}, one.give()));
    REQUIRE(control->channel.send(Listener{"unix:/x"}, two.give()));
    settle(fixture.loop);
    control.reset();
    settle(fixture.loop);
    CHECK_FALSE(one.let_go());

    auto successor = fixture.call(ProcessKind::control);
    REQUIRE(successor->mail.size() == 3);
    CHECK(successor->at<Listener>(0).name == "[::]:443 0");
    CHECK(one.is_other_end(successor->mail[0].descriptors.at(0).get()));
    CHECK(successor->at<Listener>(1).name == "unix:/x");
    CHECK(successor->count<ListenersComplete>() == 1);
    REQUIRE(successor->channel.send(ForgetListener{"[::]:443 0"}));
    REQUIRE(successor->channel.send(ForgetListener{"never heard of"}));
    settle(fixture.loop);
    successor->mail.clear();
    CHECK(one.let_go());

    CHECK(fixture.call(ProcessKind::control)->count<Listener>() == 1);
}

TEST_CASE("a listener that is told again takes the place of the old one") {
    Fixture fixture;
    auto control = fixture.call(ProcessKind::control);
    Token old;
    Token fresh;
    REQUIRE(control->channel.send(Listener{"a"}, old.give()));
    REQUIRE(control->channel.send(Listener{"a"}, fresh.give()));
    settle(fixture.loop);
    CHECK(old.let_go());
    CHECK_FALSE(fresh.let_go());
}

TEST_CASE("engines and relays wait until keysluiced has said how many there are") {
    Fixture fixture(0);
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    Token tls;
    fixture.hand_over(*engine, tls);
    CHECK(relay->mail.empty());
    fixture.tell_engines(1);
    CHECK(relay->count<Table>() == 1);
    CHECK(relay->count<Adopt>() == 1);
    CHECK_FALSE(tls.let_go());
    CHECK(fixture.keeper->status() == "1 connections of 1 relays and 0 listening sockets are in safe keeping");
}

TEST_CASE("more engines than before: the others keep what they have") {
    Fixture fixture(1, 2);
    auto engine = fixture.call(ProcessKind::engine, 0);
    auto relay = fixture.call(ProcessKind::relay, 0);
    auto second = fixture.call(ProcessKind::relay, 1);
    Token tls;
    fixture.hand_over(*engine, tls);
    CHECK(second->mail.empty());
    fixture.tell_engines(2);
    CHECK(second->count<Table>() == 1);
    CHECK(relay->count<Table>() == 1);
    CHECK(relay->count<Adopt>() == 1);
    fixture.tell_engines(1);
    Token another;
    fixture.hand_over(*engine, another);
    CHECK(relay->count<Adopt>() == 2);
}

TEST_CASE("an engine that drains is named") {
    Fixture fixture(3);
    auto engine = fixture.call(ProcessKind::engine, 2);
    auto relay = fixture.call(ProcessKind::relay, 2);
    REQUIRE(engine->channel.send(Draining{}));
    settle(fixture.loop);
    CHECK(fixture.draining == std::vector<std::uint16_t>{2});
}

TEST_CASE("who has not said hello is not listened to, and nobody does another's work") {
    Fixture fixture;
    auto relay = fixture.call(ProcessKind::relay);
    Token token;
    auto stranger = fixture.call();
    SUBCASE("no hello") {
        fixture.hand_over(*stranger, token);
    }
    SUBCASE("a relay hands over") {
        fixture.hand_over(*relay, token);
    }
    SUBCASE("an engine keeps a listener") {
        auto engine = fixture.call(ProcessKind::engine);
        REQUIRE(engine->channel.send(Listener{"a"}, token.give()));
        settle(fixture.loop);
    }
    SUBCASE("a second hello changes nothing") {
        auto engine = fixture.call(ProcessKind::engine);
        REQUIRE(engine->channel.send(Hello{ProcessKind::control, 0, 1}));
        REQUIRE(engine->channel.send(Listener{"a"}, token.give()));
        settle(fixture.loop);
    }
    CHECK(token.let_go());
    CHECK(relay->count<Adopt>() == 0);
    CHECK(fixture.call(ProcessKind::control)->count<Listener>() == 0);
}

TEST_CASE("a handover without its socket is no handover") {
    Fixture fixture;
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    REQUIRE(engine->channel.send(Handover{1, false, {{1}, true}}));
    settle(fixture.loop);
    CHECK(relay->count<Adopt>() == 0);
}

TEST_CASE("a process that breaks the format is left, the others go on") {
    Fixture fixture;
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    const UniqueFd odd = connect_channel(fixture.folder / "keeper.sock").value();
    REQUIRE(::send(odd.get(), "?", 1, 0) == 1);
    settle(fixture.loop);
    char byte = 0;
    CHECK(::recv(odd.get(), &byte, 1, MSG_DONTWAIT) == 0);
    Token tls;
    fixture.hand_over(*engine, tls);
    CHECK(relay->count<Adopt>() == 1);
}

TEST_CASE("a keeper without a place for its socket says why") {
    Loop loop;
    const auto keeper = Keeper::create(loop, "/nonexistent", 1, [](std::uint16_t) {});
    REQUIRE_FALSE(keeper);
    CHECK(keeper.error().reason == "channel-bind-failed");
}
