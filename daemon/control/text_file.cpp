#include "daemon/control/text_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
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

}  // namespace

Error unwritable(const std::filesystem::path& path, std::string_view step) {
    return {"file-unwritable", fmt::format("{}: {}: {}", path.string(), step, std::strerror(errno))};
}

void flush_folder(const std::filesystem::path& folder) {
    const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    static_cast<void>(fd && ::fsync(fd.get()) == 0);
}

Result<void> write_text_file(const std::filesystem::path& path, std::string_view text) {
    const std::filesystem::path folder = path.parent_path();
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
        return std::unexpected(unwritable(folder, "making it"));
    }
    // Hidden files are no fragments.
    const std::filesystem::path fresh = folder / fmt::format(".{}.new", path.filename().string());
    const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!fd) {
        return std::unexpected(unwritable(fresh, "making it; may this user write to the folder?"));
    }
    // Nothing in it is secret, and `keysluiced --status` is for everybody: whatever the umask says.
    static_cast<void>(::fchmod(fd.get(), 0644) == 0);
    if (!write_all(fd.get(), text) || ::fsync(fd.get()) != 0 || std::rename(fresh.c_str(), path.c_str()) != 0) {
        Error error = unwritable(path, "writing it");
        ::unlink(fresh.c_str());
        return std::unexpected(std::move(error));
    }
    flush_folder(folder);
    return {};
}

}  // namespace keysluice::control
