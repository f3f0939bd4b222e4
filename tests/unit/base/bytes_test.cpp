#include "base/bytes.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace keysluice;

TEST_CASE("Reader reads network byte order and stops at the end") {
    const std::array<std::uint8_t, 5> bytes{0x01, 0x02, 0x03, 0x04, 0x05};
    Reader reader{bytes};
    CHECK(reader.be<std::uint16_t>() == 0x0102);
    CHECK(reader.be<std::uint8_t>() == 0x03);
    CHECK(reader.ok());
    CHECK(reader.rest().size() == 2);
    CHECK_FALSE(reader.finished());

    SUBCASE("the rest is taken to the last byte") {
        CHECK(reader.take(2).size() == 2);
        CHECK(reader.finished());
    }
    SUBCASE("a read past the end fails, gives zero, and stays failed") {
        CHECK(reader.be<std::uint32_t>() == 0);
        CHECK_FALSE(reader.ok());
        CHECK(reader.take(0).empty());
        CHECK_FALSE(reader.ok());
        CHECK_FALSE(reader.finished());
    }
}

TEST_CASE("a length prefix that lies is caught") {
    const std::array<std::uint8_t, 3> bytes{0x00, 0x05, 0xaa};
    Reader reader{bytes};
    CHECK(reader.prefixed<std::uint16_t>().empty());
    CHECK_FALSE(reader.ok());
}

TEST_CASE("Writer and Reader agree") {
    Writer writer;
    writer.be<std::uint64_t>(0x0123456789abcdef).prefixed<std::uint8_t>(as_bytes("sluice")).be<std::uint16_t>(7);
    Reader reader{writer.view()};
    CHECK(reader.be<std::uint64_t>() == 0x0123456789abcdef);
    CHECK(as_text(reader.prefixed<std::uint8_t>()) == "sluice");
    CHECK(reader.be<std::uint16_t>() == 7);
    CHECK(reader.finished());
}
