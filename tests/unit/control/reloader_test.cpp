#include "daemon/control/reloader.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "tests/support/captured_stderr.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

struct Fixture {
    test::RuntimeFolder folder;
    test::CapturedStderr log;
    Loop loop;
    std::vector<Configuration> used;
    std::vector<Occasion> occasions;
    std::string file = folder / "k.toml";
    Diagnostics left_out;
    std::vector<std::string> ended;
    Reloader reloader{
        loop, file, "",
        [this](Configuration fresh, Occasion occasion, Reloader::Used then) {
            used.push_back(std::move(fresh));
            occasions.push_back(occasion);
            loop.defer([this, then = std::make_shared<Reloader::Used>(std::move(then))] { (*then)(left_out); });
        },
        [this](const Diagnostics& wrong) { ended.push_back(wrong.empty() ? "" : to_string(wrong.front())); }};

    void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name) << text; }
    void write_connection(const std::string& more) const {
        write("k.toml",
              "[[ike.connection]]\nname = \"hq\"\nlocal = \"192.0.2.1\"\nremote = \"192.0.2.2\"\n"
              "psk = \"file:" +
                  (folder / "psk") + "\"\n" + more + "\n[[ike.connection.child]]\nname = \"net\"\n");
    }
    void await(const std::function<bool()>& done) {
        for (int i = 0; i < 1000 && !done(); ++i) {
            loop.turn(std::chrono::milliseconds(10));
        }
        REQUIRE(done());
    }
};

/// "used", or the first reason code.
std::string word_of(const std::expected<void, Refusal>& outcome) {
    if (outcome) {
        return "used";
    }
    const auto* const wrong = std::get_if<Diagnostics>(&outcome.error());
    return std::string(wrong != nullptr ? wrong->front().reason : std::get<Error>(outcome.error()).reason);
}

}  // namespace

TEST_SUITE_BEGIN("reloader");

TEST_CASE_FIXTURE(Fixture, "a good configuration is complete when it comes") {
    write("psk", "first\n");
    write_connection("");
    reloader.reload();
    await([&] { return used.size() == 1; });
    const ike::Connection& rules = *used[0].ike.connections.at(0).rules;
    const ike::SharedKey* key = rules.keys.find(*ike::parse_identity("192.0.2.2"));
    REQUIRE(key != nullptr);
    CHECK(as_text(key->expose()) == "first");
    write("psk", "second\n");
    reloader.reload();
    reloader.reload();  // one that comes while the file is read leads to another reading
    await([&] { return used.size() == 3; });
    CHECK(as_text(used[2].ike.connections.at(0).rules->keys.find({})->expose()) == "second");
}

TEST_CASE_FIXTURE(Fixture, "what is wrong is said with its place, and nothing is used") {
    write("psk", "key");
    write_connection("liveness = \"-1s\"");
    reloader.reload();
    await([&] { return log.text().find("stays as it was") != std::string::npos; });
    CHECK(log.text().find("k.toml:6:12: liveness") != std::string::npos);
    write_connection("");
    write("psk", "");
    reloader.reload();
    await([&] { return log.text().find("(psk-size)") != std::string::npos; });
    CHECK(log.text().find("k.toml:5:7: psk") != std::string::npos);
    CHECK(used.empty());
}

TEST_CASE_FIXTURE(Fixture, "who asks for it hears what came of a reading that began after that") {
    write("psk", "key");
    write_connection("liveness = \"-1s\"");
    std::vector<std::string> heard;
    const auto hear = [&heard](const std::expected<void, Refusal>& outcome) { heard.push_back(word_of(outcome)); };
    reloader.reload(hear);
    write_connection("");
    reloader.reload(hear);  // the first reading may have seen the one file or the other
    reloader.reload(hear);
    await([&] { return heard.size() == 3; });
    CHECK(heard[1] == "used");
    CHECK(heard[2] == "used");
    CHECK(used.size() == (heard[0] == "used" ? 2 : 1));
    write_connection("liveness = \"-1s\"");
    reloader.reload(hear);
    await([&] { return heard.size() == 4; });
    CHECK(heard[3] == "bad-duration");
}

