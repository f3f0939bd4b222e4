#include "daemon/shared/confinement.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

#include "daemon/shared/log.hpp"

namespace keysluice {

namespace {

#ifdef KEYSLUICE_INSTRUMENTED
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

// Every process: its loop, its channels, its memory, its end.
constexpr std::array kAlways{SCMP_SYS(read),
                             SCMP_SYS(readv),
                             SCMP_SYS(write),
                             SCMP_SYS(writev),
                             SCMP_SYS(recvfrom),
                             SCMP_SYS(recvmsg),
                             SCMP_SYS(sendto),
                             SCMP_SYS(sendmsg),
                             SCMP_SYS(shutdown),
                             SCMP_SYS(getsockopt),
                             SCMP_SYS(setsockopt),
                             SCMP_SYS(getsockname),
                             SCMP_SYS(getpeername),
                             SCMP_SYS(close),
                             SCMP_SYS(fstat),
                             SCMP_SYS(newfstatat),
                             SCMP_SYS(epoll_wait),
                             SCMP_SYS(epoll_pwait),
                             SCMP_SYS(epoll_ctl),
                             SCMP_SYS(poll),
                             SCMP_SYS(ppoll),
                             SCMP_SYS(munmap),
                             SCMP_SYS(mremap),
                             SCMP_SYS(madvise),
                             SCMP_SYS(brk),
                             SCMP_SYS(futex),
                             SCMP_SYS(rseq),
                             SCMP_SYS(set_robust_list),
                             SCMP_SYS(sched_yield),
                             SCMP_SYS(sched_getaffinity),
                             SCMP_SYS(sysinfo),
                             SCMP_SYS(rt_sigaction),
                             SCMP_SYS(rt_sigprocmask),
                             SCMP_SYS(rt_sigreturn),
                             SCMP_SYS(sigaltstack),
                             SCMP_SYS(clock_gettime),
                             SCMP_SYS(clock_nanosleep),
                             SCMP_SYS(nanosleep),
                             SCMP_SYS(gettimeofday),
                             SCMP_SYS(time),
                             SCMP_SYS(getpid),
                             SCMP_SYS(gettid),
                             SCMP_SYS(getuid),
                             SCMP_SYS(geteuid),
                             SCMP_SYS(getgid),
                             SCMP_SYS(getegid),
                             SCMP_SYS(getrandom),
                             SCMP_SYS(restart_syscall),
                             SCMP_SYS(exit),
                             SCMP_SYS(exit_group)};

constexpr std::array kEngine{SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(lseek),
                             SCMP_SYS(pread64), SCMP_SYS(statx),   SCMP_SYS(getdents64)};
constexpr std::array kRelay{SCMP_SYS(connect), SCMP_SYS(splice), SCMP_SYS(pipe2), SCMP_SYS(mlock2)};
constexpr std::array kKeeper{SCMP_SYS(accept4), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(mlock2)};

constexpr std::array kFcntl{F_GETFD,     F_SETFD,     F_GETFL,      F_SETFL,     F_DUPFD_CLOEXEC,
                            F_GET_SEALS, F_ADD_SEALS, F_GETPIPE_SZ, F_SETPIPE_SZ};
constexpr std::array kFamilies{AF_UNIX, AF_INET, AF_INET6};
constexpr std::array kSocketTypes{SOCK_STREAM, SOCK_SEQPACKET};
constexpr unsigned kTypeMask = 0xf;  // SOCK_TYPE_MASK: without SOCK_CLOEXEC and SOCK_NONBLOCK

Result<void> failed(std::string_view step, int error) {
    return fail("confinement-failed",
                fmt::format("this process can't confine itself, and does not serve like this: {}: {}", step,
                            std::strerror(error)));
}

/// What libseccomp's own macros are in C.
scmp_arg_cmp argument(unsigned index, scmp_compare comparison, std::uint32_t first, std::uint32_t second = 0) {
    return {.arg = index, .op = comparison, .datum_a = first, .datum_b = second};
}

/// The rules of one process. What can't be added is remembered.
class Filter {
   public:
    Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release) {}

