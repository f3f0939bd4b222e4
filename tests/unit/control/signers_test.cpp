#include "daemon/control/signers.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <optional>

#include "tests/support/captured_stderr.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

using Octets = std::vector<std::uint8_t>;
constexpr auto kScheme = crypto::SignatureScheme::ed25519;
const KeyId kKey{1, 2, 3};
const KeyId kOther{4};

/// keysluiced's end of a channel, which hands what comes to the signers.
struct Engine final : Channel::Owner {
    Engine(Loop& loop, Signers& its_signers, FdPair pair = seqpacket_pair())
        : signers(its_signers), ours(loop, std::move(pair.first), *this), theirs(loop, std::move(pair.second)) {
        signers.joined(ours);
        settle(loop);
    }
    ~Engine() override { leave(); }
    void leave() {
        if (!gone) {
            gone = true;
            signers.left(ours);
        }
    }
    void on_message(Channel& channel, Message message, Descriptors /*descriptors*/) override {
        if (const auto* loaded = std::get_if<SigningKeyLoaded>(&message)) {
            signers.on_message(channel, *loaded);
        } else {
            signers.on_message(channel, std::get<SignatureMade>(std::move(message)));
        }
    }
    void on_closed(Channel& /*channel*/, std::string_view /*why*/) override {}

    /// What it was asked to sign, oldest first.
    [[nodiscard]] std::vector<SignatureWanted> asked() const {
        std::vector<SignatureWanted> found;
        for (const auto& mail : theirs.mail) {
            if (const auto* wanted = std::get_if<SignatureWanted>(&mail.message)) {
                found.push_back(*wanted);
            }
        }
        return found;
    }

    Signers& signers;
    Channel ours;
    Mailbox theirs;
    bool gone = false;
};

struct Fixture {
    Fixture() { signers.use({{.id = kKey, .path = "/gw.key", .owner = "k.toml:4:1: connection hq"}}); }

    void say(Engine& engine, const Message& message) {
        REQUIRE(engine.theirs.channel.send(message));
        settle(loop);
    }
    void load(Engine& engine) { say(engine, SigningKeyLoaded{kKey, "", ""}); }
    void sign(Octets octets = {7}) {
        signers.sign(kKey, kScheme, std::move(octets), [this](Result<Octets> result) {
            results.push_back(result ? std::string(as_text(*result)) : std::string(result.error().reason));
            last = result ? "" : result.error().sentence;
        });
        settle(loop);
    }
    void make(Engine& engine, std::uint32_t token, std::string_view signature) {
        say(engine, SignatureMade{token, {as_bytes(signature).begin(), as_bytes(signature).end()}, "no"});
    }

    CapturedStderr captured;
    Loop loop;
    Signers signers{loop, std::chrono::milliseconds(50)};
    std::vector<std::string> results;
    std::string last;
};

}  // namespace

TEST_SUITE_BEGIN("signers");

TEST_CASE_FIXTURE(Fixture, "an engine is told the keys, and signs what is asked for") {
    Engine engine(loop, signers);
    REQUIRE(engine.theirs.count<SigningKey>() == 1);
    CHECK(engine.theirs.at<SigningKey>(0) == SigningKey{kKey, "/gw.key"});
    load(engine);
    sign();
    REQUIRE(engine.asked().size() == 1);
    const SignatureWanted wanted = engine.asked()[0];
    CHECK(wanted.key == kKey);
    CHECK(wanted.scheme == static_cast<std::uint8_t>(kScheme));
    CHECK(wanted.octets == Octets{7});
    CHECK(results.empty());
    make(engine, wanted.token + 1, "forged");
    CHECK(results.empty());
    make(engine, wanted.token, "signature");
    make(engine, wanted.token, "again");
    CHECK(results == std::vector<std::string>{"signature"});
}

TEST_CASE_FIXTURE(Fixture, "a key that somebody gave to us goes to each engine, and stays ours") {
    const auto file = std::make_shared<const UniqueFd>(memfd_create("key", MFD_CLOEXEC));
    signers.use({{.id = kKey, .path = "of hq", .owner = "hq", .given = file, .of_certificate = kOther}});
    for (int each = 0; each < 2; ++each) {
        Engine engine(loop, signers);
        REQUIRE(engine.theirs.mail.size() == 2);
        CHECK(std::get<SigningKey>(engine.theirs.mail[0].message) == SigningKey{kOther, "of hq"});
        CHECK(engine.theirs.mail[0].descriptors.size() == 1);
    }
    CHECK(fcntl(file->get(), F_GETFD) >= 0);
    Engine engine(loop, signers);
    load(engine);
    signers.on_message(engine.ours, SigningKeyLoaded{kKey, "private-key-mismatch", "another"});
    sign();
    CHECK(engine.asked().empty());  // it has none any more
}

