#include "daemon/shared/log.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/captured_stderr.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// The log of a program of this name; what other tests see is as before.
struct Log {
    explicit Log(LogLevel level) { open_log("engine 7", level); }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    ~Log() { open_log("keysluice", LogLevel::info); }
    CapturedStderr captured;
};

}  // namespace

TEST_CASE("a line says which process and how grave") {
    const Log log(LogLevel::debug);
    log_error("{} and {}", 1, "two");
    log_warning("w");
    log_info("i");
    log_debug("d");
    CHECK(log.captured.text() ==
          "engine 7: error: 1 and two\nengine 7: warning: w\nengine 7: info: i\nengine 7: debug: d\n");
}

TEST_CASE("only what the level asks for is written") {
    const Log log(LogLevel::warning);
    CHECK(logs(LogLevel::error));
    CHECK(logs(LogLevel::warning));
    CHECK_FALSE(logs(LogLevel::info));
    log_info("no");
    log_warning("yes");
    set_log_level(LogLevel::error);
    log_warning("no");
    CHECK(log.captured.text() == "engine 7: warning: yes\n");
}

TEST_CASE("nothing that a peer sends can forge a line or drive a terminal") {
    const Log log(LogLevel::info);
    log_info("{}", std::string("a\nerror: b\x1b[31m\x7f\t\0z", 19));
    CHECK(log.captured.text() == "engine 7: info: a\\x0aerror: b\\x1b[31m\\x7f\\x09\\x00z\n");
}

TEST_CASE("a failure of a peer is logged with its reason") {
    const Log log(LogLevel::info);
    log_peer_failure("shop: 192.0.2.1:4711", {"only-in-this-test", "it went wrong"});
    CHECK(log.captured.text() == "engine 7: warning: shop: 192.0.2.1:4711: it went wrong (only-in-this-test)\n");
}

TEST_CASE("log levels have names") {
    CHECK(to_string(LogLevel::error) == "error");
    CHECK(to_string(LogLevel::debug) == "debug");
}
