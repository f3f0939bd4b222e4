#include "cli/import/key_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.hpp"
#include "daemon/control/text_file.hpp"

namespace keysluice::importer {
namespace {

bool write_all(int fd, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t size = ::write(fd, bytes.data(), bytes.size());
        if (size < 0 && errno != EINTR) {
            return false;
        }
        bytes = bytes.subspan(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    return true;
}

Result<void> write_one(const std::filesystem::path& path, const KeyFile& key) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) {
        return std::unexpected(control::unwritable(path, "making it"));
    }
    if (!write_all(fd.get(), key.contents) || ::fsync(fd.get()) != 0) {
        Error error = control::unwritable(path, "writing it");
        ::unlink(path.c_str());
        return std::unexpected(std::move(error));
    }
    return {};
}

}  // namespace

Result<void> write_key_files(const std::filesystem::path& folder, const std::vector<KeyFile>& keys) {
    if (!keys.empty() && ::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return std::unexpected(control::unwritable(folder, "making it"));
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
        auto written = write_one(folder / keys[i].name, keys[i]);
        if (!written) {
            for (std::size_t made = 0; made < i; ++made) {
                ::unlink((folder / keys[made].name).c_str());
            }
            return written;
        }
    }
    control::flush_folder(folder);
    return {};
}

}  // namespace keysluice::importer
