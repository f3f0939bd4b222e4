#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::Packet;
using keysluice::ike::testing::TwoEnds;

namespace {

Settings small_datagrams() {
    Settings settings;
    settings.datagram_size = 160;
    return settings;
}

/// Both are up, and the next request of either end has the same message ID. What is put together is not written, so
/// there is no RewrittenEnds here.
struct Level {
    Level() : ends(small_datagrams(), small_datagrams()) {
        ends.configure([](Connection& of_a, Connection& of_z) {
            for (Connection* each : {&of_a, &of_z}) {
                each->children[0].proposals = {*parse_esp_proposal("aes128gcm16-x25519", {})};
            }
        });
        ends.initiate(ends.a);
        ends.settle();
        // Of the IKE SA that replaces this one, neither has asked for anything yet.
        ends.event(ends.a, Rekey{"a-z", {}});
        ends.settle();
        ends.pass(std::chrono::seconds(1));
        ends.check_up();
        REQUIRE(next(ends.z) == next(ends.a));
    }
    [[nodiscard]] static std::uint32_t next(const testing::End& end) { return end.sa()->window.next_request.value; }
    /// What is on the wire, taken from it.
    std::vector<Packet> take() {
        std::vector<Packet> taken(ends.wire.begin(), ends.wire.end());
        ends.wire.clear();
        return taken;
    }
    void put(const std::vector<Packet>& packets) {
        ends.wire.insert(ends.wire.end(), packets.begin(), packets.end());
    }

    struct OfZ {
        std::vector<Packet> request;
        std::vector<Packet> response;
    };
    /// Both rekey the CHILD SA; z has answered, and a has nothing of it yet.
    OfZ messages_of_z() {
        OfZ sent;
        ends.event(ends.a, Rekey{"a-z", "net"});
        const auto request_of_a = take();
        ends.event(ends.z, Rekey{"a-z", "net"});
        sent.request = take();
        put(request_of_a);
        while (!ends.wire.empty() && ends.wire.front().to.address == ends.z.address.address) {
            ends.deliver();
        }
        sent.response = take();
        return sent;
    }

    TwoEnds ends;
};

}  // namespace

TEST_SUITE("exchange: fragments") {
    // RFC 7296 section 2.2: "each endpoint in the IKE Security Association maintains two "current" Message IDs".
    TEST_CASE("a request and a response with one message ID are put together each by itself") {
        Level both;
        TwoEnds& ends = both.ends;
        const auto [request_of_z, response_of_z] = both.messages_of_z();
        REQUIRE(request_of_z.size() > 1);
        REQUIRE(response_of_z.size() > 1);
        // They arrive in turns.
        std::vector<Packet> sent;
        for (std::size_t each = 0; each < std::max(request_of_z.size(), response_of_z.size()); ++each) {
            for (const auto* message : {&request_of_z, &response_of_z}) {
                if (each < message->size()) {
                    const Packet& packet = message->at(each);
                    ends.event(ends.a, DatagramReceived{packet.to, packet.from, packet.bytes});
                    std::ranges::copy(both.take(), std::back_inserter(sent));
                }
            }
        }
        both.put(sent);
        ends.settle();
        // A repetition of z's request is answered as it was, and not taken for another one.
        both.put(request_of_z);
        ends.settle();
        ends.pass(std::chrono::seconds(20));
        CHECK(ends.a.count(Report::Kind::failed) == 0);
        CHECK(ends.z.count(Report::Kind::failed) == 0);
        ends.check_up();
    }

    TEST_CASE("the first fragment of a request whose rest is lost spoils no response") {
        Level both;
        TwoEnds& ends = both.ends;
        const auto [request_of_z, response_of_z] = both.messages_of_z();
        ends.event(ends.a, DatagramReceived{ends.a.address, ends.z.address, request_of_z.front().bytes});
        both.put(response_of_z);
        ends.settle();
        CHECK(ends.a.standing() == 1);
        ends.pass(std::chrono::seconds(20));
        CHECK(ends.a.count(Report::Kind::failed) == 0);
        ends.check_up();
    }
}
