#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "daemon/shared/service.hpp"

namespace keysluice {

/// How the files of a service looked before they were loaded: whether they are to be loaded again can be known
/// without reading them. Made from nothing it is never true.
class FileStamps {
   public:
    /// A file that was changed so shortly before may change again within the same tick of the file system's clock:
    /// stamps of such a file say nothing.
    static constexpr std::chrono::seconds kSettled{2};

    FileStamps() = default;
    FileStamps(const TlsService& service, std::chrono::system_clock::time_point now);

    /// The same files with the same contents are there, whatever links lead to them.
    [[nodiscard]] bool still_true() const;

   private:
    struct Stamp {
        std::string path;
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::chrono::nanoseconds modified{};
        std::chrono::nanoseconds changed{};
        bool operator==(const Stamp&) const = default;
    };
    [[nodiscard]] static bool look(Stamp& stamp);

    std::vector<Stamp> stamps_;
    bool reliable_ = false;
};

}  // namespace keysluice
