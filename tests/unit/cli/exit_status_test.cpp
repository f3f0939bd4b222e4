#include "cli/exit_status.hpp"

#include <doctest/doctest.h>

using namespace keysluice::cli;

TEST_SUITE("cli: exit status") {
    TEST_CASE("the numbers are those of keysluice(1), by what failed") {
        const auto number = [](const char* reason) { return static_cast<int>(exit_status_of(reason)); };
        CHECK(number("call-failed") == 1);
        CHECK(number("no-route") == 1);
        CHECK(number("bad-argument") == 2);
        CHECK(number("not-found") == 3);
        CHECK(number("service-not-running") == 4);
        CHECK(number("bus-unreachable") == 4);
        CHECK(number("ike-not-running") == 4);
        CHECK(number("not-permitted") == 5);
        CHECK(number("password-needed") == 5);
        CHECK(static_cast<int>(ExitStatus::incomplete) == 6);
    }
}
