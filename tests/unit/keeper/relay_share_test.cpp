#include "daemon/keeper/relay_share.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// A relay: what the share tells comes into `inbox`.
struct Relay {
    explicit Relay(Loop& loop) : Relay(loop, seqpacket_pair()) {}
    Relay(Loop& loop, FdPair ends) : keeper(loop, std::move(ends.first)), inbox(loop, std::move(ends.second)) {}
    Mailbox keeper;
    Mailbox inbox;
};

struct Fixture {
    explicit Fixture(std::size_t slots) : share(RelayShare::create(slots).value()) {}

    /// Sends on what was held back, as the keeper does.
    void deliver(Relay& relay) {
        turn_until(loop, [&] {
            share.go_on();
            const std::size_t before = relay.inbox.mail.size();
            settle(loop);
            return relay.inbox.mail.size() == before && relay.keeper.channel.queued() == 0;
        });
    }

    Loop loop;
    RelayShare share;
};

constexpr RelayShare::Origin kNobody{};

Descriptors pipe_ends(Token& token) {
    return descriptors(UniqueFd(::dup(token.mine.get())), std::move(token.theirs));
}

}  // namespace

TEST_CASE("a relay gets the table first") {
    Fixture fixture(3);
    Relay relay(fixture.loop);
    fixture.share.connect(relay.keeper.channel);
    settle(fixture.loop);
    REQUIRE(relay.inbox.mail.size() == 1);
    CHECK(relay.inbox.count<Table>() == 1);
    auto table = ConnectionTable::open(std::move(relay.inbox.mail[0].descriptors.at(0)));
    REQUIRE(table);
    CHECK(table->entries().size() == 3);

    Token token;
    fixture.share.take({{7}, true}, token.give(), kNobody);
    CHECK(table->at({0}).used == 1);
    CHECK(table->at({0}).service == 7);
    CHECK(table->at({0}).tls13 == 1);
}

TEST_CASE("the secrets of a connection stand in the table as long as it lives") {
    Fixture fixture(3);
    Relay relay(fixture.loop);
    fixture.share.connect(relay.keeper.channel);
    settle(fixture.loop);
    auto table = ConnectionTable::open(std::move(relay.inbox.mail[0].descriptors.at(0))).value();
    REQUIRE(table.keeps_secrets());
    const TrafficSecrets secrets{.receive = Secret<48>(std::array<std::uint8_t, 32>{1, 2}),
                                 .send = Secret<48>(std::array<std::uint8_t, 32>{3, 4})};
    Token with;
    Token without;
    fixture.share.take({{7}, true}, with.give(), kNobody, &secrets);
    fixture.share.take({{7}, true}, without.give(), kNobody);
    const KeptSecrets& kept = *table.secrets({0});
    CHECK(kept.size == 32);
    CHECK(kept.receive.secrets[0][1] == 2);
    CHECK(kept.send.secrets[0][1] == 4);
    CHECK_FALSE(kept.receive.changing());
    CHECK(table.secrets({1})->size == 0);
    fixture.share.release({0});
    const auto* const octets = reinterpret_cast<const std::uint8_t*>(&kept);
    CHECK(std::all_of(octets, octets + sizeof(kept), [](std::uint8_t octet) { return octet == 0; }));
}

TEST_CASE("a connection becomes the relay's, as a duplicate of what is held") {
    Fixture fixture(3);
    Relay relay(fixture.loop);
    fixture.share.connect(relay.keeper.channel);
    Token tls;
    Token plain;
    fixture.share.take({{7}, true}, descriptors(std::move(tls.theirs), std::move(plain.theirs)), kNobody);
    settle(fixture.loop);
    CHECK(relay.inbox.at<Adopt>(1) == Adopt{{0}, {{7}, true}});
    REQUIRE(relay.inbox.mail[1].descriptors.size() == 2);
    CHECK(tls.is_other_end(relay.inbox.mail[1].descriptors[0].get()));
    CHECK(plain.is_other_end(relay.inbox.mail[1].descriptors[1].get()));
    relay.inbox.mail.clear();
    CHECK_FALSE(tls.let_go());
    CHECK_FALSE(plain.let_go());
    fixture.share.release({0});
    CHECK(tls.let_go());
    CHECK(plain.let_go());
}

TEST_CASE("without a relay a connection waits for one") {
    Fixture fixture(3);
    Token token;
    fixture.share.take({{1}, false}, token.give(), kNobody);
    Relay relay(fixture.loop);
    fixture.share.connect(relay.keeper.channel);
    settle(fixture.loop);
    CHECK(relay.inbox.at<Adopt>(1) == Adopt{{0}, {{1}, false}});
}

TEST_CASE("a successor gets the table, the pipes and the connections, in this order") {
    Fixture fixture(4);
    std::array<Token, 3> tls;
    Token plain;
    {
        Relay relay(fixture.loop);
        fixture.share.connect(relay.keeper.channel);
        for (Token& token : tls) {
            fixture.share.take({{9}, true}, token.give(), kNobody);
        }
        fixture.share.attach({1}, std::move(plain.theirs));
        for (std::uint16_t i = 0; i < 2; ++i) {
            Token pipe;
            fixture.share.keep_pipe({i}, pipe_ends(pipe));
        }
        fixture.share.release({0});
        fixture.share.disconnect();
        CHECK(fixture.share.channel() == nullptr);
    }
    Relay successor(fixture.loop);
    fixture.share.connect(successor.keeper.channel);
    fixture.deliver(successor);
    Mailbox& inbox = successor.inbox;
    REQUIRE(inbox.mail.size() == 5);
    CHECK(inbox.count<Table>() == 1);
    CHECK(inbox.at<Pipe>(1).pipe.value == 0);
    CHECK(inbox.at<Pipe>(2).pipe.value == 1);
    CHECK(inbox.mail[1].descriptors.size() == 2);
    CHECK(inbox.at<Adopt>(3).slot.value == 1);
    REQUIRE(inbox.mail[3].descriptors.size() == 2);
    CHECK(tls[1].is_other_end(inbox.mail[3].descriptors[0].get()));
    CHECK(plain.is_other_end(inbox.mail[3].descriptors[1].get()));
    CHECK(inbox.at<Adopt>(4).slot.value == 2);
    CHECK(inbox.mail[4].descriptors.size() == 1);
}

