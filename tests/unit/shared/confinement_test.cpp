#include "daemon/shared/confinement.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

using namespace keysluice;

namespace {

#ifdef KEYSLUICE_INSTRUMENTED
constexpr bool kFiltered = false;
#else
constexpr bool kFiltered = true;
#endif

constexpr int kSucceeded = 0;
constexpr int kNotConfined = 250;

/// What a call that fails with -1 says in a process that has confined itself: 0, or its errno.
int confined(Confined as, const std::function<long()>& call) {
    const pid_t child = fork();
    if (child == 0) {
        if (!confine(as)) {
            _exit(kNotConfined);
        }
        errno = 0;
        const long result = call();
        syscall(SYS_exit_group, result < 0 ? errno : kSucceeded);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CAPTURE(status);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) != kNotConfined);
    return WEXITSTATUS(status);
}

struct Attempt {
    std::string what;
    std::function<long()> call;
};

long open_file(const char* path, int flags) {
    return syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

long execute() {
    std::string path = "/bin/true";
    const std::array<char*, 2> words{path.data(), nullptr};
    return execv(words[0], words.data());
}

/// Nobody who is confined may do these.
std::vector<Attempt> forbidden_to_all() {
    return {
        {"start a program", execute},
        {"fork with other flags", [] { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
        {"start a thread", [] { return syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0); }},
        {"trace another process", [] { return ptrace(PTRACE_SEIZE, getppid(), nullptr, nullptr); }},
        {"read another process's memory",
         [] {
             iovec mine{};
             return process_vm_readv(getppid(), &mine, 1, &mine, 1, 0);
         }},
        {"kill another process", [] { return static_cast<long>(kill(getppid(), SIGCONT)); }},
        {"take another process's descriptor",
         [] { return syscall(SYS_pidfd_open, static_cast<long>(getppid()), 0); }},
        {"write a file", [] { return open_file("/dev/null", O_WRONLY); }},
        {"write and read a file", [] { return open_file("/dev/null", O_RDWR); }},
        {"make a file", [] { return open_file("/tmp/keysluice-confined", O_RDONLY | O_CREAT); }},
        {"remove a file", [] { return static_cast<long>(unlink("/tmp/keysluice-confined")); }},
        {"change a mode", [] { return static_cast<long>(chmod("/dev/null", 0666)); }},
        {"mount", [] { return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr); }},
        {"open a raw socket", [] { return static_cast<long>(socket(AF_INET, SOCK_RAW, 1)); }},
        {"open a datagram socket", [] { return static_cast<long>(socket(AF_INET, SOCK_DGRAM, 0)); }},
        {"open a netlink socket", [] { return static_cast<long>(socket(AF_NETLINK, SOCK_RAW, 0)); }},
        {"listen", [] { return static_cast<long>(listen(0, 1)); }},
        {"bind",
         [] {
             const sockaddr any{};
             return static_cast<long>(bind(0, &any, sizeof(any)));
         }},
        {"execute what it has written",
         [] {
             return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                            MAP_FAILED
                        ? -1L
                        : 0L;
         }},
        {"make memory executable",
         [] {
             static std::array<char, 1> page{};
             return syscall(SYS_mprotect, &page, 0, PROT_READ | PROT_EXEC);
         }},
        {"raise a limit",
         [] {
             const rlimit limit{.rlim_cur = 16, .rlim_max = 16};
             return static_cast<long>(setrlimit(RLIMIT_CORE, &limit));
         }},
        {"become another user", [] { return syscall(SYS_setuid, 1); }},
        {"make a namespace", [] { return syscall(SYS_unshare, 0x10000000); }},
        {"load a program into the kernel", [] { return syscall(SYS_bpf, 0, nullptr, 0); }},
        {"use a kernel keyring", [] { return syscall(SYS_keyctl, 0, -3, 0, 0, 0); }},
        {"set up io_uring", [] { return syscall(SYS_io_uring_setup, 1, nullptr); }},
        {"become debuggable again", [] { return static_cast<long>(prctl(PR_SET_DUMPABLE, 1)); }},
    };
}

}  // namespace

TEST_SUITE_BEGIN("confinement");

TEST_CASE("what no confined process needs fails in each of them") {
    if (!kFiltered) {
        MESSAGE("skipped: built with instruments, which need more system calls");
        return;
    }
    for (const Confined as : {Confined::engine, Confined::relay, Confined::keeper}) {
        for (const Attempt& attempt : forbidden_to_all()) {
            CAPTURE(attempt.what);
            CAPTURE(static_cast<int>(as));
            CHECK(confined(as, attempt.call) == EPERM);
        }
    }
}

