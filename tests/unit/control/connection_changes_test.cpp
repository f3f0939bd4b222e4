#include "daemon/control/connection_changes.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using Verb = ConnectionChange::Verb;

namespace {

std::string connection(const std::string& name) {
    return "[[ike.connection]]\nname = \"" + name + "\"\n[[ike.connection.child]]\nname = \"net\"\n";
}

struct Fixture {
    test::RuntimeFolder folder;
    std::filesystem::path configuration = folder / "keysluice.toml";

    [[nodiscard]] std::expected<Proposal, Refusal> add(const std::string& text, std::optional<bool> persist = {},
                                                       const AddedTexts& now = {}) const {
        return propose(now, configuration, {.verb = Verb::add, .name = {}, .text = text, .persist = persist});
    }
    [[nodiscard]] std::expected<Proposal, Refusal> update(const std::string& name, std::optional<bool> persist = {},
                                                          const AddedTexts& now = {}) const {
        return propose(now, configuration,
                       {.verb = Verb::update, .name = name, .text = connection(name), .persist = persist});
    }
    [[nodiscard]] std::expected<Proposal, Refusal> remove(const std::string& name, const AddedTexts& now = {}) const {
        return propose(now, configuration, {.verb = Verb::remove, .name = name, .text = {}});
    }
    [[nodiscard]] std::string contents(const std::string& name) const {
        std::ifstream file(folder / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

/// "REASON" of an error, "PLACE REASON" of a diagnostic.
std::string word_of(const std::expected<Proposal, Refusal>& proposal) {
    REQUIRE(!proposal);
    if (const auto* const error = std::get_if<Error>(&proposal.error())) {
        return std::string(error->reason);
    }
    const Diagnostic& first = std::get<Diagnostics>(proposal.error()).at(0);
    return to_string(first.where) + " " + std::string(first.reason);
}

}  // namespace

TEST_SUITE("connection changes") {
    TEST_CASE_FIXTURE(Fixture, "for this run: it is read beside what was added before, and no file is written") {
        const auto proposal = add(connection("hq"), false, {{"old", {"x"}}});
        REQUIRE(proposal);
        CHECK(proposal->name == "hq");
        CHECK(proposal->texts == AddedTexts{{"old", {"x"}}, {"hq", {connection("hq")}}});
        const auto texts = proposal->overlay().texts;
        CHECK(texts.size() == 2);
        CHECK(texts.at("bus:old").text == "x");
        CHECK(texts.at("bus:hq").text == connection("hq"));
        REQUIRE(carry_out(*proposal));
        CHECK(!std::filesystem::exists(folder / "conf.d"));
    }

    TEST_CASE_FIXTURE(Fixture, "kept: a file of its own, which is read instead of the text afterwards") {
        const auto proposal = add(connection("hq.eu"), true);
        REQUIRE(proposal);
        CHECK(proposal->texts.empty());
        CHECK(proposal->overlay().texts.contains("bus:hq.eu"));
        REQUIRE(carry_out(*proposal));
        const std::string written = contents("conf.d/bus-hq.eu.toml");
        CHECK(written.starts_with("# Written by keysluiced"));
        CHECK(written.ends_with(connection("hq.eu")));
        CHECK(std::distance(std::filesystem::directory_iterator(folder / "conf.d"), {}) == 1);

        CHECK(word_of(add(connection("hq.eu"))) == "bus:hq.eu:1:1 duplicate-name");
        const auto same = update("hq.eu");
        REQUIRE(same);
        CHECK(same->kept);
        CHECK(same->overlay().without == folder / "conf.d/bus-hq.eu.toml");
        const auto gone = remove("hq.eu");
        REQUIRE(gone);
        CHECK(gone->overlay().texts.empty());
        REQUIRE(carry_out(*gone));
        CHECK(std::filesystem::is_empty(folder / "conf.d"));
    }

    TEST_CASE_FIXTURE(Fixture, "an update may change what becomes of it") {
        const AddedTexts now{{"hq", {connection("hq")}}};
        const auto as_it_was = update("hq", {}, now);
        REQUIRE(as_it_was);
        CHECK(as_it_was->texts == now);
        CHECK(!as_it_was->kept);
        const auto kept = update("hq", true, now);
        REQUIRE(kept);
        CHECK(kept->texts.empty());
        REQUIRE(carry_out(*kept));
        const auto for_this_run = update("hq", false);
        REQUIRE(for_this_run);
        REQUIRE(carry_out(*for_this_run));
        CHECK(for_this_run->texts == now);
        CHECK(contents("conf.d/bus-hq.toml").empty());
    }

    TEST_CASE_FIXTURE(Fixture, "a key that came with it and who has it stay until something else is said") {
        const auto key = std::make_shared<const ike::SharedKey>(as_bytes("swordfish"));
        const auto other = std::make_shared<const ike::SharedKey>(as_bytes("marlin"));
        ConnectionChange change{
            .verb = Verb::add, .name = {}, .text = connection("hq"), .given = {.psk = key}, .owner = ":1.7"};
        const auto added = propose({}, configuration, change);
        REQUIRE(added);
        CHECK(added->texts == AddedTexts{{"hq", {connection("hq"), {.psk = key}, ":1.7"}}});
        CHECK(added->overlay().texts.at("bus:hq").given.psk == key);
        CHECK(update("hq", {}, added->texts)->texts == added->texts);
        change = {.verb = Verb::update, .name = "hq", .text = connection("hq"), .given = {.psk = other}};
        CHECK(propose(added->texts, configuration, change)->texts ==
              AddedTexts{{"hq", {connection("hq"), {.psk = other}, ":1.7"}}});
    }

    TEST_CASE_FIXTURE(Fixture, "what a process before had is its owner's to add again, and nobody else's") {
        const auto unknown = std::make_shared<const ike::SharedKey>(as_bytes("nobody knows"));
        const auto key = std::make_shared<const ike::SharedKey>(as_bytes("swordfish"));
        const AddedTexts now{
            {"hq", {.text = connection("hq"), .given = {.psk = unknown}, .owner = ":1.7", .awaited = true}}};
        ConnectionChange change{
            .verb = Verb::add, .name = {}, .text = connection("hq"), .given = {.psk = key}, .owner = ":1.8"};
        CHECK(word_of(propose(now, configuration, change)) == "bus:hq:1:1 duplicate-name");
        change.owner = "";
        CHECK(word_of(propose(now, configuration, change)) == "bus:hq:1:1 duplicate-name");
        change.owner = ":1.7";
        const auto claimed = propose(now, configuration, change);
        REQUIRE(claimed);
        CHECK(claimed->texts == AddedTexts{{"hq", {connection("hq"), {.psk = key}, ":1.7"}}});
        CHECK(word_of(propose(claimed->texts, configuration, change)) == "bus:hq:1:1 duplicate-name");
        change.given = {};  // a secret that does not come again is none
        CHECK_FALSE(propose(now, configuration, change)->texts.at("hq").given.any());
        CHECK(update("hq", {}, now)->texts == now);
        CHECK(remove("hq", now)->texts.empty());
    }

    TEST_CASE_FIXTURE(Fixture, "and so does a password") {
        const auto password = std::make_shared<const eap::Password>(as_bytes("sesame"));
        const auto key = std::make_shared<const ike::SharedKey>(as_bytes("swordfish"));
        ConnectionChange change{
            .verb = Verb::add, .name = {}, .text = connection("hq"), .given = {.eap_password = password}};
        const auto added = propose({}, configuration, change);
        REQUIRE(added);
        CHECK(added->overlay().texts.at("bus:hq").given == GivenSecrets{.eap_password = password});
        change = {.verb = Verb::update, .name = "hq", .text = connection("hq"), .given = {.psk = key}};
        CHECK(propose(added->texts, configuration, change)->texts.at("hq").given ==
              GivenSecrets{.psk = key, .eap_password = password});
    }

    TEST_CASE_FIXTURE(Fixture, "what is no single connection is refused, with its place") {
        CHECK(word_of(add("")) == "bus:1:1 not-one-connection");
        CHECK(word_of(add(connection("a") + connection("b"))) == "bus:1:1 not-one-connection");
        CHECK(word_of(add(connection("a") + "[daemon]\nbus = \"none\"\n")) == "bus:1:1 not-one-connection");
        CHECK(word_of(add("[ike]\nport = 5\n" + connection("a"))) == "bus:1:1 not-one-connection");
        CHECK(word_of(add("ike = 3")) == "bus:1:1 not-one-connection");
        CHECK(word_of(add("[ike]\nconnection = [3]")) == "bus:1:1 not-one-connection");
        CHECK(word_of(add("[[ike.connection]]\n")) == "bus:1:1 bad-name");
        CHECK(word_of(add("[[ike.connection]]\nname = \"a/../../b\"")) == "bus:2:1 bad-name");
        CHECK(word_of(add("[[ike.connection")) == "bus:1:17 toml-syntax");
        CHECK(word_of(add(std::string(ConnectionChange::kLongestText + 1, ' '))) == "bus file-too-large");
    }

    TEST_CASE_FIXTURE(Fixture, "only what was added is changed or removed, and no path is made of anything else") {
        std::filesystem::create_directory(folder / "conf.d");
        std::ofstream(folder / "conf.d/bus-.toml") << "x";
        for (const std::string name : {"hq", "", "../k", "a/b"}) {
            CHECK(word_of(remove(name)) == "not-added");
        }
        CHECK(word_of(update("hq")) == "not-added");
        CHECK(word_of(propose({{"hq", {"x"}}}, configuration,
                              {.verb = Verb::update, .name = "hq", .text = connection("other")})) ==
              "bus:1:1 bad-name");
    }

    TEST_CASE_FIXTURE(Fixture, "so many for one run") {
        AddedTexts now;
        for (std::size_t i = 0; i < ConnectionChange::kMostOfOneRun; ++i) {
            now.emplace("c" + std::to_string(i), AddedText{"x"});
        }
        CHECK(word_of(add(connection("hq"), {}, now)) == "too-many-added");
        CHECK(add(connection("hq"), true, now));
        CHECK(update("c7", {}, now));
    }

    TEST_CASE_FIXTURE(Fixture, "what can't be written says so, and leaves nothing behind") {
        std::ofstream(folder / "conf.d") << "in the way";
        const auto proposal = add(connection("hq"), true);
        REQUIRE(proposal);
        CHECK(carry_out(*proposal).error().reason == "file-unwritable");
    }
}
