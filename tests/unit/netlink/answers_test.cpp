#include "netlink/answers.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <vector>

#include "netlink/request.hpp"

using namespace keysluice;
using netlink::Answers;

namespace {

netlink::Request acknowledgement(std::uint32_t sequence, int error) {
    struct {
        int error;
        nlmsghdr request;
    } body{.error = -error,
           .request = {.nlmsg_len = 16, .nlmsg_type = 20, .nlmsg_flags = 0, .nlmsg_seq = sequence, .nlmsg_pid = 0}};
    netlink::Request message{NLMSG_ERROR};
    message.structure(body);
    message.header().nlmsg_flags = NLM_F_CAPPED;
    message.header().nlmsg_seq = sequence;
    return message;
}

netlink::Request reply(std::uint32_t sequence) {
    netlink::Request message{20};
    message.structure(std::uint32_t{0xabcdef01});
    message.header().nlmsg_seq = sequence;
    return message;
}

bool take(Answers& answers, netlink::Request message) {
    return answers.take(message.header(), "requests").has_value();
}

}  // namespace

TEST_CASE("each answer goes to its request, in whatever order they come") {
    Answers answers{100, 3};
    CHECK(take(answers, acknowledgement(102, EEXIST)));
    CHECK(take(answers, reply(100)));
    CHECK(take(answers, acknowledgement(100, 0)));
    CHECK_FALSE(answers.complete());
    CHECK(take(answers, acknowledgement(101, 0)));
    CHECK(answers.complete());
    const auto all = std::move(answers).release();
    REQUIRE(all.size() == 3);
    CHECK(all[0].error == 0);
    CHECK(all[0].reply.size() == 20);
    CHECK(all[1].error == 0);
    CHECK(all[1].reply.empty());
    CHECK(all[2].error == EEXIST);
    CHECK(all[2].ack().error == EEXIST);
}

TEST_CASE("what belongs to others is passed over") {
    Answers answers{100, 1};
    CHECK(take(answers, acknowledgement(99, EPERM)));
    CHECK(take(answers, acknowledgement(101, EPERM)));
    CHECK(take(answers, acknowledgement(0, EPERM)));
    CHECK_FALSE(answers.complete());
}

TEST_CASE("sequence numbers wrap around") {
    Answers answers{0xffffffff, 2};
    CHECK(take(answers, acknowledgement(0, EEXIST)));
    CHECK(take(answers, acknowledgement(0xffffffff, 0)));
    CHECK(answers.complete());
    CHECK(std::move(answers).release()[1].error == EEXIST);
}

TEST_CASE("a second acknowledgement, or half of one, is a failure") {
    Answers answers{100, 2};
    CHECK(take(answers, acknowledgement(100, 0)));
    CHECK_FALSE(take(answers, acknowledgement(100, 0)));
    netlink::Request half{NLMSG_ERROR};
    half.header().nlmsg_seq = 101;
    const auto taken = answers.take(half.header(), "changes");
    REQUIRE_FALSE(taken);
    CHECK(taken.error().reason == "netlink-malformed");
    CHECK(taken.error().sentence.find("the kernel's answer to changes") == 0);
    CHECK_FALSE(answers.complete());
}