TEST_CASE_FIXTURE(Fixture, "what could not be used of a good configuration is said, and is what came of it") {
    write("psk", "key");
    write_connection("");
    left_out = {{{"k.toml", 7, 1}, "address-in-use", "service shop stays as it was"}};
    std::vector<std::string> heard;
    reloader.reload([&heard](const std::expected<void, Refusal>& outcome) { heard.push_back(word_of(outcome)); });
    await([&] { return ended.size() == 1; });
    CHECK(used.size() == 1);
    CHECK(heard == std::vector<std::string>{"address-in-use"});
    CHECK(ended.front() == "k.toml:7:1: service shop stays as it was");
    CHECK(log.text().find("k.toml:7:1: service shop stays as it was (address-in-use)") != std::string::npos);
    CHECK(log.text().find("is not used") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a change: it holds through reloads, and a mistake in it leaves everything as it was") {
    write("psk", "key");
    write_connection("");
    const auto text = [&](const std::string& name, const std::string& more = "") {
        return "[[ike.connection]]\nname = \"" + name +
               "\"\nlocal = \"192.0.2.1\"\nremote = \"192.0.2.9\"\npsk = \"file:" + (folder / "psk") + "\"\n" + more +
               "[[ike.connection.child]]\nname = \"net\"\n";
    };
    using Verb = ConnectionChange::Verb;
    std::vector<std::string> heard;
    const auto hear = [&heard](const std::expected<void, Refusal>& outcome) { heard.push_back(word_of(outcome)); };
    const auto names = [&] {
        std::string all;
        for (const IkeConnection& each : used.back().ike.connections) {
            all += each.rules->name + " ";
        }
        return all;
    };
    reloader.change({.verb = Verb::add, .name = {}, .text = text("branch")}, hear);
    reloader.reload();
    reloader.change({.verb = Verb::add, .name = {}, .text = text("kept"), .persist = true}, hear);
    reloader.change({.verb = Verb::add, .name = {}, .text = text("hq")}, hear);
    reloader.change({.verb = Verb::update, .name = "branch", .text = text("branch", "liveness = \"x\"\n")}, hear);
    reloader.change({.verb = Verb::remove, .name = "hq", .text = {}}, hear);
    await([&] { return heard.size() == 5; });
    CHECK(heard == std::vector<std::string>{"used", "used", "duplicate-name", "bad-duration", "not-added"});
    CHECK(occasions == std::vector{Occasion::change, Occasion::reload, Occasion::change});
    CHECK(names() == "hq branch kept ");
    CHECK(log.text().find("stays as it was") == std::string::npos);

    reloader.change({.verb = Verb::remove, .name = "branch", .text = {}}, [&](const auto& outcome) {
        hear(outcome);
        reloader.change({.verb = Verb::remove, .name = "kept", .text = {}}, hear);
    });
    await([&] { return heard.size() == 7; });
    CHECK(names() == "hq ");
    write_connection("liveness = \"x\"");
    reloader.change({.verb = Verb::add, .name = {}, .text = text("later"), .persist = true}, hear);
    await([&] { return heard.size() == 8; });
    CHECK(heard.back() == "bad-duration");
    CHECK(!std::filesystem::exists(folder / "conf.d/bus-later.toml"));
}

TEST_CASE_FIXTURE(Fixture, "a change does not fail for a name that can't be looked up any more") {
    write("psk", "open barley");
    ::chmod((folder / "psk").c_str(), 0600);
    const std::string text =
        "[[ike.connection]]\nname = \"{0}\"\nlocal_id = \"a\"\nremote = \"{1}\"\npsk = \"file:" + (folder / "psk") +
        "\"\n[[ike.connection.child]]\nname = \"net\"\n";
    write("k.toml", fmt::format(fmt::runtime(text), "hq", "nobody.invalid"));
    std::vector<std::string> heard;
    const auto hear = [&heard](const std::expected<void, Refusal>& outcome) { heard.push_back(word_of(outcome)); };
    const ConnectionChange branch{.verb = ConnectionChange::Verb::add,
                                  .name = {},
                                  .text = fmt::format(fmt::runtime(text), "branch", "192.0.2.2")};
    reloader.change(branch, hear);
    await([&] { return heard.size() == 1; });
    CHECK(heard.back() == "host-not-found");

    const IpAddress before = *IpAddress::parse("192.0.2.7");
    Reloader knowing{loop,
                     file,
                     "",
                     [this](Configuration fresh, Occasion, Reloader::Used then) {
                         used.push_back(std::move(fresh));
                         then({});
                     },
                     [](const Diagnostics&) {},
                     {.peers = {{"nobody.invalid", before}}}};
    for (const ConnectionChange& each :
         {branch, ConnectionChange{.verb = ConnectionChange::Verb::remove, .name = "branch", .text = {}}}) {
        heard.clear();
        knowing.change(each, hear);
        await([&] { return heard.size() == 1; });
        CHECK(heard.back() == "used");
        CHECK(used.back().ike.connections.front().rules->remote == before);
    }
}

TEST_SUITE_END();
