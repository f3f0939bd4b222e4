#include "daemon/control/ike_files.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>

#include "daemon/control/secret_file.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

constexpr SecretFileKind kPskFile{.key = "psk",
                                  .content = "a key",
                                  .unreadable = "psk-unreadable",
                                  .size = "psk-size",
                                  .open_to_all = "psk-open-to-all"};

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
        auto key = read_secret_file(path, kPskFile, connection_.psk.where, warnings_);
        if (!key) {
            faults_.push_back({connection_.psk.where, key.error().reason, key.error().sentence});
            return {};
        }
        return *std::move(key);
    }

    void load_directory(const std::string& path) {
        const auto files = secret_files_in(path, kPskFile);
        if (!files) {
            faults_.push_back({connection_.psk.where, files.error().reason, files.error().sentence});
            return;
        }
        for (const std::string& each : *files) {
            const std::filesystem::path file(each);
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

KnownPeers known_peers(const IkeConfiguration& ike) {
    KnownPeers known;
    for (const IkeConnection& connection : ike.connections) {
        const auto& found = connection.rules->gateways.all;
        if (found.size() != connection.peers.size()) {
            continue;  // some were not found, or two are the same
        }
        for (std::size_t i = 0; i < found.size(); ++i) {
            known.insert_or_assign(connection.peers[i].host, found[i].address);
        }
    }
    return known;
}

Diagnostics look_up_peers(IkeConfiguration& ike, const KnownPeers& known, Diagnostics& warnings) {
    Diagnostics faults;
    for (IkeConnection& connection : ike.connections) {
        ike::Connection& rules = *connection.rules;
        Diagnostics missing;
        for (const IkePeer& peer : connection.peers) {
            std::string why;
            auto address = peer.address ? peer.address : look_up(peer.host, rules.local, why);
            const auto before = known.find(peer.host);
            if (!address && before != known.end() &&
                (!rules.local || rules.local->family() == before->second.family())) {
                address = before->second;
                warnings.push_back({peer.where, "host-not-found",
                                    fmt::format("remote: {} can't be looked up: {}; {}, as before, is taken for it",
                                                peer.host, why, address->text())});
            }
            const std::uint32_t port = peer.port != 0 ? peer.port : ike.settings.port;
            const UdpEndpoint gateway{address.value_or(IpAddress()), static_cast<std::uint16_t>(port)};
            if (!address) {
                missing.push_back(
                    {peer.where, "host-not-found", fmt::format("remote: {} can't be looked up: {}", peer.host, why)});
            } else if (std::ranges::find(rules.gateways.all, gateway) == rules.gateways.all.end()) {
                rules.gateways.all.push_back(gateway);
            }
        }
        if (!rules.gateways.all.empty()) {
            rules.remote = rules.gateways.all.front().address;
        }
        // One gateway that has a name which nobody knows is as good as one that is off.
        std::ranges::move(missing, std::back_inserter(rules.gateways.all.empty() ? faults : warnings));
    }
    return faults;
}

}  // namespace keysluice::control
