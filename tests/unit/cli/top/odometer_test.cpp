#include "cli/top/odometer.hpp"

#include <doctest/doctest.h>

using namespace keysluice::cli;

namespace {

ChildSa child(std::uint32_t spi, std::uint64_t in, std::uint64_t out) {
    return {.spi_in = spi, .counters = ChildCounters{.in = {.bytes = in}, .out = {.bytes = out}}};
}

IkeSa of(std::string connection, std::vector<ChildSa> children) {
    return {.connection = std::move(connection), .children = std::move(children)};
}

}  // namespace

TEST_SUITE("top: odometer") {
    TEST_CASE("what was there at first counts from then on, what is new from 0") {
        Odometer odometer;
        CHECK(odometer.add({of("hq", {child(1, 1000, 500)})}) == Totals{{"hq", 0}});
        CHECK(odometer.add({of("hq", {child(1, 1010, 520)}), of("new", {child(2, 7, 0)})}) ==
              Totals{{"hq", 30}, {"new", 7}});
    }

    TEST_CASE("a rekeyed child goes on") {
        Odometer odometer;
        static_cast<void>(odometer.add({of("hq", {child(1, 1000, 0)})}));
        CHECK(odometer.add({of("hq", {child(1, 1100, 0), child(2, 5, 0)})}) == Totals{{"hq", 105}});
        CHECK(odometer.add({of("hq", {child(2, 25, 0)})}) == Totals{{"hq", 125}});
    }

    TEST_CASE("what is not counted is not there; what comes back goes on") {
        Odometer odometer;
        static_cast<void>(odometer.add({of("hq", {child(1, 0, 0)})}));
        static_cast<void>(odometer.add({of("hq", {child(1, 9, 0)})}));
        CHECK(odometer.add({of("hq", {{.spi_in = 1}})}).empty());
        CHECK(odometer.add({of("hq", {child(1, 11, 0)})}) == Totals{{"hq", 11}});
        CHECK(odometer.add({of("hq", {child(3, 1, 0)})}) == Totals{{"hq", 12}});
    }

    TEST_CASE("what was there before it was counted has carried its bytes at any time") {
        Odometer odometer;
        static_cast<void>(odometer.add({of("hq", {{.spi_in = 1}})}));
        static_cast<void>(odometer.add({of("hq", {{.spi_in = 1}})}));
        CHECK(odometer.add({of("hq", {child(1, 1000, 0)})}) == Totals{{"hq", 0}});
        CHECK(odometer.add({of("hq", {child(1, 1001, 0)})}) == Totals{{"hq", 1}});
    }

    TEST_CASE("two IKE SAs of one connection") {
        Odometer odometer;
        static_cast<void>(odometer.add({of("hq", {child(1, 0, 0)}), of("hq", {child(2, 0, 0)})}));
        CHECK(odometer.add({of("hq", {child(1, 3, 0)}), of("hq", {child(2, 4, 0)})}) == Totals{{"hq", 7}});
    }
}