    template <std::size_t Count>
    void allow(const std::array<int, Count>& calls) {
        for (const int call : calls) {
            allow_if(call);
        }
    }
    /// Only with these arguments.
    template <typename... Comparisons>
    void allow_if(int call, Comparisons... comparisons) {
        if (context_ && error_ == 0) {
            error_ = -seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, call, sizeof...(comparisons), comparisons...);
        }
    }

    /// 0, or what seccomp_load() or an earlier step failed with.
    [[nodiscard]] int load() { return !context_ ? ENOMEM : error_ != 0 ? error_ : -seccomp_load(context_.get()); }

   private:
    std::unique_ptr<void, decltype(&seccomp_release)> context_;
    int error_ = 0;
};

void allow_sockets(Filter& filter) {
    for (const int family : kFamilies) {
        for (const int type : kSocketTypes) {
            filter.allow_if(SCMP_SYS(socket), argument(0, SCMP_CMP_EQ, static_cast<unsigned>(family)),
                            argument(1, SCMP_CMP_MASKED_EQ, kTypeMask, static_cast<unsigned>(type)));
        }
    }
}

void allow_reading_files(Filter& filter) {
    constexpr unsigned kWrites = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
    filter.allow_if(SCMP_SYS(openat), argument(2, SCMP_CMP_MASKED_EQ, kWrites, O_RDONLY));
}

void allow_common(Filter& filter) {
    filter.allow(kAlways);
    for (const int command : kFcntl) {
        filter.allow_if(SCMP_SYS(fcntl), argument(1, SCMP_CMP_EQ, static_cast<unsigned>(command)));
    }
    filter.allow_if(SCMP_SYS(ioctl), argument(1, SCMP_CMP_EQ, FIONREAD));
    filter.allow_if(SCMP_SYS(mmap), argument(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    filter.allow_if(SCMP_SYS(mprotect), argument(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    // Reading a limit, and the signal of abort().
    filter.allow_if(SCMP_SYS(prlimit64), argument(2, SCMP_CMP_EQ, 0));
    filter.allow_if(SCMP_SYS(tgkill), argument(0, SCMP_CMP_EQ, static_cast<unsigned>(getpid())));
}

void allow_for(Confined as, Filter& filter) {
    allow_common(filter);
    switch (as) {
        case Confined::engine:
            filter.allow(kEngine);
            // fork() as the C library does it, for the process that drains (docs/decisions/0010): no thread, no
            // namespace.
            filter.allow_if(SCMP_SYS(clone),
                            argument(0, SCMP_CMP_EQ, CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD));
            allow_sockets(filter);
            allow_reading_files(filter);
            return;
        case Confined::relay:
            filter.allow(kRelay);
            allow_sockets(filter);
            return;
        case Confined::keeper:
            filter.allow(kKeeper);
            return;
    }
}

Result<void> drop_capabilities() {
    // The bounding set shrinks only with CAP_SETPCAP; without it there is nothing that no-new-privileges does not
    // stop.
    for (unsigned long each = 0; prctl(PR_CAPBSET_DROP, each) == 0; ++each) {
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> held{};
    if (syscall(SYS_capget, &header, held.data()) != 0) {
        return failed("asking for capabilities", errno);
    }
    // A sandbox that leaves none may forbid to drop them, too.
    if (std::ranges::all_of(held, [](const auto& each) { return (each.permitted | each.inheritable) == 0; })) {
        return {};
    }
    held.fill({});
    if (syscall(SYS_capset, &header, held.data()) != 0) {
        return failed("dropping capabilities", errno);
    }
    return {};
}

}  // namespace

Result<void> confine(Confined as) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return failed("renouncing new privileges", errno);
    }
    if (auto dropped = drop_capabilities(); !dropped) {
        return dropped;
    }
    if (kInstrumented) {
        return {};
    }
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL) {
        log_warning("this kernel has no seccomp: system calls that this process does not need are not refused");
        return {};
    }
    Filter filter;
    allow_for(as, filter);
    if (const int error = filter.load(); error != 0) {
        return failed("installing the filter of system calls", error);
    }
    return {};
}

}  // namespace keysluice
