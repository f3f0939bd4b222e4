#include "cli/import/host.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <netdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "base/address.hpp"
#include "base/unique_fd.hpp"
#include "daemon/control/plaintext.hpp"

namespace keysluice::importer {
namespace {

std::unexpected<Error> unreadable(const std::string& path, int error) {
    return fail("file-unreadable", fmt::format("{}: {}", path, std::strerror(error)));
}

std::vector<std::string> expand(const std::string& pattern) {
    glob_t found{};
    std::vector<std::string> paths;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
        paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    ::globfree(&found);
    return paths;
}

/// The files in a folder that are not hidden.
Result<std::vector<std::string>> list(const std::string& folder) {
    std::vector<std::string> paths;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        std::error_code ignored;
        if (!entry->path().filename().native().starts_with('.') && entry->is_regular_file(ignored)) {
            paths.push_back(entry->path().string());
        }
    }
    if (error) {
        return unreadable(folder, error.value());
    }
    std::ranges::sort(paths);
    return paths;
}

class Host : public Surroundings {
   public:
    Result<std::vector<SourcePtr>> files(const std::string& pattern) override {
        std::error_code ignored;
        const bool folder = std::filesystem::is_directory(pattern, ignored);
        const auto paths = folder ? list(pattern) : Result<std::vector<std::string>>(expand(pattern));
        if (!paths) {
            return std::unexpected(paths.error());
        }
        if (paths->size() > kMostSources) {
            return fail("import-too-large", fmt::format("{}: more than {} files", pattern, kMostSources));
        }
        std::vector<SourcePtr> sources;
        for (const std::string& path : *paths) {
            auto source = load_source(path);
            if (!source) {
                return std::unexpected(source.error());
            }
            sources.push_back(*std::move(source));
        }
        return sources;
    }

    bool exists(const std::string& path) override {
        std::error_code ignored;
        return std::filesystem::exists(path, ignored);
    }

    std::optional<std::uint16_t> port(const std::string& service) override {
        const servent* const found = ::getservbyname(service.c_str(), "tcp");
        return found == nullptr ? std::nullopt : std::optional(ntohs(static_cast<std::uint16_t>(found->s_port)));
    }

    bool has_protocol(const std::string& name) override { return ::getprotobyname(name.c_str()) != nullptr; }

    bool has_address(const std::string& address) override {
        if (own_.empty()) {
            own_ = control::own_addresses();
        }
        const auto parsed = IpAddress::parse(address);
        return parsed && own_.contains(*parsed);
    }

   private:
    std::set<IpAddress> own_;
};

}  // namespace

std::unique_ptr<Surroundings> this_host() {
    return std::make_unique<Host>();
}

Result<SourcePtr> load_source(const std::string& path) {
    // Not blocking: a FIFO would wait for somebody who writes.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        return unreadable(path, errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail("file-unreadable", fmt::format("{}: this is no regular file", path));
    }
    if (static_cast<std::uint64_t>(status.st_size) > kLargestSource) {
        return fail("import-too-large", fmt::format("{}: more than {} MiB", path, kLargestSource >> 20U));
    }
    auto source = std::make_shared<Source>();
    source->path = std::filesystem::absolute(path).lexically_normal().string();
    source->text.resize(static_cast<std::size_t>(status.st_size));
    std::size_t size = 0;
    while (size < source->text.size()) {
        const ssize_t read = ::read(fd.get(), source->text.data() + size, source->text.size() - size);
        if (read < 0 && errno != EINTR) {
            return unreadable(path, errno);
        }
        if (read == 0) {
            break;
        }
        size += read < 0 ? 0 : static_cast<std::size_t>(read);
    }
    source->text.resize(size);
    return SourcePtr(std::move(source));
}

}  // namespace keysluice::importer
