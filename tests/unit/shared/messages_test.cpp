#include "daemon/shared/messages.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace keysluice;

namespace {

constexpr Instant kSince{std::chrono::microseconds(0x0102030405)};

std::shared_ptr<const TrafficSecrets> some_secrets() {
    return std::make_shared<TrafficSecrets>(TrafficSecrets{.receive = Secret<48>(std::array<std::uint8_t, 32>{1, 2}),
                                                           .send = Secret<48>(std::array<std::uint8_t, 32>{3, 4})});
}

std::vector<Message> one_of_each() {
    return {
        Hello{ProcessKind::relay, 258, 0x01020304},
        Listener{"0.0.0.0:443 1"},
        ListenersComplete{},
        ForgetListener{"unix:/run/shop.sock"},
        Handover{0x01020304, true, {{513}, false, false, 0, kSince}, some_secrets()},
        Adopt{{0x0a0b0c0d}, {{514}, false, true, 0xfedcba9876543210, kSince}},
        Attach{{7}},
        Release{{{1}, {2}, {0xffffffff}}},
        Pipe{{65533}},
        Table{},
        Draining{},
        Service{{3}, {1, 2, 3}, true, 0x05060708},
        Tickets{},
        ServicesComplete{},
        ServiceLoaded{{4}, "private-key-mismatch", "they do not belong together", 16, true},
        AskCounters{0xdeadbeef},
        Counters{9, {{{1}, "accepted", 1ULL << 40U}, {{2}, "failed:not-tls", 0}}, true},
        SigningKey{{1, 2, 3}, "/etc/keysluice/gw.key"},
        SigningKeyLoaded{{4, 5}, "private-key-mismatch", "it belongs to another certificate"},
        SignatureWanted{6, {7}, 8, {9, 10}},
        SignatureMade{11, {12, 13}, "no"},
        TlsTurnHeard{14, 15, {16}, true, true, {{17}, {18, 19}}, {20}},
        TlsTurnAnswered{
            21, {22}, {{23}}, std::make_shared<const Secret<64>>(std::vector<std::uint8_t>(64, 24)), "no"},
        TlsHandshakeOver{26},
        Engines{256},
        Taken{{1, 0xffffffff}},
        AskHeld{},
        HeldComplete{},
        SigningKeysComplete{},
        AskSessions{1, {2}, 3, {{4}, {5}}},
        Sessions{
            6, true, {{{7}, {8}, kSince, true, "a suite", "192.0.2.1:443", "[2001:db8::1]:4711", "", "offload-off"}}},
        EndSessions{9, {10}, {11}},
        SessionsEnded{12, 13},
        CloseService{{14}},
        Failures{{{{15}, "192.0.2.1:4711", "not-tls", "that is no TLS"}}},
        LoadService{17, {18}, {19, 20}},
        ForgetService{{0xfedcba9876543210}},
        CountLimits{},
        TicketReceived{{21}, {22, 23}}};
}

void refused(Bytes packet) {
    const auto message = decode(packet);
    REQUIRE_FALSE(message);
    CHECK(message.error().reason == "message-malformed");
    CHECK_FALSE(message.error().sentence.empty());
}

std::vector<std::uint8_t> bytes(std::initializer_list<int> values) {
    std::vector<std::uint8_t> packet;
    for (const int value : values) {
        packet.push_back(static_cast<std::uint8_t>(value));
    }
    return packet;
}

}  // namespace

TEST_CASE("each message survives its encoding") {
    const std::vector<Message> messages = one_of_each();
    REQUIRE(messages.size() == std::variant_size_v<Message>);
    std::set<std::uint8_t> kinds;
    for (const Message& message : messages) {
        const auto packet = encode(message);
        CAPTURE(packet[1]);
        CHECK(packet[0] == 1);
        kinds.insert(packet[1]);
        const auto decoded = decode(packet);
        REQUIRE(decoded);
        CHECK(*decoded == message);
    }
    CHECK(kinds.size() == messages.size());
}

TEST_CASE("a handover's secrets are both of one hash's size, or there are none") {
    const auto with = [](std::size_t size) {
        std::vector<std::uint8_t> packet = encode(Handover{3, true, {{6}, false}});
        packet.back() = static_cast<std::uint8_t>(size);
        packet.resize(packet.size() + size, 9);
        return packet;
    };
    for (const std::size_t size : {32UL, 48UL}) {
        const auto decoded = decode(with(2 * size));
        REQUIRE(decoded);
        const auto& handover = std::get<Handover>(*decoded);
        REQUIRE(handover.secrets);
        CHECK(handover.secrets->receive.size() == size);
        CHECK(handover.secrets->send.size() == size);
        CHECK(encode(*decoded) == with(2 * size));
        CHECK_FALSE(handover == Handover{3, true, {{6}, false}});
    }
    for (const std::size_t size : {1UL, 32UL, 63UL, 65UL, 80UL, 95UL, 97UL, 128UL}) {
        CAPTURE(size);
        refused(with(size));
    }
}