TEST_CASE("an engine forks, to drain, and nobody else does") {
    if (!kFiltered) {
        MESSAGE("skipped: built with instruments, which need more system calls");
        return;
    }
    const auto fork_once = [] {
        const pid_t child = fork();
        if (child == 0) {
            syscall(SYS_exit_group, 0);
        }
        return long{child};
    };
    CHECK(confined(Confined::engine, fork_once) == kSucceeded);
    CHECK(confined(Confined::relay, fork_once) == EPERM);
    CHECK(confined(Confined::keeper, fork_once) == EPERM);
}

TEST_CASE("who opens files and sockets") {
    if (!kFiltered) {
        MESSAGE("skipped: built with instruments, which need more system calls");
        return;
    }
    const auto read_file = [] { return open_file("/dev/null", O_RDONLY | O_CLOEXEC); };
    CHECK(confined(Confined::engine, read_file) == kSucceeded);
    CHECK(confined(Confined::relay, read_file) == EPERM);
    CHECK(confined(Confined::keeper, read_file) == EPERM);
    for (const int family : {AF_UNIX, AF_INET, AF_INET6}) {
        const auto make_socket = [family] { return long{socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)}; };
        const auto refused_by_kernel = confined(Confined::engine, make_socket);
        CHECK((refused_by_kernel == kSucceeded || refused_by_kernel == EAFNOSUPPORT));
        CHECK(confined(Confined::relay, make_socket) == refused_by_kernel);
        CHECK(confined(Confined::keeper, make_socket) == EPERM);
    }
}

TEST_CASE("a confined process has no capabilities and gets no privileges, as root too") {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const pid_t child = fork();
    if (child == 0) {
        char byte = confine(Confined::relay) ? '+' : '-';
        static_cast<void>(!write(ends[1], &byte, 1));
        static_cast<void>(!read(ends[1], &byte, 1));
        _exit(0);
    }
    close(ends[1]);
    char byte = 0;
    REQUIRE(read(ends[0], &byte, 1) == 1);
    CHECK(byte == '+');
    std::ifstream file("/proc/" + std::to_string(child) + "/status");
    const std::string status{std::istreambuf_iterator<char>(file), {}};
    const std::string none = ":\t0000000000000000\n";
    for (const std::string set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
        CAPTURE(set);
        CHECK(status.find(set + none) != std::string::npos);
    }
    // Only who may change the bounding set can empty it.
    CHECK((geteuid() != 0 || status.find("CapBnd" + none) != std::string::npos));
    CHECK(status.find("NoNewPrivs:\t1\n") != std::string::npos);
    CHECK(status.find(kFiltered ? "Seccomp:\t2\n" : "Seccomp:\t0\n") != std::string::npos);
    close(ends[0]);
    REQUIRE(kill(child, SIGKILL) == 0);
    REQUIRE(waitpid(child, nullptr, 0) == child);
}

TEST_CASE("who can't confine itself is told so") {
    if (!kFiltered) {
        MESSAGE("skipped: built with instruments, which need more system calls");
        return;
    }
    // The first filter forbids what the second one would take.
    CHECK(confined(Confined::relay, [] {
              const auto again = confine(Confined::relay);
              return !again && again.error().reason == "confinement-failed" ? 0L : -1L;
          }) == kSucceeded);
}

TEST_CASE("a sandbox that leaves no capabilities may forbid to drop them") {
    const pid_t child = fork();
    if (child == 0) {
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
        const bool dropped =
            syscall(SYS_capset, &header, none.data()) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
        scmp_filter_ctx sandbox = seccomp_init(SCMP_ACT_ALLOW);
        const bool forbidden =
            seccomp_rule_add(sandbox, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(capset), 0) == 0 && seccomp_load(sandbox) == 0;
        _exit(dropped && forbidden && confine(Confined::keeper) ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

TEST_CASE("an abort is still an abort") {
    const pid_t child = fork();
    if (child == 0) {
        const rlimit none{.rlim_cur = 0, .rlim_max = 0};
        setrlimit(RLIMIT_CORE, &none);
        std::signal(SIGABRT, SIG_DFL);
        _exit(confine(Confined::engine) ? (std::abort(), 1) : kNotConfined);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
}

TEST_SUITE_END();
