#include "daemon/control/secret_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/unique_fd.hpp"

namespace keysluice::control {
namespace {

/// One more than a secret and its newline may have.
constexpr std::size_t kReadAhead = kLongestSecret + 2;

}  // namespace

Result<Secret<kLongestSecret>> read_secret_file(const std::string& path, const SecretFileKind& kind,
                                                const Position& where, Diagnostics& warnings) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        return fail(kind.unreadable, fmt::format("{}: {}: {}", kind.key, path, std::strerror(errno)));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(kind.unreadable, fmt::format("{}: {} is no regular file", kind.key, path));
    }
    Secret<kReadAhead> content;
    const MutableBytes room = content.writable(kReadAhead);
    std::size_t size = 0;
    while (size < room.size()) {
        const ssize_t count = ::read(fd.get(), room.data() + size, room.size() - size);
        if (count < 0) {
            return fail(kind.unreadable, fmt::format("{}: {}: {}", kind.key, path, std::strerror(errno)));
        }
        if (count == 0) {
            break;
        }
        size += static_cast<std::size_t>(count);
    }
    if (size > 0 && room[size - 1] == '\n') {
        --size;
    }
    if (size == 0 || size > kLongestSecret) {
        return fail(kind.size, fmt::format("{}: {} holds {}: expected {} of 1 to {} bytes", kind.key, path,
                                           size == 0 ? "nothing" : "more", kind.content, kLongestSecret));
    }
    if ((status.st_mode & S_IROTH) != 0) {
        warnings.push_back({where, kind.open_to_all,
                            fmt::format("{}: everybody on this machine can read {}: chmod o-r it", kind.key, path)});
    }
    return Secret<kLongestSecret>(content.expose().first(size));
}

Result<std::vector<std::string>> secret_files_in(const std::string& directory, const SecretFileKind& kind) {
    std::error_code error;
    std::vector<std::string> files;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        if (!entry->path().filename().native().starts_with('.')) {
            files.push_back(entry->path().native());
        }
    }
    if (error) {
        return fail(kind.unreadable, fmt::format("{}: {}: {}", kind.key, directory, error.message()));
    }
    std::ranges::sort(files);
    return files;
}

}  // namespace keysluice::control
