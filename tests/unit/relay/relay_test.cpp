// A relay with a real keeper. Without keys a stream socket serves for the TLS side: its bytes are spliced as they
// are.

#include "daemon/relay/relay.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <list>
#include <memory>
#include <string>

#include "daemon/keeper/keeper.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// The two ends of a connection that keysluice carries, seen from outside.
struct Ends {
    explicit Ends(FdPair tls = stream_pair(), FdPair plain = stream_pair())
        : peer(std::move(tls.first)), application(std::move(plain.first)) {
        sockets = descriptors(std::move(tls.second), std::move(plain.second));
    }
    UniqueFd peer;
    UniqueFd application;
    Descriptors sockets;  ///< what the engine hands over
};

struct Place {
    Place() { start_keeper(); }

    void start_keeper() {
        keeper.reset();
        keeper = Keeper::create(loop, folder.path(), 64, [](std::uint16_t) {}).value();
        engine = call(ProcessKind::engine);
        REQUIRE(call(ProcessKind::control)->channel.send(Engines{1}));
        settle(loop);
    }
    void start_relay() {
        relay.reset();
        bool ready = false;
        relay = std::make_unique<Relay>(loop, folder.path(), 0, [&ready] { ready = true; });
        turn_until(loop, [&ready] { return ready; });
    }
    /// The relay that outlived a keeper has told the next one.
    void await_relay(std::size_t connections) {
        const std::string ready = std::to_string(connections) + " connections of 1 relays";
        turn_until(loop, [&] { return keeper->status().starts_with(ready); });
    }

    std::unique_ptr<Mailbox> call(ProcessKind kind) {
        auto process = std::make_unique<Mailbox>(loop, connect_channel(folder / "keeper.sock").value());
        REQUIRE(process->channel.send(Hello{kind, 0, 1}));
        settle(loop);
        return process;
    }
    void hand_over(Ends& ends, bool again = false) {
        REQUIRE(engine->channel.send(Handover{++tokens, again, {{0}, true}}, std::move(ends.sockets)));
        settle(loop);
    }

    /// What is written at one end arrives at the other.
    void check_flow(const UniqueFd& from, const UniqueFd& to, const std::string& text) {
        REQUIRE(::write(from.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        CHECK(read_all(to, text.size()) == text);
    }
    std::string read_all(const UniqueFd& from, std::size_t size) {
        std::string all;
        turn_until(loop, [&] {
            std::string some(size - all.size(), '\0');
            const ssize_t got = ::read(from.get(), some.data(), some.size());
            all += some.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
            return all.size() == size;
        });
        return all;
    }
    void check_flows(Ends& ends) {
        check_flow(ends.peer, ends.application, "a question");
        check_flow(ends.application, ends.peer, "an answer");
    }

    RuntimeFolder folder;
    Loop loop;
    std::list<std::unique_ptr<Mailbox>> called_control;
    ChannelListener control{
        loop, ChannelListener::bind(folder / "control.sock").value(), [this](UniqueFd accepted) {
            auto& caller = *called_control.emplace_back(std::make_unique<Mailbox>(loop, std::move(accepted)));
            const TlsService shop{.name = "shop"};
            REQUIRE(caller.channel.send(Service{{0}, encode(shop), false}));
            REQUIRE(caller.channel.send(ServicesComplete{}));
        }};
    std::unique_ptr<Keeper> keeper;
    std::unique_ptr<Mailbox> engine;
    std::uint32_t tokens = 0;
    std::unique_ptr<Relay> relay;
};

}  // namespace

TEST_CASE("a relay outlives a keeper, and its successor gets everything from the next one") {
    Place place;
    place.start_relay();
    std::list<Ends> all(40);
    for (Ends& each : all) {
        place.hand_over(each);
        place.check_flows(each);
    }
    CHECK(place.engine->count<Taken>() == all.size());
    // One that ends while no keeper is there: its place is free again.
    place.keeper.reset();
    place.engine.reset();
    all.front().peer.reset();
    all.front().application.reset();
    settle(place.loop);
    all.pop_front();
    place.start_keeper();
    place.await_relay(all.size());
    for (Ends& each : all) {
        place.check_flows(each);
    }
    place.start_relay();
    for (Ends& each : all) {
        place.check_flows(each);
    }
    Ends one_more;
    place.hand_over(one_more);
    place.check_flows(one_more);
}

TEST_CASE("bytes in a pipe outlive a keeper and then the relay") {
    Place place;
    place.start_relay();
    Ends ends;
    const UniqueFd peer = duplicate_fd(ends.peer);
    place.hand_over(ends);
    // The application takes nothing until everything is full, the pipe too.
    std::string sent;
    const std::string block(8192, 'x');
    for (bool moved = true; moved;) {
        moved = false;
        for (ssize_t size = 0; (size = ::write(peer.get(), block.data(), block.size())) > 0; moved = true) {
            sent.append(static_cast<std::size_t>(size), 'x');
        }
        settle(place.loop);
    }
    place.start_keeper();
    place.await_relay(1);
    place.start_relay();
    CHECK(place.read_all(ends.application, sent.size()) == sent);
    place.check_flows(ends);
}

TEST_CASE("what an engine hands over again is taken once, and only by a keeper that knows what its relay holds") {
    Place place;
    place.start_relay();
    Ends known;
    Ends unknown;
    Descriptors copies;
    for (const UniqueFd& socket : known.sockets) {
        copies.push_back(duplicate_fd(socket));
    }
    place.hand_over(known);
    place.start_keeper();
    known.sockets = std::move(copies);
    place.hand_over(known, true);
    place.hand_over(unknown, true);
    place.await_relay(2);
    turn_until(place.loop, [&] { return place.engine->count<Taken>() == 2; });
    place.check_flows(known);
    place.check_flows(unknown);
}