TEST_CASE("the bytes in a pipe outlive the relay") {
    Fixture fixture(1);
    Token pipe;
    REQUIRE(::write(pipe.theirs.get(), "on their way", 12) == 12);
    fixture.share.keep_pipe({0}, pipe_ends(pipe));
    pipe.mine.reset();
    Relay successor(fixture.loop);
    fixture.share.connect(successor.keeper.channel);
    settle(fixture.loop);
    REQUIRE(successor.inbox.at<Pipe>(1).pipe.value == 0);
    std::array<char, 32> bytes{};
    CHECK(::read(successor.inbox.mail[1].descriptors.at(0).get(), bytes.data(), bytes.size()) == 12);
}

TEST_CASE("a relay that listens slowly is told everything in the end, once, and costs few descriptors") {
    constexpr std::uint32_t kMany = 1500;
    Fixture fixture(kMany + 1);
    Token token;
    for (std::uint32_t i = 0; i < kMany; ++i) {
        fixture.share.take({{1}, true}, descriptors(UniqueFd(::dup(token.theirs.get()))), kNobody);
    }
    Relay relay(fixture.loop);
    relay.inbox.channel.set_reading(false);
    fixture.share.connect(relay.keeper.channel);
    CHECK(relay.keeper.channel.queued() <= RelayShare::kAhead);
    // What is released before it was told is not told; its place goes to the next one, which is.
    fixture.share.release({kMany - 1});
    fixture.share.take({{2}, true}, descriptors(UniqueFd(::dup(token.theirs.get()))), kNobody);
    fixture.share.take({{3}, true}, descriptors(UniqueFd(::dup(token.theirs.get()))), kNobody);
    relay.inbox.channel.set_reading(true);
    fixture.deliver(relay);
    CHECK(relay.inbox.count<Adopt>() == kMany + 1);
    std::vector<int> told(kMany + 1);
    for (std::size_t i = 1; i < relay.inbox.mail.size(); ++i) {
        const Adopt adopt = relay.inbox.at<Adopt>(i);
        ++told.at(adopt.slot.value);
        const std::uint16_t service = adopt.slot.value < kMany - 1 ? 1 : adopt.slot.value == kMany - 1 ? 2 : 3;
        REQUIRE(adopt.connection.service.value == service);
    }
    CHECK(std::ranges::all_of(told, [](int times) { return times == 1; }));
}

TEST_CASE("the lowest places are used first, and again") {
    Fixture fixture(3);
    Relay relay(fixture.loop);
    fixture.share.connect(relay.keeper.channel);
    const auto take = [&] {
        Token token;
        fixture.share.take({{1}, true}, token.give(), kNobody);
        settle(fixture.loop);
        return relay.inbox.at<Adopt>(relay.inbox.mail.size() - 1).slot.value;
    };
    CHECK(take() == 0);
    CHECK(take() == 1);
    fixture.share.release({0});
    CHECK(take() == 0);
    CHECK_FALSE(fixture.share.full());
    CHECK(take() == 2);
    CHECK(fixture.share.full());
    CHECK(fixture.share.used() == 3);
    fixture.share.release({1});
    CHECK_FALSE(fixture.share.full());
    CHECK(fixture.share.used() == 2);
}

TEST_CASE("what a relay reports of slots and pipes that are not there is ignored") {
    Fixture fixture(2);
    Token token;
    fixture.share.attach({0}, UniqueFd(::dup(token.theirs.get())));
    fixture.share.attach({99}, std::move(token.theirs));
    CHECK(token.let_go());
    fixture.share.release({0});
    fixture.share.release({99});
    CHECK(fixture.share.used() == 0);

    Token pipe;
    fixture.share.keep_pipe({1}, pipe_ends(pipe));
    CHECK(pipe.let_go());
    Token half;
    fixture.share.keep_pipe({0}, half.give());
    CHECK(half.let_go());
    Relay relay(fixture.loop);
    fixture.share.connect(relay.keeper.channel);
    settle(fixture.loop);
    CHECK(relay.inbox.mail.size() == 1);
}

TEST_CASE("a released slot leaves no trace in the table") {
    Fixture fixture(1);
    Relay relay(fixture.loop);
    fixture.share.connect(relay.keeper.channel);
    settle(fixture.loop);
    auto table = ConnectionTable::open(std::move(relay.inbox.mail[0].descriptors.at(0))).value();
    Token token;
    fixture.share.take({{1}, true}, token.give(), kNobody);
    table.at({0}).flags = TableEntry::kNotifySent;
    table.at({0}).pipe_to_tls = 3;
    fixture.share.release({0});
    CHECK(table.at({0}).used == 0);
    CHECK(table.at({0}).flags == 0);
    CHECK(table.at({0}).pipe_to_tls == 0);
}
