#pragma once

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/unique_fd.hpp"

namespace keysluice::test {

/// Standard error goes into memory while this object lives.
class CapturedStderr {
   public:
    CapturedStderr() : memory_(::memfd_create("stderr", MFD_CLOEXEC)), before_(::dup(STDERR_FILENO)) {
        REQUIRE(::dup2(memory_.get(), STDERR_FILENO) == STDERR_FILENO);
    }
    CapturedStderr(const CapturedStderr&) = delete;
    CapturedStderr& operator=(const CapturedStderr&) = delete;
    ~CapturedStderr() { ::dup2(before_.get(), STDERR_FILENO); }

    [[nodiscard]] std::string text() const {
        std::string all;
        std::array<char, 4096> chunk{};
        ssize_t size = 0;
        while ((size = ::pread(memory_.get(), chunk.data(), chunk.size(), static_cast<off_t>(all.size()))) > 0) {
            all.append(chunk.data(), static_cast<std::size_t>(size));
        }
        return all;
    }

   private:
    UniqueFd memory_;
    UniqueFd before_;
};

}  // namespace keysluice::test
