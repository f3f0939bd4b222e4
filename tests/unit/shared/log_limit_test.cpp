#include "daemon/shared/log_limit.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace std::chrono_literals;

namespace {

constexpr LogLimit::Verdict kWrite{.write = true, .left_out = 0};
constexpr LogLimit::Verdict kLeaveOut{.write = false, .left_out = 0};
const Instant kStart{5s};

}  // namespace

TEST_CASE("ten failures of a reason are written in a second, and no more") {
    LogLimit limit;
    for (unsigned i = 0; i < LogLimit::kLines; ++i) {
        CHECK(limit.on_failure("not-tls", kStart + i * 1ms) == kWrite);
    }
    CHECK(limit.on_failure("not-tls", kStart + 500ms) == kLeaveOut);
    CHECK(limit.on_failure("not-tls", kStart + 999ms) == kLeaveOut);
}

TEST_CASE("each reason has a second of its own") {
    LogLimit limit;
    for (unsigned i = 0; i < 20; ++i) {
        static_cast<void>(limit.on_failure("not-tls", kStart));
    }
    CHECK(limit.on_failure("plain-http", kStart) == kWrite);
    CHECK(limit.on_failure("not-tls", kStart) == kLeaveOut);
}

TEST_CASE("the next second tells how many were left out, once") {
    LogLimit limit;
    for (unsigned i = 0; i < LogLimit::kLines + 3; ++i) {
        static_cast<void>(limit.on_failure("not-tls", kStart));
    }
    CHECK(limit.on_failure("not-tls", kStart + 1s) == LogLimit::Verdict{.write = true, .left_out = 3});
    CHECK(limit.on_failure("not-tls", kStart + 1s) == kWrite);
    CHECK(limit.on_failure("not-tls", kStart + 3s) == kWrite);
}

TEST_CASE("nothing is told where nothing was left out") {
    LogLimit limit;
    for (unsigned i = 0; i < LogLimit::kLines; ++i) {
        static_cast<void>(limit.on_failure("not-tls", kStart));
    }
    CHECK(limit.on_failure("not-tls", kStart + 2s) == kWrite);
}
