#include "daemon/shared/sealed_memory.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

using namespace keysluice;

namespace {

std::string refused(UniqueFd file) {
    const auto memory = SealedMemory::open(std::move(file));
    REQUIRE_FALSE(memory);
    CHECK(memory.error().reason == "memory-file-failed");
    return memory.error().sentence;
}

}  // namespace

TEST_CASE("memory starts as zeros and is shared by whoever holds the file") {
    const auto one = SealedMemory::create("test", 100).value();
    const auto other = SealedMemory::open(UniqueFd(::dup(one.file()))).value();
    CHECK(one.as<std::uint8_t>().size() == 100);
    CHECK(one.as<std::uint64_t>().size() == 12);
    CHECK(other.as<std::uint64_t>()[11] == 0);
    one.as<std::uint64_t>()[11] = 42;
    CHECK(other.as<std::uint64_t>()[11] == 42);
}

TEST_CASE("nobody can shorten or lengthen it, or take the seals away") {
    const auto memory = SealedMemory::create("test", 4096).value();
    CHECK(::ftruncate(memory.file(), 1) != 0);
    CHECK(::ftruncate(memory.file(), 8192) != 0);
    CHECK(fcntl(memory.file(), F_ADD_SEALS, F_SEAL_WRITE) != 0);
}

TEST_CASE("a file that could be shortened under us is refused") {
    UniqueFd unsealed(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(unsealed.get(), 4096) == 0);
    REQUIRE(fcntl(unsealed.get(), F_ADD_SEALS, F_SEAL_GROW) == 0);
    CHECK(refused(std::move(unsealed)).find("not sealed") != std::string::npos);

    // An ordinary file, and a pipe: they know no seals at all.
    std::string name = "/tmp/keysluice-test-XXXXXX";
    UniqueFd ordinary(::mkstemp(name.data()));
    REQUIRE(::ftruncate(ordinary.get(), 4096) == 0);
    ::unlink(name.c_str());
    refused(std::move(ordinary));  // on tmpfs it knows seals and has none, elsewhere it knows none
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd write_end(ends[1]);
    refused(UniqueFd(ends[0]));
    refused(UniqueFd());
}

TEST_CASE("nothing is too little") {
    const auto empty = SealedMemory::create("test", 0);
    REQUIRE_FALSE(empty);
    CHECK(empty.error().reason == "memory-file-failed");
}
