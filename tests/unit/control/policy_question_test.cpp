#include "daemon/control/policy_question.hpp"

#include <doctest/doctest.h>

#include "daemon/control/policy_checks.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

std::string asked(const QuestionTexts& texts) {
    const auto question = read_question(texts);
    if (!question) {
        return std::string(question.error().reason);
    }
    std::string all;
    for (const policy::Question& each : question->families) {
        all += (all.empty() ? "" : "; ") + packets_text(each.packets, each.family);
    }
    return all;
}

}  // namespace

TEST_SUITE_BEGIN("questions about policies");

TEST_CASE("what is left out is any, of both families") {
    CHECK(asked({{"direction", "in"}}) ==
          "any, local any port any, remote any port any; any, local any port any, remote any port any");
    CHECK(asked({{"direction", "out"}, {"local_address", "10.0.0.0/8"}}) ==
          "any, local 10.0.0.0-10.255.255.255 port any, remote any port any");
}

TEST_CASE("ports that are left out are those that packets can have") {
    CHECK(asked({{"direction", "in"}, {"protocol", "tcp"}, {"remote_address", "::1"}, {"local_port", "500"}}) ==
          "tcp, local any port 500, remote ::1 port 1-65535");
    CHECK(asked({{"direction", "in"}, {"protocol", "icmp"}, {"remote_address", "1.1.1.1"}, {"local_port", "8"}}) ==
          "icmp type 8 code 0-255, local any, remote 1.1.1.1");
}

TEST_CASE("what no packet can be") {
    CHECK(asked({}) == "bad-question");
    CHECK(asked({{"direction", "both"}}) == "bad-question");
    CHECK(asked({{"direction", "in"}, {"protocol", "300"}}) == "bad-question");
    CHECK(asked({{"direction", "in"}, {"local_address", "::1"}, {"remote_address", "10.0.0.1"}}) == "bad-question");
    CHECK(asked({{"direction", "in"}, {"local_port", "80"}}) == "bad-question");
    CHECK(asked({{"direction", "in"}, {"protocol", "tcp"}, {"local_port", "80-"}}) == "bad-question");
    CHECK(asked({{"direction", "in"}, {"remote_address", "nowhere"}}) == "bad-question");
}

TEST_SUITE_END();
