#include "daemon/control/eap_handshakes.hpp"

#include <doctest/doctest.h>

#include <string>

#include "daemon/control/signers.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

const KeyId kKey{1, 2, 3};

/// keysluiced's end of a channel to an engine that has loaded the key.
struct Engine final : Channel::Owner {
    Engine(Loop& its_loop, Signers& its_signers, FdPair pair = seqpacket_pair())
        : loop(its_loop),
          signers(its_signers),
          ours(loop, std::move(pair.first), *this),
          theirs(loop, std::move(pair.second)) {
        signers.joined(ours);
        say(SigningKeyLoaded{kKey, "", ""});
    }
    ~Engine() override { leave(); }
    void leave() {
        if (!gone) {
            gone = true;
            signers.left(ours);
        }
    }
    void say(const Message& message) {
        REQUIRE(theirs.channel.send(message));
        settle(loop);
    }
    void on_message(Channel& channel, Message message, Descriptors /*descriptors*/) override {
        if (const auto* loaded = std::get_if<SigningKeyLoaded>(&message)) {
            signers.on_message(channel, *loaded);
        } else {
            signers.on_message(channel, std::get<TlsTurnAnswered>(std::move(message)));
        }
    }
    void on_closed(Channel& /*channel*/, std::string_view /*why*/) override {}
    /// What it was asked, oldest first.
    [[nodiscard]] std::vector<TlsTurnHeard> asked() const {
        std::vector<TlsTurnHeard> found;
        for (const auto& mail : theirs.mail) {
            if (const auto* turn = std::get_if<TlsTurnHeard>(&mail.message)) {
                found.push_back(*turn);
            }
        }
        return found;
    }
    void answer(std::size_t which, std::string_view records) {
        say(TlsTurnAnswered{.token = asked().at(which).token,
                            .records = {as_bytes(records).begin(), as_bytes(records).end()},
                            .chain = {},
                            .msk = {},
                            .sentence = {}});
    }

    Loop& loop;
    Signers& signers;
    Channel ours;
    Mailbox theirs;
    bool gone = false;
};

struct Fixture {
    Fixture() { signers.use({{.id = kKey, .path = "/gw.key", .owner = "k.toml:4:1: connection hq"}}); }

    void hear(std::uint64_t handshake, bool begins) {
        signers.handshakes().hear({.handshake = handshake, .key = kKey, .begins = begins, .chain = {}, .records = {}},
                                  [this](Result<TlsTurnAnswered> answer) {
                                      results.push_back(answer ? std::string(as_text(answer->records))
                                                               : std::string(answer.error().reason));
                                  });
        settle(loop);
    }

    Loop loop;
    Signers signers{loop, std::chrono::milliseconds(50)};
    std::vector<std::string> results;
};

}  // namespace

TEST_SUITE_BEGIN("EAP handshakes");

TEST_CASE_FIXTURE(Fixture, "a handshake stays with its engine, others go to the next one") {
    Engine first(loop, signers);
    Engine second(loop, signers);
    hear(7, true);
    hear(8, true);
    REQUIRE(first.asked().size() == 1);
    REQUIRE(second.asked().size() == 1);
    first.answer(0, "shown");
    hear(7, false);
    REQUIRE(first.asked().size() == 2);
    CHECK(first.asked()[1].handshake == 7);
    first.answer(1, "finished");
    CHECK(results == std::vector<std::string>{"shown", "finished"});
    first.answer(1, "again");
    CHECK(results.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "it waits for an engine that has the key") {
    hear(7, true);
    Engine engine(loop, signers);
    REQUIRE(engine.asked().size() == 1);
    engine.answer(0, "late");
    CHECK(results == std::vector<std::string>{"late"});
}

TEST_CASE_FIXTURE(Fixture, "where its engine goes, a handshake that has begun is over") {
    Engine first(loop, signers);
    hear(7, true);
    SUBCASE("before anything was said, another one begins it") {
        Engine second(loop, signers);
        first.leave();
        settle(loop);
        REQUIRE(second.asked().size() == 1);
        second.answer(0, "shown");
        CHECK(results == std::vector<std::string>{"shown"});
    }
    SUBCASE("while it is at work") {
        first.answer(0, "shown");
        hear(7, false);
        first.leave();
        settle(loop);
        CHECK(results == std::vector<std::string>{"shown", "eap-tls-gone"});
    }
    SUBCASE("in between") {
        first.answer(0, "shown");
        first.leave();
        Engine second(loop, signers);
        hear(7, false);
        CHECK(second.asked().empty());
        CHECK(results == std::vector<std::string>{"shown", "eap-tls-gone"});
    }
}

TEST_CASE_FIXTURE(Fixture, "an answer of another engine is none") {
    Engine first(loop, signers);
    Engine second(loop, signers);
    hear(7, true);
    second.say(TlsTurnAnswered{.token = first.asked().at(0).token, .records = {'x'}, .chain = {}, .sentence = {}});
    CHECK(results.empty());
}

TEST_CASE_FIXTURE(Fixture, "at its end, it is forgotten") {
    Engine engine(loop, signers);
    hear(7, true);
    SUBCASE("since there is a key") {
        engine.say(TlsTurnAnswered{.token = engine.asked().at(0).token,
                                   .records = {'x'},
                                   .chain = {},
                                   .msk = std::make_shared<const Secret<64>>(std::vector<std::uint8_t>(64, 7)),
                                   .sentence = {}});
        CHECK(results == std::vector<std::string>{"x"});
    }
    SUBCASE("since it failed") {
        engine.say(
            TlsTurnAnswered{.token = engine.asked().at(0).token, .records = {}, .chain = {}, .sentence = "no"});
        CHECK(results == std::vector<std::string>{""});
    }
    SUBCASE("since nobody needs it") {
        signers.handshakes().forget(7);
        settle(loop);
        CHECK(engine.theirs.count<TlsHandshakeOver>() == 1);
        engine.answer(0, "late");
        CHECK(results.empty());
    }
    results.clear();
    hear(7, false);
    CHECK(results == std::vector<std::string>{"eap-tls-gone"});
}

TEST_CASE_FIXTURE(Fixture, "nobody answers in time, or too many wait") {
    SUBCASE("in time") {
        hear(7, true);
        turn_until(loop, [&] { return !results.empty(); });
        CHECK(results == std::vector<std::string>{"no-engine"});
    }
    SUBCASE("too many") {
        for (std::size_t each = 0; each < EapHandshakes::kMostWaiting; ++each) {
            signers.handshakes().hear({.handshake = each, .key = kKey, .begins = true, .chain = {}, .records = {}},
                                      [](const Result<TlsTurnAnswered>&) {});
        }
        hear(5000, true);
        CHECK(results == std::vector<std::string>{"signing-busy"});
    }
}

TEST_SUITE_END();
