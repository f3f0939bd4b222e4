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
    reliable_ = true;
    std::vector<std::string> paths{service.ca};
    paths.insert(paths.end(), service.crl.begin(), service.crl.end());
    const auto add = [&](const std::string& certificate, const std::string& key, const std::string& ocsp) {
        const auto private_key = secret_path(key);
        reliable_ = reliable_ && private_key.has_value();
        paths.insert(paths.end(), {certificate, private_key.value_or(""), ocsp});
    };
    add(service.certificate, service.private_key, service.ocsp);
    for (const ServiceCertificate& each : service.certificates) {
        add(each.certificate, each.private_key, each.ocsp);
    }
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
