#include "daemon/shared/sealed_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

void raise_memory_lock_limit() {
    constexpr rlim_t kEnough = 64UL * 1024 * 1024;
    rlimit limit{};
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur >= kEnough) {
        return;
    }
    const rlimit enough{.rlim_cur = kEnough, .rlim_max = std::max(kEnough, limit.rlim_max)};
    if (setrlimit(RLIMIT_MEMLOCK, &enough) != 0) {  // only root raises what is allowed
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_MEMLOCK, &limit);
    }
}

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

bool SealedMemory::lock(std::size_t plain) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::span<std::byte> secret = bytes_.subspan(plain / page * page);
    // Only pages that are used: the kernel locks others when they come to be.
    return madvise(secret.data(), secret.size(), MADV_DONTDUMP) == 0 &&
           mlock2(secret.data(), secret.size(), MLOCK_ONFAULT) == 0;
}

SealedMemory::~SealedMemory() {
    if (!bytes_.empty()) {
        munmap(bytes_.data(), bytes_.size());
    }
}

}  // namespace keysluice
