#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice {

/// Lets this process lock as much memory as SealedMemory::lock() needs, as far as it may raise its limit.
void raise_memory_lock_limit();

/// A memory file of a fixed size that several processes map, for reading and writing. It starts as zeros.
///
/// The seals keep its size as it is: whoever else holds the file can't shorten it under us, which would be a SIGBUS.
/// They don't keep its contents: what another process writes there is to be believed as far as that process is.
class SealedMemory {
   public:
    SealedMemory() = default;
    /// `name` is what /proc/PID/fd shows. Error: `memory-file-failed`.
    [[nodiscard]] static Result<SealedMemory> create(const char* name, std::size_t size);
    /// The one behind a descriptor of another process. Error: `memory-file-failed`, also for a file that isn't
    /// sealed.
    [[nodiscard]] static Result<SealedMemory> open(UniqueFd file);

    SealedMemory(SealedMemory&& other) noexcept
        : file_(std::move(other.file_)), bytes_(std::exchange(other.bytes_, {})) {}
    SealedMemory& operator=(SealedMemory&& other) noexcept {
        std::swap(file_, other.file_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    SealedMemory(const SealedMemory&) = delete;
    SealedMemory& operator=(const SealedMemory&) = delete;
    ~SealedMemory();

    /// As many whole T as there is room for.
    template <typename T>
    [[nodiscard]] std::span<T> as() const {
        return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
    }
    [[nodiscard]] int file() const { return file_.get(); }
    /// Keeps what is behind the first `plain` octets out of swap and of core files, as long as this object lives.
    /// False where the system does not allow it (RLIMIT_MEMLOCK).
    [[nodiscard]] bool lock(std::size_t plain);

   private:
    UniqueFd file_;
    std::span<std::byte> bytes_;
};

}  // namespace keysluice