TEST_CASE_FIXTURE(Fixture, "it waits for an engine that has the key") {
    sign();
    Engine engine(loop, signers);
    CHECK(engine.asked().empty());
    say(engine, SigningKeyLoaded{kOther, "", ""});
    CHECK(engine.asked().empty());
    load(engine);
    CHECK(engine.asked().size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "what an engine leaves undone, another one does") {
    Engine first(loop, signers);
    load(first);
    sign();
    REQUIRE(first.asked().size() == 1);
    SUBCASE("that is there") {
        Engine second(loop, signers);
        load(second);
        first.leave();
        settle(loop);
        REQUIRE(second.asked().size() == 1);
        make(second, second.asked()[0].token, "second");
        CHECK(results == std::vector<std::string>{"second"});
    }
    SUBCASE("that comes later") {
        first.leave();
        Engine second(loop, signers);
        load(second);
        REQUIRE(second.asked().size() == 1);
        make(second, second.asked()[0].token, "later");
        CHECK(results == std::vector<std::string>{"later"});
    }
}

TEST_CASE_FIXTURE(Fixture, "engines take turns") {
    Engine first(loop, signers);
    Engine second(loop, signers);
    load(first);
    load(second);
    for (int each = 0; each < 4; ++each) {
        sign();
    }
    CHECK(first.asked().size() == 2);
    CHECK(second.asked().size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "nobody signs in time") {
    SUBCASE("since there is no engine") {
        sign();
        turn_until(loop, [&] { return !results.empty(); });
        CHECK(last.find("none is running") != std::string::npos);
    }
    SUBCASE("since the engine is silent, and its late answer is ignored") {
        Engine engine(loop, signers);
        load(engine);
        sign();
        turn_until(loop, [&] { return !results.empty(); });
        make(engine, engine.asked()[0].token, "late");
        CHECK(last.find("overloaded") != std::string::npos);
    }
    SUBCASE("since the engine can't load the key") {
        Engine engine(loop, signers);
        say(engine, SigningKeyLoaded{kKey, "private-key-unreadable", "/gw.key: no such file"});
        CHECK(captured.text().find("k.toml:4:1: connection hq: an engine can't sign for it: /gw.key: no such file "
                                   "(private-key-unreadable)") != std::string::npos);
        sign();
        turn_until(loop, [&] { return !results.empty(); });
        CHECK(last == "/gw.key: no such file");
    }
    CHECK(results == std::vector<std::string>{"no-engine"});
}

TEST_CASE_FIXTURE(Fixture, "an engine that can't sign says so") {
    Engine engine(loop, signers);
    load(engine);
    sign();
    make(engine, engine.asked()[0].token, "");
    CHECK(results == std::vector<std::string>{"signing-failed"});
    CHECK(last == "no");
}

TEST_CASE_FIXTURE(Fixture, "the queue has an end") {
    for (std::size_t each = 0; each < Signers::kMostWaiting; ++each) {
        signers.sign(kKey, kScheme, {}, [](const Result<Octets>&) {});
    }
    sign();
    CHECK(results == std::vector<std::string>{"signing-busy"});
}

TEST_CASE_FIXTURE(Fixture, "other keys, for the engines that are here as well") {
    Engine engine(loop, signers);
    signers.use({{.id = kOther, .path = "/other.key", .owner = ""}});
    settle(loop);
    REQUIRE(engine.theirs.count<SigningKey>() == 2);
    CHECK(engine.theirs.at<SigningKey>(2).path == "/other.key");
    CHECK(engine.theirs.count<SigningKeysComplete>() == 2);
    CHECK(std::holds_alternative<SigningKeysComplete>(engine.theirs.mail.back().message));
}

TEST_CASE_FIXTURE(Fixture, "a key that is needed no more is one that no engine has") {
    Engine engine(loop, signers);
    load(engine);
    signers.use({});
    signers.use({{.id = kKey, .path = "/gw.key", .owner = ""}});
    sign();
    CHECK(engine.asked().empty());
    load(engine);
    CHECK(engine.asked().size() == 1);
}

TEST_SUITE_END();
