#include "daemon/engine/submitter.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/engine/application.hpp"
#include "daemon/engine/description.hpp"
#include "daemon/shared/enclosures.hpp"

using namespace keysluice;

namespace {

constexpr std::string_view kSubmission = R"({"version":1,"id":"7"})";

/// An application and, at the other end of its channel, a Submitter.
struct Channels : Submitter::Owner {
    Channels() {
        std::array<int, 2> ends{};
        REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
        application.reset(ends[0]);
        submitter = std::make_shared<Submitter>(loop, *this, ServiceId{1}, UniqueFd(ends[1]));
    }
    void on_submitted(Submitter& /*submitter*/, const std::string& id, UniqueFd /*socket*/) override {
        ids.push_back(id);
    }
    void on_ended(Submitter& /*submitter*/, const Error* error) override {
        ended = error == nullptr ? "" : std::string(error->reason);
    }
    void submit() const {
        const UniqueFd any(open("/dev/null", O_RDONLY | O_CLOEXEC));
        REQUIRE(send_packet(application.get(), as_bytes(kSubmission), any.get()));
    }
    void turn() { loop.turn(std::chrono::milliseconds(0)); }

    Loop loop;
    UniqueFd application;
    std::shared_ptr<Submitter> submitter;
    std::vector<std::string> ids;
    std::optional<std::string> ended;
};

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_SUITE_BEGIN("submitter");

TEST_CASE_FIXTURE(Channels, "what is submitted is taken, and answered in the order of the answers") {
    submit();
    turn();
    CHECK(ids == std::vector<std::string>{"7"});
    CHECK(submitter->under_way() == 1);
    CHECK(submitter->answer(describe_refusal("7", {"not-tcp", "no"})));
    CHECK(submitter->under_way() == 0);
    std::array<char, 200> answer{};
    CHECK(recv(application.get(), answer.data(), answer.size(), 0) > 0);
    CHECK(std::string_view(answer.data()).contains("not-tcp"));
}

TEST_CASE_FIXTURE(Channels, "descriptors beside an empty packet do not stay open") {
    const std::size_t before = open_descriptors();
    {
        const UniqueFd any(open("/dev/null", O_RDONLY | O_CLOEXEC));
        REQUIRE(send_packet(application.get(), {}, any.get()));
    }
    turn();
    CHECK(ended == "");
    CHECK(open_descriptors() == before - 1);  // the channel is gone, too
}

TEST_CASE_FIXTURE(Channels,
                  "one that ends in order lets the application read its last answers, whatever it has sent since") {
    submit();
    turn();
    submit();
    submitter->finish();
    CHECK_FALSE(send_packet(application.get(), as_bytes(kSubmission), -1));  // nothing more is taken
    CHECK(submitter->answer(describe_refusal("7", {"not-tcp", "no"})));
    turn();
    CHECK(ids.size() == 1);
    CHECK(ended == "");
    std::array<char, 200> answer{};
    CHECK(recv(application.get(), answer.data(), answer.size(), 0) > 0);
    CHECK(recv(application.get(), answer.data(), answer.size(), 0) == 0);
}

TEST_CASE_FIXTURE(Channels, "what is no submission ends the channel") {
    REQUIRE(send_packet(application.get(), as_bytes(kSubmission), -1));
    turn();
    CHECK(ended == "submission-malformed");
}

TEST_SUITE_END();
