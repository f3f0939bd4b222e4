#include "daemon/control/text_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/unique_fd.hpp"

namespace keysluice::control {

namespace {

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = ::write(fd, text.data(), text.size());
        if (size < 0 && errno != EINTR) {
            return false;
        }
        text.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    return true;
}

/// What is at the end of all links; nothing where nothing is.
Result<std::optional<struct stat>> look_at(const std::filesystem::path& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) == 0) {
        return found;
    }
    if (errno != ENOENT) {
        return std::unexpected(unwritable(path, "looking at it"));
    }
    if (::lstat(path.c_str(), &found) == 0) {
        errno = ENOENT;
        return std::unexpected(unwritable(path, "following the link"));
    }
    return std::nullopt;
}

/// A pipe or a device, which is written to as it is.
Result<void> write_through(const std::filesystem::path& path, std::string_view text) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    if (!fd || !write_all(fd.get(), text)) {
        return std::unexpected(unwritable(path, "writing it"));
    }
    return {};
}

/// Rights, owner and group: those of the file that it is to replace. Only root may give files away; others do not
/// try, since keysluiced's unit has no such system calls.
void dress(int fd, const std::optional<struct stat>& before) {
    // Nothing in it is secret, and `keysluiced --status` is for everybody: whatever the umask says.
    constexpr mode_t kForEverybody = 0644;
    constexpr mode_t kRights = 0777;
    if (before && ::geteuid() == 0) {
        static_cast<void>(::fchown(fd, before->st_uid, before->st_gid) == 0);
    }
    static_cast<void>(::fchmod(fd, before ? before->st_mode & kRights : kForEverybody) == 0);
}

/// In the place of what was there, which is no link.
Result<void> replace_file(const std::filesystem::path& path, std::string_view text,
                          const std::optional<struct stat>& before) {
    // Hidden files are no fragments.
    const std::filesystem::path fresh = path.parent_path() / fmt::format(".{}.new", path.filename().string());
    const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) {
        return std::unexpected(unwritable(fresh, "making it; may this user write to the folder?"));
    }
    dress(fd.get(), before);
    if (!write_all(fd.get(), text) || ::fsync(fd.get()) != 0 || std::rename(fresh.c_str(), path.c_str()) != 0) {
        Error error = unwritable(path, "writing it");
        ::unlink(fresh.c_str());
        return std::unexpected(std::move(error));
    }
    flush_folder(path.parent_path());
    return {};
}

}  // namespace

Error unwritable(const std::filesystem::path& path, std::string_view step) {
    return {"file-unwritable", fmt::format("{}: {}: {}", path.string(), step, std::strerror(errno))};
}

void flush_folder(const std::filesystem::path& folder) {
    const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    static_cast<void>(fd && ::fsync(fd.get()) == 0);
}

Result<void> write_text_file(const std::filesystem::path& path, std::string_view text) {
    if (!path.has_parent_path()) {
        return write_text_file("." / path, text);
    }
    const std::filesystem::path folder = path.parent_path();
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
        return std::unexpected(unwritable(folder, "making it"));
    }
    const auto found = look_at(path);
    if (!found) {
        return std::unexpected(found.error());
    }
    const std::optional<struct stat>& before = *found;
    if (!before) {
        return replace_file(path, text, before);
    }
    if (!S_ISREG(before->st_mode)) {
        return write_through(path, text);
    }
    const std::unique_ptr<char, decltype(&std::free)> file(::realpath(path.c_str(), nullptr), &std::free);
    return file ? replace_file(file.get(), text, before) : std::unexpected(unwritable(path, "following the link"));
}

}  // namespace keysluice::control
