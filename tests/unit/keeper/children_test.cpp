#include "daemon/keeper/children.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "daemon/shared/signals.hpp"
#include "tests/support/captured_stderr.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;
using namespace std::chrono_literals;

namespace {

/// Children that write a line each time they start. What they log is out of sight.
struct Fixture {
    Fixture() {
        sigprocmask(SIG_SETMASK, nullptr, &mask);
        signals =
            std::make_unique<Signals>(loop, std::initializer_list<int>{SIGCHLD}, [this](int) { children->reap(); });
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;
    ~Fixture() {
        children.reset();
        while (::waitpid(-1, nullptr, 0) > 0) {
        }
        signals.reset();
        sigprocmask(SIG_SETMASK, &mask, nullptr);
    }

    /// A program that says that it is there, and goes on with `script`.
    void start(const std::string& name, const std::string& script, bool essential = false) {
        children->start({name, {"/bin/sh", "-c", "echo $$ >> " + folder / name + "; " + script}, essential});
    }
    /// The processes that this program was so far.
    [[nodiscard]] std::vector<pid_t> starts(const std::string& name) const {
        std::ifstream file(folder / name);
        std::vector<pid_t> pids;
        for (pid_t pid = 0; file >> pid;) {
            pids.push_back(pid);
        }
        return pids;
    }
    std::vector<pid_t> wait_for_starts(const std::string& name, std::size_t count) {
        turn_until(loop, [&] { return starts(name).size() >= count; });
        return starts(name);
    }

    RuntimeFolder folder;
    CapturedStderr captured;
    Loop loop;
    sigset_t mask{};
    std::unique_ptr<Children> children = std::make_unique<Children>(loop);
    std::unique_ptr<Signals> signals;
};

constexpr const char* kStay = "exec sleep 1000";

}  // namespace

TEST_CASE("a program that dies early is started again after a pause, each time") {
    Fixture fixture;
    const Instant start = now();
    fixture.start("engine", "exit 3");
    fixture.wait_for_starts("engine", 2);
    CHECK(now() - start >= Children::kPause);
    fixture.wait_for_starts("engine", 3);
    CHECK(now() - start >= 2 * Children::kPause);
    CHECK(fixture.captured.text().find("engine ended with status 3; starting it again") != std::string::npos);
}

TEST_CASE("a program that has lived for a while is started again at once") {
    Fixture fixture;
    fixture.start("engine", kStay);
    const pid_t first = fixture.wait_for_starts("engine", 1).at(0);
    const Instant grown_up = now() + Children::kShortLife;
    turn_until(fixture.loop, [&] { return now() >= grown_up; });
    REQUIRE(::kill(first, SIGKILL) == 0);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(first), &info, WEXITED | WNOWAIT) == 0);
    fixture.children->reap();
    // The loop is not turned: no pause could have ended.
    const Instant patience = now() + 30s;
    while (fixture.starts("engine").size() < 2) {
        REQUIRE(now() < patience);
        ::usleep(1000);
    }
    CHECK(fixture.starts("engine").at(1) != first);
    CHECK(fixture.captured.text().find("engine was killed by signal 9; starting it again") != std::string::npos);
}

TEST_CASE("each program has a pause of its own") {
    Fixture fixture;
    fixture.start("engine", "exit 1");
    fixture.start("relay", "exit 1");
    fixture.wait_for_starts("engine", 3);
    fixture.wait_for_starts("relay", 3);
    // A third one that stays is left alone all the while.
    fixture.start("control", kStay);
    fixture.wait_for_starts("engine", 4);
    CHECK(fixture.wait_for_starts("control", 1).size() == 1);
}

TEST_CASE("a program that can't be started is tried again, and the log says why") {
    Fixture fixture;
    fixture.children->start({"engine", {"/nonexistent/engine"}, false});
    turn_until(fixture.loop, [&] {
        const std::string text = fixture.captured.text();
        const std::string why = "/nonexistent/engine: No such file or directory";
        return text.find(why, text.find(why) + 1) != std::string::npos;
    });
}

TEST_CASE("when an essential program's configuration is wrong everything ends") {
    Fixture fixture;
    fixture.start("engine", kStay);
    fixture.wait_for_starts("engine", 1);
    fixture.start("control", "exit 78", true);
    fixture.loop.run();
    CHECK(fixture.children->status() == 1);
    CHECK(fixture.starts("control").size() == 1);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("a program that is not essential does not end the others with that status") {
    Fixture fixture;
    fixture.start("engine", "exit 78");
    fixture.wait_for_starts("engine", 2);
    CHECK(fixture.children->status() == 0);
}

TEST_CASE("an essential program that fails in another way is started again") {
    Fixture fixture;
    fixture.start("control", "exit 1", true);
    fixture.wait_for_starts("control", 2);
}

TEST_CASE("a successor stands beside its predecessor, which is not started again") {
    Fixture fixture;
    fixture.start("engine", kStay);
    const pid_t old = fixture.wait_for_starts("engine", 1).at(0);
    fixture.children->replace("engine");
    const pid_t fresh = fixture.wait_for_starts("engine", 2).at(1);
    CHECK(::kill(old, 0) == 0);
    REQUIRE(::kill(old, SIGKILL) == 0);
    turn_until(fixture.loop,
               [&] { return fixture.captured.text().find("engine has drained and ended") != std::string::npos; });
    // The one that serves now is watched as before.
    REQUIRE(::kill(fresh, SIGKILL) == 0);
    CHECK(fixture.wait_for_starts("engine", 3).size() == 3);
}

TEST_CASE("only what runs can be replaced") {
    Fixture fixture;
    fixture.children->replace("nobody");
    fixture.start("engine", kStay);
    fixture.wait_for_starts("engine", 1);
    fixture.children->stop();
    fixture.children->replace("engine");
    fixture.loop.run();
    CHECK(fixture.starts("engine").size() == 1);
}

TEST_CASE("stopping asks all of them, and the loop ends with the last one") {
    Fixture fixture;
    fixture.start("engine", "trap 'echo 1 >> " + fixture.folder / "asked" + "; exit 0' INT; echo 1 >> " +
                                fixture.folder / "ready" + "; while :; do sleep 0.01; done");
    fixture.start("relay", kStay);
    fixture.wait_for_starts("ready", 1);
    fixture.wait_for_starts("relay", 1);
    fixture.children->stop();
    fixture.loop.run();
    CHECK(fixture.children->status() == 0);
    CHECK(fixture.starts("asked").size() == 1);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("stopping without children ends at once") {
    Fixture fixture;
    fixture.loop.defer([&] { fixture.children->stop(); });
    fixture.loop.run();
}

TEST_CASE("who does not end when asked is killed") {
    Fixture fixture;
    fixture.start("engine", "trap '' INT; echo 1 >> " + fixture.folder / "deaf" + "; while :; do sleep 0.05; done");
    fixture.wait_for_starts("deaf", 1);
    const pid_t deaf = fixture.starts("engine").at(0);
    const Instant start = now();
    fixture.children->stop();
    fixture.loop.run();
    CHECK(now() - start >= Children::kGrace);
    fixture.children.reset();
    int status = 0;
    REQUIRE(::waitpid(deaf, &status, 0) == deaf);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
}
