#include "daemon/engine/header_intake.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <concepts>
#include <memory>
#include <optional>
#include <string>

#include "daemon/shared/clock.hpp"
#include "tests/support/plain_end.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

constexpr std::string_view kLine = "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n";

/// An intake on one end of a connection, the test at the other.
struct Intake {
    explicit Intake(PlainPair pair = plain_tcp_pair(), Duration timeout = std::chrono::seconds(60))
        : socket(std::move(pair.relay)), peer(std::move(pair.test)) {
        set_nonblocking(socket.get());
        intake = std::make_unique<HeaderIntake>(loop, socket.get(), proxy::Versions{}, [this](auto its_result) {
            REQUIRE_FALSE(result);
            result = std::move(its_result);
            loop.bury(std::move(intake));
        });
        intake->start(now() + timeout);
    }

    template <std::predicate Condition>
    [[nodiscard]] bool turn_until(Condition condition) {
        const Instant until = now() + std::chrono::seconds(10);
        while (!condition() && now() < until) {
            peer.pump();
            loop.turn(std::chrono::milliseconds(2));
        }
        return condition();
    }
    [[nodiscard]] std::string reason() const { return result && !*result ? std::string(result->error().reason) : ""; }
    /// What is still in the socket, for whoever reads it next.
    [[nodiscard]] std::string rest() const {
        std::array<char, 100> buffer{};
        const ssize_t size = recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
    }

    UniqueFd socket;
    PlainEnd peer;
    Loop loop;
    std::unique_ptr<HeaderIntake> intake;
    std::optional<Result<proxy::Header>> result;
};

}  // namespace

TEST_CASE("a header is taken out of the socket, and nothing behind it") {
    for (const bool local : {false, true}) {
        CAPTURE(local);
        Intake intake(local ? plain_unix_pair() : plain_tcp_pair());
        intake.peer.say(as_bytes(kLine));
        intake.peer.say(as_bytes("early bird"));
        REQUIRE(intake.turn_until([&] { return intake.result.has_value(); }));
        REQUIRE(*intake.result);
        CHECK(std::get<proxy::TcpEnds>((*intake.result)->ends).source.address.text() == "192.0.2.1");
        CHECK(intake.rest() == "early bird");
    }
}

TEST_CASE("a header that comes octet by octet, and the loop sleeps meanwhile") {
    Intake intake;
    for (std::size_t place = 0; place < kLine.size(); ++place) {
        CHECK_FALSE(intake.result);
        intake.peer.say(as_bytes(kLine.substr(place, 1)));
        const std::size_t come = place + 1;
        static_cast<void>(intake.turn_until([&] { return intake.peer.said_all(); }));
        if (come == kLine.size() / 2) {
            int rounds = 0;
            for (const Instant until = now() + std::chrono::milliseconds(100); now() < until; ++rounds) {
                intake.loop.turn(until - now());
            }
            CHECK(rounds < 20);
        }
    }
    REQUIRE(intake.turn_until([&] { return intake.result.has_value(); }));
    CHECK(*intake.result);
    CHECK(intake.rest() == "");
}

TEST_CASE("who sends no header, a malformed one or only a part of it") {
    SUBCASE("a ClientHello") {
        Intake intake;
        intake.peer.say(std::array<std::uint8_t, 6>{22, 3, 1, 1, 0, 1});
        CHECK(intake.turn_until([&] { return intake.result.has_value(); }));
        CHECK(intake.reason() == "proxy-header-missing");
    }
    SUBCASE("a malformed one") {
        Intake intake;
        intake.peer.say(as_bytes("PROXY TCP4 192.0.2.1\r\n"));
        CHECK(intake.turn_until([&] { return intake.result.has_value(); }));
        CHECK(intake.reason() == "proxy-header-malformed");
    }
    SUBCASE("a part, and the end") {
        Intake intake;
        intake.peer.say(as_bytes(kLine.substr(0, 20)));
        intake.peer.say_end();
        CHECK(intake.turn_until([&] { return intake.result.has_value(); }));
        CHECK(intake.reason() == "peer-closed");
    }
    SUBCASE("a part, and nothing more") {
        Intake intake(plain_tcp_pair(), std::chrono::milliseconds(50));
        intake.peer.say(as_bytes(kLine.substr(0, 20)));
        CHECK(intake.turn_until([&] { return intake.result.has_value(); }));
        CHECK(intake.reason() == "handshake-timeout");
    }
}
