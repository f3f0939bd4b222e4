#pragma once

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

#include "base/random.hpp"

namespace keysluice {

/// The kernel's random numbers. Without them nothing can go on: a failure aborts.
class SystemRandom final : public Random {
   public:
    void fill(MutableBytes out) override {
        while (!out.empty()) {
            const ssize_t size = getrandom(out.data(), out.size(), 0);
            if (size < 0 && errno != EINTR) {
                std::abort();
            }
            out = out.subspan(size < 0 ? 0 : static_cast<std::size_t>(size));
        }
    }
};

}  // namespace keysluice
