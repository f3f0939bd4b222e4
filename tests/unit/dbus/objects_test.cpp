#include "dbus/objects.hpp"

#include <doctest/doctest.h>

using namespace keysluice::bus;

TEST_SUITE("dbus: objects") {
    TEST_CASE("names as elements of a path") {
        // What sd_bus_path_encode() makes of them.
        CHECK(path_element("hq") == "hq");
        CHECK(path_element("shop.eu-1") == "shop_2eeu_2d1");
        CHECK(path_element("1st") == "_31st");
        CHECK(path_element("a_b") == "a_5fb");
        CHECK(path_element("") == "_");
        CHECK(path_of({0xabc}) == "/org/keysluice1/ikesa/0000000000000abc");
    }
}
