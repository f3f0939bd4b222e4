#include "daemon/control/status_server.hpp"

#include <doctest/doctest.h>

#include <future>
#include <list>
#include <string>
#include <vector>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

/// A status server of two engines (pid 1), whose document is their names; in brackets who did not answer.
struct Fixture {
    UniqueFd connect() {
        UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const SocketAddress address = to_socket_address(UnixEndpoint{folder / "status.sock"}).value();
        REQUIRE(::connect(client.get(), address.get(), address.length) == 0);
        return client;
    }
    void answer(std::uint16_t index, std::uint32_t token) {
        server.on_counters({ProcessKind::engine, index, 1}, {.token = token, .counts = {}});
    }
    static std::string render(const std::vector<ProcessCounters>& answers, const std::string& padding) {
        std::string text = "engines:";
        for (const ProcessCounters& process : answers) {
            const std::string index = std::to_string(process.process.index);
            text += process.answered ? " " + index : " (" + index + ")";
        }
        return text + padding;
    }

    RuntimeFolder folder;
    Loop loop;
    std::vector<Hello> processes{{ProcessKind::engine, 0, 1}, {ProcessKind::engine, 1, 1}};
    std::string padding;
    std::shared_future<void> wait;  ///< before a document is written
    std::vector<std::uint32_t> asked;
    StatusServer server{loop, DocumentServer::bind(folder / "status.sock").value(),
                        [this](std::uint32_t token) {
                            asked.push_back(token);
                            return processes;
                        },
                        [this](std::vector<ProcessCounters> all) -> StatusServer::Document {
                            return [all = std::move(all), padding = padding, wait = wait] {
                                if (wait.valid()) {
                                    wait.wait();
                                }
                                return render(all, padding);
                            };
                        }};
};

/// What came so far, and whether that was all.
struct Read {
    explicit Read(const UniqueFd& socket) {
        std::array<char, 4096> chunk{};
        ssize_t size = 0;
        while ((size = ::recv(socket.get(), chunk.data(), chunk.size(), 0)) > 0) {
            text.append(chunk.data(), static_cast<std::size_t>(size));
        }
        ended = size == 0;
    }
    std::string text;
    bool ended = false;
};

/// Everything up to the end.
std::string read_all(Loop& loop, const UniqueFd& socket) {
    std::string text;
    turn_until(loop, [&] {
        const Read read(socket);
        text += read.text;
        return read.ended;
    });
    return text;
}

}  // namespace

TEST_CASE("an answer comes when all processes have answered, and is the last word") {
    Fixture fixture;
    const UniqueFd client = fixture.connect();
    settle(fixture.loop);
    REQUIRE(fixture.asked.size() == 1);
    fixture.answer(0, fixture.asked[0]);
    settle(fixture.loop);
    CHECK_FALSE(Read(client).ended);
    fixture.answer(1, fixture.asked[0]);
    CHECK(read_all(fixture.loop, client) == "engines: 0 1");
}

TEST_CASE("who does not answer in time is named") {
    Fixture fixture;
    const Instant start = now();
    const UniqueFd client = fixture.connect();
    settle(fixture.loop);
    fixture.answer(1, fixture.asked.at(0));
    CHECK(read_all(fixture.loop, client) == "engines: (0) 1");
    CHECK(now() - start >= StatusServer::kPatience);
}

TEST_CASE("without any process the answer comes at once") {
    Fixture fixture;
    fixture.processes.clear();
    const UniqueFd client = fixture.connect();
    CHECK(read_all(fixture.loop, client) == "engines:");
}

TEST_CASE("readers who come while the question is out share its answer; the next one asks anew") {
    Fixture fixture;
    const UniqueFd first = fixture.connect();
    const UniqueFd second = fixture.connect();
    settle(fixture.loop);
    CHECK(fixture.asked.size() == 1);
    fixture.answer(0, fixture.asked[0]);
    fixture.answer(1, fixture.asked[0]);
    CHECK(read_all(fixture.loop, first) == "engines: 0 1");
    CHECK(read_all(fixture.loop, second) == "engines: 0 1");

    const UniqueFd third = fixture.connect();
    settle(fixture.loop);
    REQUIRE(fixture.asked.size() == 2);
    CHECK(fixture.asked[1] != fixture.asked[0]);
    // A late answer to the first question is no answer to the second.
    fixture.answer(0, fixture.asked[0]);
    fixture.answer(1, fixture.asked[1]);
    settle(fixture.loop);
    CHECK_FALSE(Read(third).ended);
    fixture.answer(0, fixture.asked[1]);
    CHECK(read_all(fixture.loop, third) == "engines: 0 1");
}

