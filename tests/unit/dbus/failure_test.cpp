#include "dbus/common/failure.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/reasons.hpp"

using namespace keysluice;
using namespace keysluice::bus;

TEST_SUITE("dbus: failures") {
    TEST_CASE("a failure on the bus has the code of its text, or that of its name") {
        const auto read = [](const char* name, const char* text) {
            const Error error = from_bus_error(make_error(name, text));
            CHECK(find_reason(error.reason) != nullptr);
            return fmt::format("{}: {}", error.reason, error.sentence);
        };
        CHECK(read("org.keysluice1.Error.NoRoute", "there is no way (no-route)") == "no-route: there is no way");
        CHECK(read("org.keysluice1.Error.Failed", "odd (what is this)") == "call-failed: odd (what is this)");
        CHECK(read("org.keysluice1.Error.Failed", "(") == "call-failed: (");
        CHECK(read("org.freedesktop.DBus.Error.AccessDenied", "no") == "not-permitted: no");
        CHECK(read("org.freedesktop.DBus.Error.NoReply", "no") == "call-failed: no");
        const char* mistakes = "a:1:1: one (bad-name)\na:2:1: two (unknown-key)";
        CHECK(from_bus_error(make_error("org.keysluice1.Error.InvalidConfiguration", mistakes)).sentence == mistakes);
    }
}
