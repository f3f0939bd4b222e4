#include "daemon/engine/file_stamps.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "daemon/shared/secret_path.hpp"

namespace keysluice {

namespace {

std::chrono::nanoseconds to_duration(const timespec& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

FileStamps::FileStamps(const TlsService& service, std::chrono::system_clock::time_point now) {
    const auto private_key = secret_path(service.private_key);
    reliable_ = private_key.has_value();
    std::vector<std::string> paths{service.certificate, private_key.value_or(""), service.ca};
    paths.insert(paths.end(), service.crl.begin(), service.crl.end());
    for (const std::string& path : paths) {
        if (path.empty()) {
            continue;
        }
        Stamp& stamp = stamps_.emplace_back(Stamp{.path = path});
        reliable_ =
            look(stamp) && reliable_ && std::max(stamp.modified, stamp.changed) + kSettled < now.time_since_epoch();
    }
}

bool FileStamps::still_true() const {
    return reliable_ && std::ranges::all_of(stamps_, [](const Stamp& stamp) {
               Stamp present{.path = stamp.path};
               return look(present) && present == stamp;
           });
}

bool FileStamps::look(Stamp& stamp) {
    struct stat status{};
    if (stat(stamp.path.c_str(), &status) != 0) {
        return false;
    }
    stamp.device = status.st_dev;
    stamp.inode = status.st_ino;
    stamp.size = status.st_size;
    stamp.modified = to_duration(status.st_mtim);
    stamp.changed = to_duration(status.st_ctim);
    return true;
}

}  // namespace keysluice
