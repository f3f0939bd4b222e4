#include "crypto/file_bytes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/secret.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::crypto {

namespace {

/// Larger than any bundle of authorities in use (some 500 KiB), small enough to be read by mistake.
constexpr off_t kMaxFileSize = 8L * 1024 * 1024;

}  // namespace

FileBytes::~FileBytes() {
    if (!bytes_.empty()) {
        wipe(bytes_.data(), bytes_.size());
    }
}

std::expected<FileBytes, std::string> FileBytes::read(const std::filesystem::path& file) {
    const UniqueFd descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!descriptor) {
        return std::unexpected(std::string(std::strerror(errno)));
    }
    return read(descriptor.get());
}

std::expected<FileBytes, std::string> FileBytes::read(int file) {
    const auto system_error = [] { return std::unexpected(std::string(std::strerror(errno))); };
    struct stat status{};
    if (::fstat(file, &status) != 0) {
        return system_error();
    }
    if (!S_ISREG(status.st_mode)) {
        return std::unexpected("it is not a regular file");
    }
    if (status.st_size > kMaxFileSize) {
        return std::unexpected("it is larger than 8 MiB");
    }
    FileBytes contents{static_cast<std::size_t>(status.st_size)};
    std::size_t filled = 0;
    while (filled < contents.bytes_.size()) {
        const ssize_t count = ::pread(file, contents.bytes_.data() + filled, contents.bytes_.size() - filled,
                                      static_cast<off_t>(filled));
        if (count < 0) {
            return system_error();
        }
        if (count == 0) {
            return std::unexpected("it became shorter while it was read");
        }
        filled += static_cast<std::size_t>(count);
    }
    return contents;
}

}  // namespace keysluice::crypto
