#include "cli/bus_rows.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::cli;

TEST_SUITE("cli: bus rows") {
    TEST_CASE("rows become values; a time of 0 is none") {
        const ChildRow child{"net", "installed", "tunnel", 1U,       2U,     {"a"}, {"b"},
                             "x",   5'000'000U,  "auto",   "crypto", "eth0", "why", bus::Dictionary{}};
        const SaRow row{7U,
                        8U,
                        "hq",
                        true,
                        "established",
                        "l",
                        "r",
                        "li",
                        "ri",
                        "s",
                        std::uint64_t{0},
                        std::uint64_t{0},
                        std::vector{child},
                        bus::Dictionary{}};
        const IkeSa wanted{.spi = 7,
                           .peer_spi = 8,
                           .connection = "hq",
                           .initiator = true,
                           .state = "established",
                           .local = "l",
                           .remote = "r",
                           .local_id = "li",
                           .remote_id = "ri",
                           .suite = "s",
                           .children = {{.name = "net",
                                         .state = "installed",
                                         .mode = "tunnel",
                                         .spi_in = 1,
                                         .spi_out = 2,
                                         .local_ts = {"a"},
                                         .remote_ts = {"b"},
                                         .suite = "x",
                                         .rekey_due = Instant(std::chrono::seconds(5)),
                                         .offload_requested = "auto",
                                         .offload = "crypto",
                                         .offload_device = "eth0",
                                         .offload_reason = "why"}}};
        CHECK(from_row(row) == wanted);
        const bus::Dictionary ways{{"from", sdbus::Variant{std::string("a b")}},
                                   {"to", sdbus::Variant{std::string("c d")}}};
        const EventRow event{1U, "failed", "hq", "net", 2U, 3U, 4U, "peer", "reason", "sentence", ways};
        CHECK(from_row(event) == Event{.time = 1,
                                       .kind = "failed",
                                       .connection = "hq",
                                       .child = "net",
                                       .ike_spi = 2,
                                       .spi_in = 3,
                                       .spi_out = 4,
                                       .peer = "peer",
                                       .reason = "reason",
                                       .sentence = "sentence",
                                       .from = "a b",
                                       .to = "c d"});
    }

    TEST_CASE("counters: the kernel's moments by our clock") {
        const Clocks clocks{.monotonic = Instant(std::chrono::seconds(500)),
                            .real = std::chrono::system_clock::time_point(std::chrono::seconds(2000))};
        const TrafficRow in{12U, 1234U, 0U, 0U, 1'990'000'000U, 1'999'000'000U};
        const TrafficRow out{0U, 0U, 0U, 0U, 0U, 0U};
        const CounterRow row{1U, 2U, in, out, 3U, 4U, 5U, bus::Dictionary{}};
        CHECK(from_row(row, clocks) == ChildCounters{.in = {.packets = 12,
                                                            .bytes = 1234,
                                                            .installed = Instant(std::chrono::seconds(490)),
                                                            .used = Instant(std::chrono::seconds(499))},
                                                     .out = {},
                                                     .outside_window = 3,
                                                     .replayed = 4,
                                                     .broken = 5});
    }

    TEST_CASE("objects' properties, of which some may be missing") {
        const Connection connection =
            connection_from({{"Name", sdbus::Variant{std::string("hq")}},
                             {"Children", sdbus::Variant{std::vector<std::string>{"net"}}}});
        CHECK(connection == Connection{.name = "hq", .children = {"net"}});
        CHECK(service_from({{"Mode", sdbus::Variant{std::string("server")}}}) == TlsService{.mode = "server"});
    }
}
