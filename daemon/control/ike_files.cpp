#include "daemon/control/ike_files.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/unique_fd.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

/// One more than a key and its newline may have.
constexpr std::size_t kReadAhead = 256 + 2;
constexpr std::size_t kLongestKey = 256;

struct KeyFile {
    ike::SharedKey key;
    bool open_to_all = false;
};

Result<KeyFile> read_key(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        return fail("psk-unreadable", fmt::format("psk: {}: {}", path, std::strerror(errno)));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail("psk-unreadable", fmt::format("psk: {} is no regular file", path));
    }
    Secret<kReadAhead> content;
    const MutableBytes room = content.writable(kReadAhead);
    std::size_t size = 0;
    while (size < room.size()) {
        const ssize_t count = ::read(fd.get(), room.data() + size, room.size() - size);
        if (count < 0) {
            return fail("psk-unreadable", fmt::format("psk: {}: {}", path, std::strerror(errno)));
        }
        if (count == 0) {
            break;
        }
        size += static_cast<std::size_t>(count);
    }
    if (size > 0 && room[size - 1] == '\n') {
        --size;
    }
    if (size == 0 || size > kLongestKey) {
        return fail("psk-size", fmt::format("psk: {} holds {}: expected a key of 1 to {} bytes", path,
                                            size == 0 ? "nothing" : "more", kLongestKey));
    }
    return KeyFile{ike::SharedKey(content.expose().first(size)), (status.st_mode & S_IROTH) != 0};
}

/// The keys of one connection.
class KeyLoader {
   public:
    KeyLoader(IkeConnection& connection, Diagnostics& faults, Diagnostics& warnings)
        : connection_(connection), faults_(faults), warnings_(warnings) {}

    void load() {
        const std::string& path = connection_.psk.path;
        switch (connection_.psk.kind) {
            case SecretReference::Kind::none:
                return;
            case SecretReference::Kind::file:
                if (auto key = read(path)) {
                    connection_.rules->keys.set_for_all(*std::move(key));
                }
                return;
            case SecretReference::Kind::directory:
                load_directory(path);
                return;
            case SecretReference::Kind::option:
                connection_.rules->keys.set_for_all(duplicate(*connection_.given_psk));
                return;
        }
    }

   private:
    std::optional<ike::SharedKey> read(const std::string& path) {
        auto file = read_key(path);
        if (!file) {
            faults_.push_back({connection_.psk.where, file.error().reason, file.error().sentence});
            return {};
        }
        if (file->open_to_all) {
            warnings_.push_back({connection_.psk.where, "psk-open-to-all",
                                 fmt::format("psk: everybody on this machine can read {}: chmod o-r it", path)});
        }
        return std::move(file->key);
    }

    void load_directory(const std::string& path) {
        std::error_code error;
        std::vector<std::filesystem::path> files;
        for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
             entry.increment(error)) {
            if (!entry->path().filename().native().starts_with('.')) {
                files.push_back(entry->path());
            }
        }
        if (error) {
            faults_.push_back(
                {connection_.psk.where, "psk-unreadable", fmt::format("psk: {}: {}", path, error.message())});
        }
        std::ranges::sort(files);
        for (const std::filesystem::path& file : files) {
            auto peer = ike::parse_identity(file.filename().native());
            if (!peer) {
                faults_.push_back({connection_.psk.where, peer.error().reason,
                                   fmt::format("psk: in {}: {}", path, escaped(peer.error().sentence))});
            } else if (auto key = read(file)) {
                connection_.rules->keys.set(*std::move(peer), *std::move(key));
            }
        }
    }

    IkeConnection& connection_;
    Diagnostics& faults_;
    Diagnostics& warnings_;
};

/// The first address of the family that `local` has, or of any.
std::optional<IpAddress> look_up(const std::string& name, const std::optional<IpAddress>& local, std::string& why) {
    addrinfo hints{};
    hints.ai_family = !local ? AF_UNSPEC : local->family() == Family::ipv4 ? AF_INET : AF_INET6;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    const int status = getaddrinfo(name.c_str(), nullptr, &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    if (status != 0) {
        why = gai_strerror(status);
        return {};
    }
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        if (one->ai_family == AF_INET) {
            const auto* address = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
            return IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&address->sin_addr), 4});
        }
        if (one->ai_family == AF_INET6) {
            const auto* address = reinterpret_cast<const sockaddr_in6*>(one->ai_addr);
            return IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&address->sin6_addr), 16});
        }
    }
    why = "no address";
    return {};
}

}  // namespace

Diagnostics load_secrets(IkeConfiguration& ike, Diagnostics& warnings) {
    Diagnostics faults;
    for (IkeConnection& connection : ike.connections) {
        KeyLoader(connection, faults, warnings).load();
    }
    return faults;
}

Diagnostics look_up_peers(IkeConfiguration& ike) {
    Diagnostics faults;
    for (IkeConnection& connection : ike.connections) {
        if (connection.remote_host.empty()) {
            continue;
        }
        std::string why;
        connection.rules->remote = look_up(connection.remote_host, connection.rules->local, why);
        if (!connection.rules->remote) {
            faults.push_back({connection.remote, "host-not-found",
                              fmt::format("remote: {} can't be looked up: {}", connection.remote_host, why)});
        }
    }
    return faults;
}

}  // namespace keysluice::control
