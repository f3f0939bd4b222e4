#include "cli/time_line.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

using namespace keysluice::cli;

namespace {

struct Told {
    std::string text;
    TimeLine line;

    explicit Told(TimeLine::Form form = TimeLine::Form::text, bool colours = false)
        : line(form, Style(colours), [this](std::string_view piece) { text += piece; }) {
        setenv("TZ", "UTC", 1);  // NOLINT(concurrency-mt-unsafe)
        tzset();
    }
    /// What was told since the last time.
    std::string taken() { return std::exchange(text, {}); }
};

Event established() {
    return {.time = 1'763'764'407'123'456,
            .kind = "ike-established",
            .connection = "hq",
            .ike_spi = 0x1122334455667788,
            .peer = "198.51.100.7:500"};
}

}  // namespace

TEST_SUITE("cli: time line") {
    TEST_CASE("an event is a line, in local time") {
        Told told;
        told.line.happened(7, {established(),
                               {.time = 1'763'764'407'999'999,
                                .kind = "child-closed",
                                .connection = "hq",
                                .child = "net",
                                .ike_spi = 1,
                                .spi_in = 2,
                                .spi_out = 0xc3,
                                .peer = "[2001:db8::7]:4500"},
                               {.kind = "refused",
                                .peer = "192.0.2.9:500",
                                .reason = "no-proposal-chosen",
                                .sentence = "peer offers…"}});
        CHECK(told.text ==
              "2025-11-21 22:33:27.123 ike-established   hq 198.51.100.7:500, IKE 1122334455667788\n"
              "2025-11-21 22:33:27.999 child-closed      hq/net [2001:db8::7]:4500, in 00000002, out 000000c3\n"
              "1970-01-01 00:00:00.000 refused           192.0.2.9:500: peer offers… (no-proposal-chosen)\n");
    }

    TEST_CASE("as documents") {
        Told told(TimeLine::Form::json);
        told.line.service_is(true);
        told.line.happened(0, {established()});
        told.line.happened(4, {});
        CHECK(
            told.text ==
            "{\"version\":1,\"running\":true}\n"
            R"({"version":1,"event":{"time":1763764407123456,"kind":"ike-established","connection":"hq","child":"",)"
            R"("ike_spi":"1122334455667788","spi_in":"00000000","spi_out":"00000000","peer":"198.51.100.7:500",)"
            "\"reason\":\"\",\"sentence\":\"\"}}\n"
            "{\"version\":1,\"lost\":3}\n");
    }

    TEST_CASE("a gap is told, and none where the numbers go on") {
        Told told;
        told.line.service_is(true);
        told.line.happened(100, {});  // of what was before, nobody asked
        told.line.happened(100, {});
        CHECK(told.taken() == "-- keysluiced runs\n");
        told.line.happened(103, {established()});
        CHECK(told.taken().starts_with("-- 3 events not told: too many at once; keysluice list says what is\n2025-"));
        told.line.happened(104, {});
        CHECK(told.taken().empty());
    }

    TEST_CASE("the service goes and comes, and counts from 0 again") {
        Told told;
        told.line.service_is(false);
        told.line.service_is(true);
        told.line.happened(50, {});
        CHECK(told.taken() ==
              "-- keysluiced does not run; waiting for it\n-- keysluiced is back\n"
              "-- 50 events not told: too many at once; keysluice list says what is\n");
        told.line.service_is(false);
        told.line.service_is(true);
        told.line.happened(0, {});
        CHECK(told.taken() == "-- keysluiced has gone; waiting for it\n-- keysluiced is back\n");
    }

    TEST_CASE("a peer can't add a line, nor colours") {
        Told told;
        Event event = established();
        event.sentence = "it is\n2025-11-21 22:33:27.123 ike-established \x1b[32m";
        told.line.happened(0, {event});
        CHECK(told.text.find('\n') == told.text.size() - 1);
        CHECK(told.text.find('\x1b') == std::string::npos);
        Told coloured(TimeLine::Form::text, true);
        coloured.line.happened(0, {established()});
        CHECK(coloured.text.find("\x1b[32mike-established\x1b[0m   \x1b[1mhq\x1b[0m") != std::string::npos);
    }
}
