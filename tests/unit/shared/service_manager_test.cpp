#include "daemon/shared/service_manager.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// A service manager's end of $NOTIFY_SOCKET. A name that begins with '@' is in the abstract namespace.
class FakeManager {
   public:
    explicit FakeManager(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(&address.sun_path, name.data(), name.size());
        if (name.front() == '@') {
            address.sun_path[0] = '\0';
        }
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                       static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
    }

    /// What came since the last time, one datagram each.
    [[nodiscard]] std::vector<std::string> heard() const {
        std::vector<std::string> all;
        std::array<char, 4096> datagram{};
        ssize_t size = 0;
        while ((size = ::recv(socket_.get(), datagram.data(), datagram.size(), 0)) > 0) {
            all.emplace_back(datagram.data(), static_cast<std::size_t>(size));
        }
        return all;
    }

   private:
    UniqueFd socket_;
};

using Lines = std::vector<std::string>;

struct Fixture {
    explicit Fixture(Duration watchdog = {}) : manager(loop, {folder / "notify", watchdog}) {
        manager.show([this] { return condition; });
    }

    RuntimeFolder folder;
    FakeManager fake{folder / "notify"};
    Loop loop;
    std::string condition = "2 connections";
    ServiceManager manager;
};

/// An environment variable while this object lives.
struct Variable {
    Variable(const char* its_name, const std::string& value) : name(its_name) { ::setenv(name, value.c_str(), 1); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { ::unsetenv(name); }
    const char* name;
};

}  // namespace

TEST_CASE("a service that starts has a status, and is ready when it says so") {
    Fixture fixture;
    fixture.condition = "waiting for keysluiced";
    fixture.loop.turn(Duration::zero());
    CHECK(fixture.fake.heard() == Lines{"STATUS=waiting for keysluiced\n"});
    fixture.condition = "2 connections";
    fixture.manager.ready();
    CHECK(fixture.fake.heard() == Lines{"READY=1\nSTATUS=2 connections\n"});
}

TEST_CASE("a status that has not changed is not said again") {
    Fixture fixture;
    fixture.manager.ready();
    CHECK(fixture.fake.heard() == Lines{"READY=1\nSTATUS=2 connections\n"});
    fixture.manager.stopping();
    CHECK(fixture.fake.heard() == Lines{"STOPPING=1\n"});
}

TEST_CASE("a reload has a beginning, with its time, and an end") {
    Fixture fixture;
    fixture.manager.ready();
    static_cast<void>(fixture.fake.heard());
    const auto before = std::chrono::floor<std::chrono::microseconds>(now().time_since_epoch()).count();
    fixture.manager.reloading();
    const Lines heard = fixture.fake.heard();
    REQUIRE(heard.size() == 1);
    const std::string_view expected = "RELOADING=1\nMONOTONIC_USEC=";
    REQUIRE(heard[0].starts_with(expected));
    CHECK(std::stoll(heard[0].substr(expected.size())) >= before);
    fixture.condition = "3 connections";
    fixture.manager.ready();
    CHECK(fixture.fake.heard() == Lines{"READY=1\nSTATUS=3 connections\n"});
}

TEST_CASE("the watchdog hears from the loop, twice in its time") {
    Fixture fixture(std::chrono::milliseconds(2));
    fixture.manager.ready();
    CHECK(fixture.fake.heard() == Lines{"READY=1\nSTATUS=2 connections\nWATCHDOG=1\n"});
    for (int i = 0; i < 3; ++i) {
        Lines heard;
        turn_until(fixture.loop, [&] { return !(heard = fixture.fake.heard()).empty(); });
        CHECK(heard.front() == "WATCHDOG=1\n");
    }
}

TEST_CASE("nothing is lost to a service manager that does not read, and nobody waits for it") {
    Fixture fixture;
    // The kernel's queue of a datagram socket has room for net.unix.max_dgram_qlen, some hundred at most here.
    for (int i = 0; i < 2000; ++i) {
        fixture.manager.reloading();
    }
    fixture.manager.ready();
    std::string all;
    turn_until(fixture.loop, [&] {
        for (const std::string& datagram : fixture.fake.heard()) {
            all += datagram;
        }
        return all.find("READY=1\n") != std::string::npos;
    });
}

TEST_CASE("a name in the abstract namespace") {
    const std::string name = "@keysluice-test-" + std::to_string(getpid());
    const FakeManager fake(name);
    Loop loop;
    ServiceManager manager(loop, {name, {}});
    manager.ready();
    CHECK(fake.heard() == Lines{"READY=1\n"});
}

TEST_CASE("who is no longer the service says nothing more") {
    Fixture fixture;
    settle(fixture.loop);
    CHECK(fixture.manager.listens());
    static_cast<void>(fixture.fake.heard());
    fixture.manager.leave();
    CHECK_FALSE(fixture.manager.listens());
    fixture.condition = "another one";
    fixture.manager.stopping();
    settle(fixture.loop);
    CHECK(fixture.fake.heard().empty());
}

TEST_CASE("without a service manager nobody is asked for the status") {
    Loop loop;
    int asked = 0;
    ServiceManager manager(loop, {});
    manager.show([&asked] {
        ++asked;
        return std::string();
    });
    manager.ready();
    manager.stopping();
    settle(loop);
    CHECK(asked == 0);
}

TEST_CASE("the environment says where the service manager is, and for whom its watchdog is") {
    CHECK(ManagerContact::from_environment().socket.empty());
    const Variable socket("NOTIFY_SOCKET", "/run/notify");
    const Variable silence("WATCHDOG_USEC", "30000000");
    CHECK(ManagerContact::from_environment().socket == "/run/notify");
    CHECK(ManagerContact::from_environment().watchdog == std::chrono::seconds(30));
    {
        const Variable ours("WATCHDOG_PID", std::to_string(getpid()));
        CHECK(ManagerContact::from_environment().watchdog == std::chrono::seconds(30));
    }
    const Variable another("WATCHDOG_PID", std::to_string(getppid()));
    CHECK(ManagerContact::from_environment().watchdog == Duration::zero());
    const Variable nonsense("WATCHDOG_USEC", "soon");
    CHECK(ManagerContact::from_environment().watchdog == Duration::zero());
}