TEST_CASE("the bytes on the wire stay as they are") {
    CHECK(encode(Hello{ProcessKind::engine, 2, 0x01020304}) == bytes({1, 0, 1, 0, 2, 1, 2, 3, 4}));
    CHECK(encode(Listener{"ab"}) == bytes({1, 1, 2, 'a', 'b'}));
    CHECK(encode(Handover{3, true, {{6}, false}}) == bytes({1, 4, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0,
                                                            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    CHECK(encode(Adopt{{5}, {{6}, true, true, 7, kSince}}) ==
          bytes({1, 5, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 1, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 2, 3, 4, 5}));
    CHECK(encode(Release{{{3}}}) == bytes({1, 7, 0, 1, 0, 0, 0, 3}));
    CHECK(encode(Service{{1}, {9}, false}) == bytes({1, 11, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 9, 0, 0, 0, 0, 0}));
}

TEST_CASE("a message that ends too early or goes on is refused, at every length") {
    for (const Message& message : one_of_each()) {
        auto packet = encode(message);
        for (std::size_t size = 0; size < packet.size(); ++size) {
            CAPTURE(packet[1]);
            CAPTURE(size);
            refused(Bytes(packet).first(size));
        }
        packet.push_back(0);
        refused(packet);
    }
}

TEST_CASE("what no sender of this version writes is refused") {
    refused(bytes({2, 2}));                          // another format
    refused(bytes({1, 24}));                         // a kind behind the last one
    refused(bytes({1, 255}));                        //
    refused(bytes({1, 0, 3, 0, 2, 1, 2, 3, 4}));     // a fourth kind of process
    refused(bytes({1, 1, 0}));                       // a listener without a name
    refused(bytes({1, 3, 0}));                       //
    refused(bytes({1, 4, 0, 0, 0, 1, 2, 0, 1, 1}));  // a flag that is neither 0 nor 1
    refused(bytes({1, 11, 0, 1, 0, 0, 2}));          //
    const auto mixed = decode(bytes({2, 2}));
    CHECK(mixed.error().sentence.find("are all programs of one version?") != std::string::npos);
}

TEST_CASE("a list is no longer than one packet holds") {
    Release most{std::vector<Slot>(kMaximumListed)};
    CHECK(decode(encode(most)).value() == Message(most));
    most.slots.push_back({1});
    refused(encode(most));

    Counters counted{1, std::vector<Count>(kMaximumListed, Count{{1}, "a", 1})};
    CHECK(decode(encode(counted)).value() == Message(counted));
    counted.counts.push_back({{1}, "a", 1});
    refused(encode(counted));

    Taken taken{std::vector<std::uint32_t>(kMaximumListed)};
    CHECK(decode(encode(taken)).value() == Message(taken));
    taken.tokens.push_back(1);
    refused(encode(taken));
}

TEST_CASE("nothing is signed that is longer than IKE needs") {
    SignatureWanted most{1, {}, 2, std::vector<std::uint8_t>(kMostToSign)};
    CHECK(decode(encode(most)).value() == Message(most));
    most.octets.push_back(0);
    refused(encode(most));

    SignatureMade longest{1, std::vector<std::uint8_t>(kLongestSignature), {}};
    CHECK(decode(encode(longest)).value() == Message(longest));
    longest.signature.push_back(0);
    refused(encode(longest));

    refused(encode(SigningKey{{}, ""}));

    const TlsTurnHeard longest_turn{
        1, 2, {}, false, false, {std::vector<std::uint8_t>(kMostTlsTurn)}, std::vector<std::uint8_t>(kMostTlsTurn)};
    CHECK(decode(encode(longest_turn)).value() == Message(longest_turn));
    TlsTurnHeard turn = longest_turn;
    turn.records.push_back(0);
    refused(encode(turn));
    turn = longest_turn;
    turn.chain.push_back({1});
    refused(encode(turn));
    turn.chain.assign(kMostTlsCertificates + 1, {1});
    refused(encode(turn));
    const TlsTurnAnswered nothing{25, {}, {}, nullptr, ""};
    CHECK(decode(encode(nothing)).value() == Message(nothing));
    TlsTurnAnswered answered{1, std::vector<std::uint8_t>(kMostTlsTurn + 1), {}, nullptr, ""};
    refused(encode(answered));
    answered.records.clear();
    answered.msk = std::make_shared<const Secret<64>>(std::vector<std::uint8_t>(32));
    refused(encode(answered));
}

TEST_CASE("long texts are cut where the format's limits are") {
    const std::string text(5000, 'x');
    CHECK(std::get<Listener>(decode(encode(Listener{text})).value()).name == text.substr(0, 255));
    const auto loaded = std::get<ServiceLoaded>(decode(encode(ServiceLoaded{{1}, text, text})).value());
    CHECK(loaded.reason.size() == 255);
    CHECK(loaded.sentence.size() == 4096);
    const auto counters = std::get<Counters>(decode(encode(Counters{1, {{{1}, text, 2}}})).value());
    CHECK(counters.counts.at(0).name.size() == 255);

    // A sentence that encode() would have cut comes from somebody else.
    Writer long_one;
    long_one.be(std::uint8_t{1}).be(std::uint8_t{13}).be(std::uint64_t{1}).be(std::uint32_t{0}).be(std::uint8_t{0});
    long_one.prefixed<std::uint8_t>(as_bytes("a")).prefixed<std::uint16_t>(as_bytes(text));
    refused(long_one.view());
}

TEST_CASE("a service's number is that of its name, in every release") {
    // FNV-1a as its authors publish it.
    CHECK(service_id("").value == 0xcbf29ce484222325);
    CHECK(service_id("a").value == 0xaf63dc4c8601ec8c);
    CHECK(service_id("foobar").value == 0x85944171f73967e8);
}

TEST_CASE("processes have names") {
    CHECK(name_of(ProcessKind::control) == "control");
    CHECK(name_of(ProcessKind::engine) == "engine");
    CHECK(name_of(ProcessKind::relay) == "relay");
}
