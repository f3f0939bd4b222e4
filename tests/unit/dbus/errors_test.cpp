#include "dbus/errors.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::bus;

TEST_SUITE("dbus: errors") {
    TEST_CASE("each reason that the contract names has its error, and all others are Failed") {
        const auto name = [](std::string_view reason) {
            return std::string(to_bus_error(Error{reason, "x"}).getName());
        };
        CHECK(name("not-found") == "org.keysluice1.Error.NotFound");
        CHECK(name("ike-not-running") == "org.keysluice1.Error.NotRunning");
        CHECK(name("no-route") == "org.keysluice1.Error.NoRoute");
        CHECK(name("too-many-calls") == "org.keysluice1.Error.Busy");
        CHECK(name("not-permitted") == "org.freedesktop.DBus.Error.AccessDenied");
        CHECK(name("password-needed") == "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired");
        CHECK(name("bad-request") == "org.freedesktop.DBus.Error.InvalidArgs");
        CHECK(name("answer-too-large") == "org.freedesktop.DBus.Error.LimitsExceeded");
        CHECK(name("memory-file-failed") == "org.keysluice1.Error.Failed");
    }

    TEST_CASE("the text is the sentence with the code") {
        CHECK(to_bus_error(Error{"no-route", "there is no way"}).getMessage() == "there is no way (no-route)");
    }

    TEST_CASE("of a configuration, every mistake has a line") {
        const control::Diagnostics wrong{{.where = {"k.toml", 3, 7}, .reason = "bad-path", .sentence = "one"},
                                         {.where = {"k.toml", 0, 0}, .reason = "unknown-key", .sentence = "two"}};
        const sdbus::Error error = to_bus_error(wrong);
        CHECK(error.getName() == "org.keysluice1.Error.InvalidConfiguration");
        CHECK(error.getMessage() == "k.toml:3:7: one (bad-path)\nk.toml: two (unknown-key)");
    }

    TEST_CASE("UTF-8 stays, and what is none is replaced octet by octet") {
        CHECK(clean("Käse €, 𝄞") == "Käse €, 𝄞");
        CHECK(clean("") == "");
        const std::string bad = "\xef\xbf\xbd";
        CHECK(clean("a\xff"
                    "b") == "a" + bad + "b");
        CHECK(clean("\xc3") == bad);                                   // cut off
        CHECK(clean("\xc0\xaf") == bad + bad);                         // overlong
        CHECK(clean("\xe0\x9f\xbf") == bad + bad + bad);               // overlong
        CHECK(clean("\xed\xa0\x80") == bad + bad + bad);               // a surrogate
        CHECK(clean("\xf4\x90\x80\x80") == bad + bad + bad + bad);     // beyond U+10FFFF
        CHECK(clean(std::string_view("a\0b", 3)) == "a" + bad + "b");  // would end there
    }
}
