#include "dbus/networkmanager/private_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "base/instant.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/quoted.hpp"
#include "dbus/networkmanager/keys.hpp"

namespace keysluice::networkmanager {
namespace {

/// A connection of the bus has a text of at most 64 KiB.
constexpr std::size_t kLargest = 32U << 10U;
/// For all files together: they may lie on a network that does not answer.
constexpr std::chrono::seconds kPatience{5};
constexpr int kMostGroups = 65536;  // NGROUPS_MAX

struct User {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
    Instant until;  ///< the files are to be read
};

std::unexpected<Error> nobody(const Request& request, const std::string& why) {
    return fail("vpn-files-private",
                fmt::format("vpn.data names files, and {} is private (connection.permissions): {}; expected one user "
                            "with whose rights they are opened, or a connection for all users",
                            in_quotes(request.id), why));
}

Result<User> owner_of(const Request& request) {
    if (request.users.size() != 1) {
        return nobody(request, fmt::format("it belongs to {} users", request.users.size()));
    }
    const std::string& name = request.users.front();
    const passwd* entry = getpwnam(name.c_str());
    if (entry == nullptr) {
        return nobody(request, fmt::format("this machine has no user {}", in_quotes(name)));
    }
    User user{.name = name, .uid = entry->pw_uid, .gid = entry->pw_gid, .groups = {}, .until = now() + kPatience};
    int count = 64;
    do {
        user.groups.resize(static_cast<std::size_t>(count));
    } while (getgrouplist(name.c_str(), user.gid, user.groups.data(), &count) < 0 && count <= kMostGroups);
    user.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    return user;
}

/// What the child ends with where it is no errno.
enum class Ended : std::uint8_t { well = 0, not_regular = 251, too_large = 252, no_rights = 253 };

int status_of(Ended how) {
    return static_cast<int>(how);
}

/// In the child: system calls alone, for the process may have had threads.
int copy_as(const User& user, const char* path, int into) {
    if (setgroups(user.groups.size(), user.groups.data()) != 0 || setresgid(user.gid, user.gid, user.gid) != 0 ||
        setresuid(user.uid, user.uid, user.uid) != 0) {
        return status_of(Ended::no_rights);
    }
    // What is no file of bytes (a pipe, a terminal) neither blocks nor becomes ours.
    const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status{};
    if (file < 0 || ::fstat(file, &status) != 0) {
        return errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return status_of(Ended::not_regular);
    }
    std::array<char, kLargest + 1> room;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read()
    std::size_t size = 0;
    while (size < room.size()) {
        const ssize_t more = ::read(file, room.data() + size, room.size() - size);
        if (more < 0) {
            return errno;
        }
        if (more == 0) {
            break;
        }
        size += static_cast<std::size_t>(more);
    }
    if (size == room.size()) {
        return status_of(Ended::too_large);
    }
    return ::write(into, room.data(), size) == static_cast<ssize_t>(size) ? status_of(Ended::well) : EIO;
}

/// Nothing: it did not end in time, or not by itself.
std::optional<int> await_end(pid_t child, Instant until) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::duration_cast<milliseconds>(until - now());
    const UniqueFd end(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    pollfd watched{.fd = end.get(), .events = POLLIN, .revents = 0};
    const bool in_time = end && ::poll(&watched, 1, static_cast<int>(std::max(left, milliseconds(0)).count())) == 1;
    if (!in_time) {
        ::kill(child, SIGKILL);
    }
    int status = 0;  // a child that waits for a file system for good would be waited for as long
    return ::waitpid(child, &status, in_time ? 0 : WNOHANG) == child && WIFEXITED(status)
               ? std::optional(WEXITSTATUS(status))
               : std::nullopt;
}

std::string what_went_wrong(std::optional<int> status) {
    if (!status) {
        return fmt::format("the connection's files can't be read within {} s", kPatience.count());
    }
    switch (static_cast<Ended>(*status)) {
        case Ended::not_regular:
            return "it is not a regular file";
        case Ended::too_large:
            return fmt::format("it is larger than {} KiB", kLargest >> 10U);
        case Ended::no_rights:
            return "this process may not take the user's rights";
        case Ended::well:
            break;
    }
    return std::strerror(*status);
}

/// Into a memory file, which nobody can change any more.
Result<UniqueFd> read_as(const User& user, std::string_view key, const std::string& path) {
    const auto failed = [&](const std::string& why) {
        return fail("vpn-file-unreadable",
                    fmt::format("vpn.data: {}: {}: {} (it is opened with the rights of {}, to whom the connection "
                                "belongs)",
                                key, in_quotes(path), why, in_quotes(user.name)));
    };
    if (!path.starts_with('/')) {
        return failed("expected an absolute path");
    }
    UniqueFd file(memfd_create("keysluice-private-file", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const pid_t child = file ? ::fork() : -1;
    if (child < 0) {
        return failed(std::strerror(errno));
    }
    if (child == 0) {
        _exit(copy_as(user, path.c_str(), file.get()));
    }
    if (const auto status = await_end(child, user.until); status != status_of(Ended::well)) {
        return failed(what_went_wrong(status));
    }
    if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return failed(std::strerror(errno));
    }
    return file;
}

/// The PEM of all files of a key.
Result<std::string> read_public(const User& user, std::string_view key, std::string_view paths, bool several) {
    std::string pem;
    for (const std::string_view path : several ? items_of(paths) : std::vector{paths}) {
        const auto file = read_as(user, key, std::string(path));
        if (!file) {
            return std::unexpected(file.error());
        }
        std::string text(kLargest, '\0');
        const ssize_t size = ::pread(file->get(), text.data(), text.size(), 0);
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        const std::string blocks = pem_blocks(text);
        if (blocks.empty()) {
            return fail("vpn-file-unreadable",
                        fmt::format("vpn.data: {}: {}: expected PEM, \"-----BEGIN …\"", key, in_quotes(path)));
        }
        pem += blocks;
    }
    return pem;
}

/// Puts what stands there in the place of its name.
Result<void> read_file(const User& user, const Key& key, std::string& value, UniqueFd& private_key) {
    if (key.form == Form::key_file) {
        auto file = read_as(user, key.data, value);
        if (!file) {
            return pass_on(std::move(file));
        }
        private_key = *std::move(file);
        value = kGivenPrivateKey;
        return {};
    }
    auto pem = read_public(user, key.data, value, key.form == Form::files);
    if (!pem) {
        return pass_on(std::move(pem));
    }
    value = *std::move(pem);
    return {};
}

}  // namespace

std::string pem_blocks(std::string_view text) {
    constexpr std::string_view kBegin = "-----BEGIN ";
    constexpr std::string_view kEnd = "-----END ";
    const auto is_plain = [](char each) { return (each >= ' ' && each <= '~') || each == '\n' || each == '\r'; };
    std::string blocks;
    while (true) {
        const auto begin = text.find(kBegin);
        const auto end = begin == std::string_view::npos ? begin : text.find(kEnd, begin);
        const auto after = end == std::string_view::npos ? end : text.find("-----", end + kEnd.size());
        if (after == std::string_view::npos) {
            return blocks;
        }
        const std::string_view block = text.substr(begin, after + 5 - begin);
        if (std::ranges::all_of(block, is_plain) && !block.contains("PRIVATE KEY")) {
            blocks.append(block).append("\n");
        }
        text.remove_prefix(after + 5);
    }
}

Result<void> read_private_files(Request& request) {
    if (request.users.empty()) {
        return {};
    }
    std::optional<User> user;
    for (const Key& key : keys()) {
        const auto found = request.data.find(std::string(key.data));
        if (found == request.data.end() || !names_files(key.form)) {
            continue;
        }
        if (!user) {
            auto owner = owner_of(request);
            if (!owner) {
                return pass_on(std::move(owner));
            }
            user = *std::move(owner);
        }
        if (auto read = read_file(*user, key, found->second, request.secrets.private_key); !read) {
            return read;
        }
    }
    return {};
}

}  // namespace keysluice::networkmanager
