#include "dbus/requests.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::bus;

namespace {

sdbus::Variant text(const char* value) {
    return sdbus::Variant{std::string(value)};
}

}  // namespace

TEST_SUITE("dbus: requests") {
    TEST_CASE("options") {
        const auto none = read_options({}, Knows::child);
        REQUIRE(none);
        CHECK(none->child.empty());
        CHECK_FALSE(none->interactive);
        const auto both = read_options({{"child", text("net")}, {"interactive", sdbus::Variant{true}}}, Knows::child);
        REQUIRE(both);
        CHECK(both->child == "net");
        CHECK(both->interactive);
        const auto persist = read_options({{"persist", sdbus::Variant{false}}}, Knows::persist);
        REQUIRE(persist);
        CHECK(persist->persist == false);
        CHECK(!persist->interactive);
        CHECK(read_options({{"persist", sdbus::Variant{true}}}, Knows::child).error().sentence ==
              "there is no option \"persist\": expected interactive, child");
        CHECK(read_options({{"child", text("net")}}, Knows::no_other).error().reason == "bad-request");
        CHECK(read_options({{"interactive", text("yes")}}, Knows::child).error().sentence ==
              "option interactive: expected a boolean (b)");
        CHECK(read_options({{"chld", text("net")}}, Knows::child).error().sentence ==
              "there is no option \"chld\": expected interactive, child");
    }

    TEST_CASE("filters") {
        const auto filter = read_filter({{"group", text("branch")}, {"remote_id", text("gw2.example")}});
        REQUIRE(filter);
        CHECK_FALSE(filter->connection);
        CHECK(filter->group == "branch");
        CHECK(filter->remote_id == "gw2.example");
        CHECK(read_filter({{"connection", sdbus::Variant{std::uint32_t{7}}}}).error().reason == "bad-request");
        CHECK(read_filter({{"state", text("x")}}).error().reason == "bad-request");
    }

    TEST_CASE("a filter of TLS sessions") {
        const auto filter = read_tls_filter({{"service", text("shop")}});
        REQUIRE(filter);
        CHECK(filter->service == "shop");
        CHECK_FALSE(filter->group);
        CHECK(read_tls_filter({{"connection", text("x")}}).error().sentence.ends_with("expected service, group"));
    }

    TEST_CASE("a cursor is what was returned, and nothing else") {
        CHECK(read_cursor("") == 0);
        CHECK(write_cursor(std::optional<ike::IkeSpi>()).empty());
        const ike::IkeSpi spi{0x0123456789abcdef};
        CHECK(read_cursor(write_cursor(std::optional(spi))) == spi.value);
        for (const char* wrong :
             {"7", "0x23456789abcdef", "0123456789abcdeg", "0123456789abcdef0", "-123456789abcdef"}) {
            CAPTURE(wrong);
            CHECK(read_cursor(wrong).error().reason == "bad-request");
        }
    }
}
