#include "daemon/shared/scheduling.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace keysluice {
namespace {

/// struct sched_attr, whose header can't be had beside <sched.h> everywhere; its first size, SCHED_ATTR_SIZE_VER0.
struct Attributes {
    std::uint32_t size = sizeof(Attributes);
    std::uint32_t policy = 0;  // SCHED_OTHER
    std::uint64_t flags = 0;
    std::int32_t niceness = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = 0;  // nanoseconds: of a thread without deadlines, its slice (__setparam_fair())
    std::uint64_t deadline = 0;
    std::uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

constexpr std::uint64_t kShortestSlice = 100'000;
constexpr int kBehind = 5;

void set(int niceness, std::uint64_t slice) {
    Attributes wanted;
    wanted.niceness = niceness;
    wanted.runtime = slice;
    syscall(SYS_sched_setattr, 0, &wanted, 0);
}

}  // namespace

void run_soon() {
    set(getpriority(PRIO_PROCESS, 0), kShortestSlice);
}

void run_behind() {
    set(getpriority(PRIO_PROCESS, 0) + kBehind, 0);
}

}  // namespace keysluice
