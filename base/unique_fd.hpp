#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace keysluice {

/// Owns one file descriptor and closes it.
///
/// close() of a socket that another process holds too sends neither FIN nor RST: shut it down first.
class UniqueFd {
   public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) {
            reset(std::exchange(other.fd_, -1));
        }
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (const int old = std::exchange(fd_, fd); old >= 0) {
            ::close(old);
        }
    }

   private:
    int fd_ = -1;
};

/// Another descriptor of the same open file; empty when this process has none left.
[[nodiscard]] inline UniqueFd duplicate_fd(int fd) {
    return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}
[[nodiscard]] inline UniqueFd duplicate_fd(const UniqueFd& fd) {
    return duplicate_fd(fd.get());
}

}  // namespace keysluice
