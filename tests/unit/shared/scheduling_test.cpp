#include "daemon/shared/scheduling.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <functional>
#include <thread>

using namespace keysluice;

namespace {

struct Seen {
    int niceness = 0;
    std::uint64_t slice = 0;  ///< nanoseconds
};

/// What a thread of its own has after `ask`.
Seen after(const std::function<void()>& ask) {
    Seen seen;
    std::thread([&] {
        ask();
        std::array<std::uint64_t, 6> attributes{};  // struct sched_attr, with sched_runtime after 24 octets
        syscall(SYS_sched_getattr, 0, attributes.data(), sizeof(attributes), 0);
        seen = {.niceness = getpriority(PRIO_PROCESS, 0), .slice = attributes[3]};
    }).join();
    return seen;
}

}  // namespace

TEST_SUITE("shared: scheduling") {
    const int before = getpriority(PRIO_PROCESS, 0);

    TEST_CASE("who runs soon keeps its niceness") {
        const Seen seen = after(run_soon);
        CHECK(seen.niceness == before);
        if (after([] {}).slice == 0) {
            MESSAGE("skipped: before Linux 6.12 nobody has a slice of its own");
        } else {
            CHECK(seen.slice == 100'000);
        }
    }

    TEST_CASE("who runs behind has less weight, and no slice of its own") {
        const auto both = [] {
            run_soon();
            run_behind();
        };
        CHECK(after(both).niceness == before + 5);
        CHECK(after(both).slice == after([] {}).slice);
    }
}
