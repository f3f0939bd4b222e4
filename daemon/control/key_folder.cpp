#include "daemon/control/key_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "daemon/control/private_file.hpp"
#include "daemon/control/text_file.hpp"

namespace keysluice::control {
namespace {

constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

/// Hidden, so that what a crash leaves is no key; the next write or removal of the same name takes it away.
std::string fresh_name(const std::string& file) {
    return fmt::format(".{}.new", file);
}

UniqueFd open_folder(const std::filesystem::path& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

Result<KeyFolder> KeyFolder::open(const std::filesystem::path& path) {
    KeyFolder folder(open_folder(path), path);
    if (auto good = folder.check(); !good) {
        return pass_on(std::move(good));
    }
    return folder;
}

Result<void> KeyFolder::make(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
        return std::unexpected(unwritable(path, "making it"));
    }
    return {};
}

Result<KeyFolder> KeyFolder::open_to_write(const std::filesystem::path& path) {
    auto folder = open(path);
    if (folder && ::flock(folder->folder_.get(), LOCK_EX) != 0) {
        return std::unexpected(unwritable(path, "waiting for others who write to it"));
    }
    return folder;
}

Result<void> KeyFolder::check() {
    struct stat status{};
    if (!folder_ || ::fstat(folder_.get(), &status) != 0) {
        return fail(errno == ENOENT ? "key-not-found" : "key-unreadable",
                    fmt::format("{}: {}", path_.native(), std::strerror(errno)));
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail("key-open-to-others",
                    fmt::format("{0} has the mode {1:04o}: others than its owner may exchange keys "
                                "there; chmod go-w {0}",
                                path_.native(), status.st_mode & 07777U));
    }
    owner_ = status.st_uid;
    group_ = status.st_gid;
    return {};
}

Result<SecretBuffer> KeyFolder::read(const std::string& file) const {
    const std::string path = path_ / file;
    // Without waiting for whoever writes, should it be a pipe.
    const UniqueFd fd(
        ::openat(folder_.get(), file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK));
    if (!fd && errno == ENOENT) {
        return fail("key-not-found", fmt::format("{}: there is no such file", path));
    }
    if (!fd && errno == ELOOP) {
        return fail("key-unreadable", fmt::format("{} is a symbolic link, and none is followed here", path));
    }
    struct stat status{};
    if (fd && ::fstat(fd.get(), &status) == 0 && status.st_uid != owner_ && status.st_uid != 0 &&
        status.st_uid != ::geteuid()) {
        return fail("key-open-to-others",
                    fmt::format("{} belongs to another user than the folder that it is in: chown "
                                "it, and think about who has put it there",
                                path));
    }
    return read_private_file(fd, path, kOthers);
}

Result<void> KeyFolder::fill(const UniqueFd& file, const std::string& name, Bytes content) const {
    const std::filesystem::path path = path_ / name;
    if (!file || ::fchmod(file.get(), S_IRUSR | S_IWUSR) != 0 ||
        (::geteuid() == 0 && ::fchown(file.get(), owner_, group_) != 0)) {
        return std::unexpected(unwritable(path, "making it; may this user write to the folder?"));
    }
    return write_private_file(file, path, content);
}

Result<void> KeyFolder::write(const std::string& file, Bytes content) {
    const std::string fresh = fresh_name(file);
    ::unlinkat(folder_.get(), fresh.c_str(), 0);
    const UniqueFd fd(::openat(folder_.get(), fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                               S_IRUSR | S_IWUSR));
    auto written = fill(fd, fresh, content);
    if (written && ::renameat(folder_.get(), fresh.c_str(), folder_.get(), file.c_str()) != 0) {
        written = std::unexpected(unwritable(path_ / file, "putting it in its place"));
    }
    if (!written) {
        ::unlinkat(folder_.get(), fresh.c_str(), 0);
        return written;
    }
    flush_folder(path_);
    return {};
}

Result<void> KeyFolder::keep_as(const std::string& file, const std::string& as) {
    if ((::unlinkat(folder_.get(), as.c_str(), 0) != 0 && errno != ENOENT) ||
        ::linkat(folder_.get(), file.c_str(), folder_.get(), as.c_str(), 0) != 0) {
        return std::unexpected(unwritable(path_ / as, "making it"));
    }
    return {};
}

Result<void> KeyFolder::remove(const std::string& file) {
    ::unlinkat(folder_.get(), fresh_name(file).c_str(), 0);
    if (::unlinkat(folder_.get(), file.c_str(), 0) != 0) {
        return std::unexpected(unwritable(path_ / file, "removing it"));
    }
    flush_folder(path_);
    return {};
}

}  // namespace keysluice::control
