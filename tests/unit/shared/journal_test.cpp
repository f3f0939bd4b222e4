#include "daemon/shared/journal.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <set>
#include <string>

#include "base/unique_fd.hpp"
#include "daemon/shared/notify_address.hpp"

using namespace keysluice;

namespace {

/// In the place of systemd-journald.
class Listener {
   public:
    Listener() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        const auto address = NotifyAddress::parse(path());
        REQUIRE(address);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address->raw), address->length) == 0);
    }

    /// In the abstract namespace.
    [[nodiscard]] static std::string path() { return fmt::format("@keysluice-journal-test-{}", ::getpid()); }
    [[nodiscard]] std::string next() const {
        std::array<char, 4096> datagram{};
        const ssize_t size = ::recv(socket_.get(), datagram.data(), datagram.size(), 0);
        return size < 0 ? "" : std::string(datagram.data(), static_cast<std::size_t>(size));
    }

   private:
    UniqueFd socket_;
};

}  // namespace

TEST_SUITE_BEGIN("journal");

TEST_CASE("each event has an id of its own") {
    std::set<std::string_view> names;
    std::set<std::string_view> ids;
    for (const LogEventName& event : kLogEvents) {
        CHECK(names.insert(event.name).second);
        CHECK(ids.insert(event.message_id).second);
        CHECK(event.message_id.size() == 32);
        CHECK(event.message_id.find_first_not_of("0123456789abcdef") == std::string_view::npos);
    }
    CHECK(describe(LogEvent::configuration_refused).name == "configuration-refused");
    CHECK(describe(LogEvent::ike_established).name == "ike-established");
}

TEST_CASE("a line, with and without its fields") {
    const Listener listener;
    const auto journal = Journal::connect(Listener::path());
    REQUIRE(journal);
    CHECK(journal->send(4, "keysluiced", "something", nullptr));
    CHECK(listener.next() == "MESSAGE=something\nPRIORITY=4\nSYSLOG_IDENTIFIER=keysluiced\n");
    const LogDetails details{.event = LogEvent::refused, .fields = {{"PEER", "192.0.2.1:500"}, {"REASON", "x"}}};
    CHECK(journal->send(6, "keysluiced", "something", &details));
    CHECK(listener.next() ==
          fmt::format("MESSAGE=something\nPRIORITY=6\nSYSLOG_IDENTIFIER=keysluiced\nMESSAGE_ID={}\n"
                      "KEYSLUICE_EVENT=refused\nKEYSLUICE_PEER=192.0.2.1:500\nKEYSLUICE_REASON=x\n",
                      describe(LogEvent::refused).message_id));
}

TEST_CASE("what a peer says makes no field of its own") {
    const Listener listener;
    const auto journal = Journal::connect(Listener::path());
    REQUIRE(journal);
    const LogDetails details{.event = LogEvent::refused, .fields = {{"PEER", "a\nMESSAGE_ID=b"}}};
    CHECK(journal->send(6, "keysluiced", "something", &details));
    CHECK(listener.next().ends_with("KEYSLUICE_PEER=a\\nMESSAGE_ID=b\n"));
}

TEST_CASE("a journal that is not there, is full, or has gone takes nothing and is not waited for") {
    CHECK_FALSE(Journal::connect("/nonexistent/socket"));
    CHECK_FALSE(Journal::connect(std::string(200, 'x')));
    auto listener = std::make_unique<Listener>();
    const auto journal = Journal::connect(Listener::path());
    REQUIRE(journal);
    int taken = 0;
    while (taken < 1'000'000 && journal->send(6, "keysluiced", "something", nullptr)) {
        ++taken;
    }
    CHECK(taken < 1'000'000);
    listener.reset();
    CHECK_FALSE(journal->send(6, "keysluiced", "something", nullptr));
}

TEST_CASE("standard error leads into the journal where the environment names that very file") {
    struct stat file{};
    REQUIRE(::fstat(STDERR_FILENO, &file) == 0);
    REQUIRE(::unsetenv("JOURNAL_STREAM") == 0);
    CHECK_FALSE(leads_into_journal(STDERR_FILENO));
    REQUIRE(::setenv("JOURNAL_STREAM", fmt::format("{}:{}", file.st_dev, file.st_ino).c_str(), 1) == 0);
    CHECK(leads_into_journal(STDERR_FILENO));
    REQUIRE(::setenv("JOURNAL_STREAM", fmt::format("{}:{}", file.st_dev, file.st_ino + 1).c_str(), 1) == 0);
    CHECK_FALSE(leads_into_journal(STDERR_FILENO));
    REQUIRE(::unsetenv("JOURNAL_STREAM") == 0);
    CHECK_FALSE(leads_into_journal(-1));
}

TEST_SUITE_END();
