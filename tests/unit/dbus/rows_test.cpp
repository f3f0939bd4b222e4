#include "dbus/rows.hpp"

#include <doctest/doctest.h>

#include "ike/traffic_selectors.hpp"

using namespace keysluice;
using namespace keysluice::bus;

TEST_SUITE("dbus: rows") {
    TEST_CASE("times: never is 0") {
        CHECK(microseconds(Instant::max()) == 0);
        CHECK(microseconds(Instant{}) == 0);
        CHECK(microseconds(Instant{std::chrono::milliseconds(7)}) == 7000);
    }

    TEST_CASE("refused children, with what the kernel said as UTF-8") {
        const std::vector<control::RefusedChild> refused{
            {.connection = "hq", .child = "net", .why = {"kernel-lacks", "no \xff"}}};
        CHECK(to_rows(refused) == std::vector{RefusedRow{"net", "kernel-lacks", "no \xef\xbf\xbd"}});
    }

    TEST_CASE("counters: seconds become microseconds, and a half that is not there is all zeros") {
        xfrm::SaState in;
        in.packets = 3;
        in.bytes = 300;
        in.soft = {.bytes = 5000, .packets = 50, .seconds = 0};
        in.added_at = 10;
        in.used_at = 20;
        in.outside_window = 1;
        in.replayed = 2;
        in.integrity_failed = 4;
        const std::vector<control::ChildCounters> children{
            {.inbound = ike::EspSpi{7}, .outbound = ike::EspSpi{8}, .in = in, .out = {}}};
        const CountersRows rows = to_rows(children);
        REQUIRE(rows.size() == 1);
        CHECK(std::get<0>(rows[0]) == 7);
        CHECK(std::get<1>(rows[0]) == 8);
        CHECK(std::get<2>(rows[0]) == HalfRow{3, 300, 50, 5000, 10'000'000, 20'000'000});
        CHECK(std::get<3>(rows[0]) == HalfRow{});
        CHECK(std::tuple{std::get<4>(rows[0]), std::get<5>(rows[0]), std::get<6>(rows[0])} == std::tuple{1U, 2U, 4U});
    }

    TEST_CASE("an event") {
        const control::Happening happening{.time = std::chrono::system_clock::time_point(std::chrono::seconds(3)),
                                           .kind = "failed",
                                           .connection = "hq",
                                           .child = "net",
                                           .sa = {7},
                                           .inbound = {8},
                                           .outbound = {9},
                                           .peer = "192.0.2.2:500",
                                           .reason = "auth-failed",
                                           .sentence = "not UTF-8: \xff"};
        const EventRow row = to_row(happening);
        CHECK(std::get<0>(row) == 3'000'000);
        CHECK(std::get<1>(row) == "failed");
        CHECK(std::get<2>(row) + std::get<3>(row) == "hqnet");
        CHECK(std::get<4>(row) == 7);
        CHECK(std::get<5>(row) == 8);
        CHECK(std::get<6>(row) == 9);
        CHECK(std::get<7>(row) == "192.0.2.2:500");
        CHECK(std::get<8>(row) == "auth-failed");
        CHECK(std::get<9>(row) == "not UTF-8: \xef\xbf\xbd");
        CHECK(std::get<10>(row).empty());
    }

    TEST_CASE("the peer's SPI is that of the other role, and its size grows with the children") {
        control::IkeSaView sa;
        sa.initiator_spi = 1;
        sa.responder_spi = 2;
        sa.initiator = true;
        CHECK(peer_spi(sa) == 2);
        sa.initiator = false;
        CHECK(peer_spi(sa) == 1);
        const std::size_t bare = size_on_bus(sa);
        control::ChildView& child = sa.children.emplace_back();
        child.local.assign(100, ike::parse_selector("10.123.123.0/24").value());
        CHECK(size_on_bus(sa) > bare + 100 * 16);
        CHECK(std::get<5>(to_rows(sa.children).front()).size() == 100);
    }
}
