#include "daemon/relay/pipe_pool.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

using namespace keysluice;

namespace {

int bytes_in(const SplicePipe& pipe) {
    int count = -1;
    REQUIRE(ioctl(pipe.read_end.get(), FIONREAD, &count) == 0);
    return count;
}

void put(const SplicePipe& pipe, std::string_view text) {
    REQUIRE(write(pipe.write_end.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

PipePool pool() {
    return PipePool([](const SplicePipe&) {});
}

/// No descriptor is left for this process while it lives.
struct NoDescriptors {
    NoDescriptors() {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
        const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    }
    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    rlimit before{};
};

}  // namespace

TEST_CASE("a pipe is made once, told once, and used again") {
    std::vector<int> told;
    PipePool pipes([&told](const SplicePipe& pipe) { told.push_back(pipe.id.value); });
    SplicePipe* first = pipes.borrow();
    SplicePipe* second = pipes.borrow();
    REQUIRE(first != nullptr);
    REQUIRE(second != nullptr);
    CHECK(first != second);
    pipes.give_back(first);
    CHECK(pipes.unused() == 1);
    CHECK(pipes.borrow() == first);
    CHECK(pipes.size() == 2);
    CHECK(told == std::vector{0, 1});
}

TEST_CASE("a pipe does not block, neither when it is empty nor when it is full") {
    PipePool pipes = pool();
    const SplicePipe* pipe = pipes.borrow();
    std::array<char, 4096> page{};
    CHECK(read(pipe->read_end.get(), page.data(), page.size()) == -1);
    CHECK(errno == EAGAIN);
    while (write(pipe->write_end.get(), page.data(), page.size()) > 0) {
    }
    CHECK(errno == EAGAIN);
    CHECK(bytes_in(*pipe) == 65536);
}

TEST_CASE("what a broken connection left in a pipe never reaches the next one") {
    PipePool pipes = pool();
    SplicePipe* pipe = pipes.borrow();
    put(*pipe, std::string(50'000, 'x'));
    pipes.empty_and_give_back(pipe);
    REQUIRE(pipes.borrow() == pipe);
    CHECK(bytes_in(*pipe) == 0);
}

TEST_CASE("without descriptors there is no pipe, and with them there is one again") {
    PipePool pipes = pool();
    {
        const NoDescriptors none;
        CHECK(pipes.borrow() == nullptr);
        CHECK(pipes.size() == 0);
    }
    CHECK(pipes.borrow() != nullptr);
}

TEST_CASE("a predecessor's pipe keeps its number and its bytes") {
    PipePool before = pool();
    std::array<SplicePipe*, 2> old{before.borrow(), before.borrow()};
    put(*old[1], "on their way");

    bool made = false;
    PipePool pipes([&made](const SplicePipe&) { made = true; });
    for (SplicePipe* pipe : old) {
        REQUIRE(pipes.inherit(pipe->id, std::move(pipe->read_end), std::move(pipe->write_end)) != nullptr);
    }
    CHECK_FALSE(made);
    SplicePipe* second = pipes.find({1});
    REQUIRE(second != nullptr);
    CHECK(bytes_in(*second) == 12);
    CHECK(pipes.find({2}) == nullptr);

    SUBCASE("and the next new one gets the next number") {
        CHECK(pipes.borrow()->id.value == 2);
    }
    SUBCASE("a number that is taken is refused") {
        std::array<int, 2> ends{};
        REQUIRE(pipe2(ends.data(), 0) == 0);
        CHECK(pipes.inherit({1}, UniqueFd(ends[0]), UniqueFd(ends[1])) == nullptr);
        CHECK(bytes_in(*pipes.find({1})) == 12);
    }
    SUBCASE("given back empty, it is used before a new one is made") {
        pipes.empty_and_give_back(second);
        CHECK(pipes.borrow() == second);
        CHECK(pipes.size() == 2);
    }
}
