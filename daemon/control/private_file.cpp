#include "daemon/control/private_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/control/text_file.hpp"

namespace keysluice::control {
namespace {

std::unexpected<Error> unreadable(const std::string& path) {
    return fail("key-unreadable", fmt::format("{}: {}", path, std::strerror(errno)));
}

/// How much came; more than `room` has space for is seen by its being full.
Result<std::size_t> fill(int file, const std::string& path, MutableBytes room) {
    std::size_t size = 0;
    while (size < room.size()) {
        const ssize_t count = ::read(file, room.data() + size, room.size() - size);
        if (count == 0) {
            break;
        }
        if (count < 0 && errno != EINTR) {
            return unreadable(path);
        }
        size += count < 0 ? 0 : static_cast<std::size_t>(count);
    }
    return size;
}

}  // namespace

Result<void> check_private(const UniqueFd& file, const std::string& path, mode_t others) {
    struct stat status{};
    if (!file || ::fstat(file.get(), &status) != 0) {
        return unreadable(path);
    }
    if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) {
        return fail("key-unreadable", fmt::format("{} is no regular file", path));
    }
    if (S_ISREG(status.st_mode) && (status.st_mode & others) != 0) {
        return fail("key-open-to-others",
                    fmt::format("{} has the mode {:04o}: others than its owner may read or write it, so it is not "
                                "taken; chmod 600 it, and think about who may have read it",
                                path, status.st_mode & 07777U));
    }
    return {};
}

Result<SecretBuffer> read_secret(int file, const std::string& path) {
    SecretBuffer content(kMostSecretOctets + 1);
    const auto size = fill(file, path, content);
    if (!size) {
        return std::unexpected(size.error());
    }
    if (*size > kMostSecretOctets) {
        return fail("key-malformed", fmt::format("{} has more than {} octets", path, kMostSecretOctets));
    }
    content.resize(*size);
    return content;
}

Result<SecretBuffer> read_private_file(const UniqueFd& file, const std::string& path, mode_t others) {
    auto good = check_private(file, path, others);
    return good ? read_secret(file.get(), path) : pass_on(std::move(good));
}

Result<SecretBuffer> read_private_file(const std::string& path, mode_t others) {
    return read_private_file(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)), path, others);
}

Result<void> write_private_file(const UniqueFd& file, const std::filesystem::path& path, Bytes content) {
    while (!content.empty()) {
        const ssize_t size = ::write(file.get(), content.data(), content.size());
        if (size < 0 && errno != EINTR) {
            return std::unexpected(unwritable(path, "writing it"));
        }
        content = content.subspan(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    if (::fsync(file.get()) != 0) {
        return std::unexpected(unwritable(path, "writing it"));
    }
    return {};
}

}  // namespace keysluice::control
