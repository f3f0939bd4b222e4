#include "daemon/control/configuration_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/unique_fd.hpp"
#include "daemon/control/configuration.hpp"

namespace keysluice::control {
namespace {

std::unexpected<Diagnostic> file_error(const std::filesystem::path& file, std::string_view reason,
                                       std::string sentence) {
    return std::unexpected(Diagnostic{{file.string()}, reason, std::move(sentence)});
}

std::unexpected<Diagnostic> unreadable(const std::filesystem::path& file, const std::error_code& error) {
    return file_error(file, "file-unreadable", fmt::format("cannot read this: {}", error.message()));
}

std::error_code last_error() {
    return {errno, std::generic_category()};
}

}  // namespace

std::expected<std::string, Diagnostic> load_text(const std::filesystem::path& file) {
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        return unreadable(file, last_error());
    }
    if (S_ISDIR(status.st_mode)) {
        return file_error(file, "file-is-directory", "this is a directory: expected a file in TOML");
    }
    std::string text;
    std::array<char, 16384> buffer{};
    while (true) {
        const ssize_t size = ::read(fd.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return unreadable(file, last_error());
        }
        if (size == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(size));
        if (text.size() > kLargestFile) {
            return file_error(
                file, "file-too-large",
                fmt::format("this is larger than {} MiB: is it really a configuration?", kLargestFile >> 20U));
        }
    }
}

std::expected<std::vector<std::filesystem::path>, Diagnostic> find_fragments(const std::filesystem::path& file,
                                                                             std::string_view name) {
    const std::filesystem::path folder = file.parent_path() / name;
    std::vector<std::filesystem::path> fragments;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::filesystem::path& path = entry->path();
        if (path.extension() == ".toml" && !path.filename().native().starts_with('.')) {
            fragments.push_back(path);
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return unreadable(folder, error);
    }
    std::ranges::sort(fragments);
    return fragments;
}

}  // namespace keysluice::control
