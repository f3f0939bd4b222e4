#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/diagnostic.hpp"
#include "daemon/control/ike_configuration.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {

/// The [daemon] table.
struct DaemonSettings {
    std::uint32_t engines = 0;  ///< handshake engines, 0: one per CPU
    std::string runtime_directory = "/run/keysluice";
    std::string bus = "system";  ///< "system", "none" or a D-Bus address
    LogLevel log_level = LogLevel::info;
    std::string state_directory = "/var/lib/keysluice";  ///< what outlives a boot: the committed policies

    bool operator==(const DaemonSettings&) const = default;
};

/// Where a [[tls.service.certificates]] stands, in the same way.
struct CertificateSource {
    Position certificate;
    Position private_key;
    Position ocsp;

    bool operator==(const CertificateSource&) const = default;
};

/// Where a service stands in the configuration, for errors that show only later: a key that doesn't match its
/// certificate, a port in use. What the file doesn't set has the position of its [[tls.service]].
struct ServiceSource {
    Position section;
    Position certificate;
    Position private_key;
    Position ca;
    Position crl{};
    Position verify_peer{};
    Position key_exchange_groups{};
    std::vector<Position> listen;     ///< one for each of the service's listen endpoints
    std::vector<Position> connect{};  ///< and one for each of its connect endpoints
    Position ocsp{};
    std::vector<CertificateSource> certificates{};
    std::vector<std::vector<Position>> routes{};  ///< for each route, as `connect`

    bool operator==(const ServiceSource&) const = default;
};

struct Configuration {
    DaemonSettings daemon;
    std::vector<TlsService> services;
    std::vector<ServiceSource> sources;  ///< sources[i] is where services[i] stands
    IkeConfiguration ike;
};

[[nodiscard]] inline bool in_group(const std::vector<std::string>& groups, const std::string& name) {
    return std::ranges::find(groups, name) != groups.end();
}

/// A whole configuration without a fault, or every fault that was found, in the order of the files and lines.
using ConfigurationResult = std::expected<Configuration, Diagnostics>;

/// Largest configuration file.
inline constexpr std::size_t kLargestFile = 4U << 20U;

/// Texts that are read after the files, as if they were files too, and a file that is not.
struct Overlay {
    struct Text {
        std::string text;
        GivenSecrets given;
    };
    std::map<std::string, Text> texts = {};  ///< by what stands for their file's name in diagnostics
    std::filesystem::path without = {};
};

/// Reads `file` and then the conf.d/*.toml beside it in alphabetical order (hidden files are left out). Each of them
/// may add services; each key of [daemon] may be set once in all of them.
///
/// `credentials` is the directory that "credential:NAME" refers to, systemd's $CREDENTIALS_DIRECTORY; empty: there is
/// none, and a credential is an error. Whether certificates and keys can be loaded is tls::Context's to find out.
[[nodiscard]] ConfigurationResult read_configuration(const std::filesystem::path& file, std::string_view credentials,
                                                     const Overlay& overlay = {});

/// The same for one text; `name` stands for the file's name in the diagnostics.
[[nodiscard]] ConfigurationResult parse_configuration(std::string_view text, std::string_view name,
                                                      std::string_view credentials);

}  // namespace keysluice::control
