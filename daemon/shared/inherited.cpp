#include "daemon/shared/inherited.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace keysluice {

namespace {

/// The first descriptor behind standard error (SD_LISTEN_FDS_START).
constexpr int kFirst = 3;
constexpr int kMost = 1024;

std::string_view variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

int number(const char* name) {
    const std::string_view text = variable(name);
    int read = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    return error == std::errc{} && end == text.data() + text.size() ? read : 0;
}

}  // namespace

std::vector<Inherited> take_inherited() {
    std::vector<Inherited> all;
    const int count = number("LISTEN_PID") == getpid() ? std::clamp(number("LISTEN_FDS"), 0, kMost) : 0;
    std::string_view names = variable("LISTEN_FDNAMES");
    for (int fd = kFirst; fd < kFirst + count; ++fd) {
        const std::string_view name = names.substr(0, names.find(':'));
        names.remove_prefix(std::min(name.size() + 1, names.size()));
        const int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) {
            all.push_back({.name = std::string(name), .descriptor = UniqueFd(fd)});
        }
    }
    close_range(static_cast<unsigned>(kFirst + count), ~0U, 0);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return all;
}

}  // namespace keysluice
