#include "dbus/dump_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace keysluice::bus {
namespace {

auto failed(std::string_view step) {
    return fail("memory-file-failed", fmt::format("a memory file for a dump: {}: {}", step, std::strerror(errno)));
}

}  // namespace

Result<DumpFile> DumpFile::create() {
    UniqueFd file(memfd_create("keysluice-dump", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) {
        return failed("creating it");
    }
    return DumpFile(std::move(file));
}

Result<void> DumpFile::append(std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = ::write(file_.get(), text.data(), text.size());
        if (size < 0 && errno != EINTR) {
            return failed("writing it");
        }
        text.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    return {};
}

Result<UniqueFd> DumpFile::seal() && {
    constexpr int kForGood = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (fcntl(file_.get(), F_ADD_SEALS, kForGood) != 0 || lseek(file_.get(), 0, SEEK_SET) != 0) {
        return failed("sealing it");
    }
    return std::move(file_);
}

}  // namespace keysluice::bus