TEST_CASE("the document is written beside the loop, and who comes meanwhile gets it too") {
    Fixture fixture;
    fixture.processes.clear();
    std::promise<void> wait;
    fixture.wait = wait.get_future().share();
    const UniqueFd first = fixture.connect();
    settle(fixture.loop);  // does not wait
    const UniqueFd second = fixture.connect();
    settle(fixture.loop);
    fixture.answer(0, fixture.asked.at(0));  // late, and no reason for another document
    wait.set_value();
    CHECK(read_all(fixture.loop, first) == "engines:");
    CHECK(read_all(fixture.loop, second) == "engines:");
    CHECK(fixture.asked.size() == 1);
}

TEST_CASE("one process can't answer for another one") {
    Fixture fixture;
    const UniqueFd client = fixture.connect();
    settle(fixture.loop);
    fixture.answer(1, fixture.asked.at(0));
    fixture.answer(1, fixture.asked[0]);
    fixture.answer(7, fixture.asked[0]);
    settle(fixture.loop);
    CHECK_FALSE(Read(client).ended);
    fixture.answer(0, fixture.asked[0]);
    CHECK(read_all(fixture.loop, client) == "engines: 0 1");
}

TEST_CASE("a reader who leaves early disturbs nobody") {
    Fixture fixture;
    UniqueFd first = fixture.connect();
    const UniqueFd second = fixture.connect();
    settle(fixture.loop);
    first.reset();
    settle(fixture.loop);
    fixture.answer(0, fixture.asked.at(0));
    fixture.answer(1, fixture.asked.at(0));
    CHECK(read_all(fixture.loop, second) == "engines: 0 1");
}

TEST_CASE("a document that is longer than the socket's buffer arrives whole") {
    Fixture fixture;
    fixture.processes.clear();
    fixture.padding = std::string(4UL << 20U, '.');
    const UniqueFd client = fixture.connect();
    CHECK(read_all(fixture.loop, client) == "engines:" + fixture.padding);
}

TEST_CASE("counts are asked for without a document, and share the question of one") {
    Fixture fixture;
    std::vector<std::string> counted;
    const auto note = [&](const std::vector<ProcessCounters>& all) { counted.push_back(Fixture::render(all, "")); };
    fixture.server.count(note);
    const UniqueFd client = fixture.connect();
    settle(fixture.loop);
    fixture.server.count(note);
    REQUIRE(fixture.asked.size() == 1);
    fixture.answer(0, fixture.asked[0]);
    CHECK(counted.empty());
    fixture.answer(1, fixture.asked[0]);
    CHECK(counted == std::vector<std::string>{"engines: 0 1", "engines: 0 1"});
    CHECK(read_all(fixture.loop, client) == "engines: 0 1");

    fixture.server.count(note);
    REQUIRE(fixture.asked.size() == 2);
    fixture.answer(0, fixture.asked[1]);
    turn_until(fixture.loop, [&] { return counted.size() == 3; });
    CHECK(counted[2] == "engines: 0 (1)");
    const UniqueFd next = fixture.connect();
    settle(fixture.loop);
    CHECK(fixture.asked.size() == 3);
}

TEST_CASE("who wants counts while a document is written gets new ones") {
    Fixture fixture;
    fixture.processes.clear();
    std::promise<void> wait;
    fixture.wait = wait.get_future().share();
    const UniqueFd client = fixture.connect();
    settle(fixture.loop);
    bool counted = false;
    fixture.server.count([&](const auto& /*all*/) { counted = true; });
    settle(fixture.loop);
    CHECK_FALSE(counted);
    wait.set_value();
    turn_until(fixture.loop, [&] { return counted; });
    CHECK(fixture.asked.size() == 2);
}

TEST_CASE("only so many readers at once") {
    Fixture fixture;
    std::list<UniqueFd> clients;
    for (std::size_t i = 0; i < DocumentServer::kMostReaders; ++i) {
        clients.push_back(fixture.connect());
        settle(fixture.loop);
    }
    const UniqueFd one_too_many = fixture.connect();
    settle(fixture.loop);
    CHECK(Read(one_too_many).ended);
    CHECK(Read(one_too_many).text.empty());
    CHECK_FALSE(Read(clients.back()).ended);
}

TEST_CASE("a path where no status can be served") {
    const auto missing = DocumentServer::bind("/nonexistent/status.sock");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().reason == "status-bind-failed");
    CHECK_FALSE(DocumentServer::bind("/" + std::string(200, 'x')));
}
