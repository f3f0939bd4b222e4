#include "dbus/dump_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

using namespace keysluice;
using namespace keysluice::bus;

TEST_SUITE("dbus: dump file") {
    TEST_CASE("what is written comes out, from the beginning, and nobody adds to it") {
        auto file = DumpFile::create();
        REQUIRE(file);
        REQUIRE(file->append("one\n"));
        REQUIRE(file->append(""));
        REQUIRE(file->append("two\n"));
        const auto sealed = std::move(*file).seal();
        REQUIRE(sealed);
        std::array<char, 64> text{};
        CHECK(::read(sealed->get(), text.data(), text.size()) == 8);
        CHECK(std::string(text.data()) == "one\ntwo\n");
        CHECK(::write(sealed->get(), "x", 1) == -1);
        CHECK(::ftruncate(sealed->get(), 0) == -1);
        CHECK(fcntl(sealed->get(), F_ADD_SEALS, F_SEAL_SHRINK) == -1);
    }

    TEST_CASE("a file that can't be written says so") {
        auto file = DumpFile::create();
        REQUIRE(file);
        const auto sealed = std::move(*file).seal();
        REQUIRE(sealed);
        CHECK(file->append("late").error().reason == "memory-file-failed");
    }
}
