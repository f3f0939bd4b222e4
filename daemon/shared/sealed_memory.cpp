#include "daemon/shared/sealed_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace keysluice {

namespace {

constexpr int kFixedSize = F_SEAL_SHRINK | F_SEAL_GROW;

auto failed(std::string_view step) {
    return fail("memory-file-failed",
                fmt::format("a memory file that keysluice's processes share: {}: {}", step, std::strerror(errno)));
}

}  // namespace

Result<SealedMemory> SealedMemory::create(const char* name, std::size_t size) {
    UniqueFd file(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
        fcntl(file.get(), F_ADD_SEALS, kFixedSize | F_SEAL_SEAL) != 0) {
        return failed("creating it");
    }
    return open(std::move(file));
}

Result<SealedMemory> SealedMemory::open(UniqueFd file) {
    // A file that knows no seals answers -1, in which every bit is set.
    const int seals = fcntl(file.get(), F_GET_SEALS);
    if (seals < 0) {
        return failed("asking for its seals");
    }
    if ((seals & kFixedSize) != kFixedSize) {
        errno = EPERM;
        return failed("its size is not sealed");
    }
    struct stat status{};
    if (fstat(file.get(), &status) != 0) {
        return failed("asking for its size");
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) {
        return failed("mapping it");
    }
    SealedMemory mapped;
    mapped.file_ = std::move(file);
    mapped.bytes_ = {static_cast<std::byte*>(memory), size};
    return mapped;
}

SealedMemory::~SealedMemory() {
    if (!bytes_.empty()) {
        munmap(bytes_.data(), bytes_.size());
    }
}

}  // namespace keysluice
