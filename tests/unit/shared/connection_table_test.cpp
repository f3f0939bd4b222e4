#include "daemon/shared/connection_table.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <utility>

using namespace keysluice;

TEST_CASE("keeper and relay see the same table") {
    auto keeper = ConnectionTable::create(100);
    REQUIRE(keeper);
    CHECK(keeper->entries().size() == 100);
    CHECK(keeper->at({99}).used == 0);
    auto relay = ConnectionTable::open(UniqueFd(::dup(keeper->file())));
    REQUIRE(relay);
    CHECK(relay->entries().size() == 100);
    CHECK(relay->entries().data() != keeper->entries().data());
    relay->at({99}) = {.used = 1, .tls13 = 1, .flags = TableEntry::kNotifySent, .pipe_to_plain = 4, .service = 2};
    CHECK(keeper->at({99}).service == 2);
    CHECK(keeper->at({99}).flags == TableEntry::kNotifySent);
    CHECK(keeper->at({98}).used == 0);
}

TEST_CASE("a table outlives its relay") {
    auto keeper = ConnectionTable::create(1).value();
    {
        auto relay = ConnectionTable::open(UniqueFd(::dup(keeper.file()))).value();
        relay.at({0}).pipe_to_tls = 7;
    }
    auto successor = ConnectionTable::open(UniqueFd(::dup(keeper.file()))).value();
    CHECK(successor.at({0}).pipe_to_tls == 7);
}

TEST_CASE("a table knows which slots it holds") {
    const auto table = ConnectionTable::create(3).value();
    CHECK(table.holds({0}));
    CHECK(table.holds({2}));
    CHECK_FALSE(table.holds({3}));
    CHECK_FALSE(table.holds({0xffffffff}));
    CHECK_FALSE(ConnectionTable().holds({0}));
}

TEST_CASE("a table can be moved") {
    auto table = ConnectionTable::create(1).value();
    table.at({0}).service = 9;
    ConnectionTable moved = std::move(table);
    CHECK(moved.at({0}).service == 9);
    moved = ConnectionTable::create(2).value();
    CHECK(moved.at({0}).service == 0);
    CHECK(moved.entries().size() == 2);
}
