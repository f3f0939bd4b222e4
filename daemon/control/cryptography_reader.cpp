#include "daemon/control/cryptography_reader.hpp"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "daemon/shared/quoted.hpp"
#include "tls/cipher_policy.hpp"
#include "tls/group_policy.hpp"

namespace keysluice::control {
namespace {

struct AlgorithmKey {
    std::string_view key;
    std::string_view example;
    std::string_view unknown;  ///< the reason code for what can't be a name
};

constexpr AlgorithmKey kCiphers{"ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256", "cipher-unknown"};
constexpr AlgorithmKey kCiphersuites{"ciphersuites", "TLS_AES_128_GCM_SHA256", "cipher-unknown"};
constexpr AlgorithmKey kGroups{"key_exchange_groups", "X25519", "group-unknown"};

using Check = std::function<Result<void>(const std::string&)>;

void read_algorithms(Section& section, const AlgorithmKey& of, const Check& check, std::vector<std::string>& into) {
    for (PlacedText& name : section.texts(of.key, kMostAlgorithms, of.example)) {
        if (!is_algorithm_name(name.text)) {
            section.report(name.where, of.unknown,
                           fmt::format("{}: {} is not one name: expected one in each string, as in \"{}\"", of.key,
                                       in_quotes(name.text), of.example));
        } else if (const auto checked = check(name.text); !checked) {
            section.report(name.where, checked.error().reason,
                           fmt::format("{}: {}", of.key, checked.error().sentence));
        } else {
            into.push_back(std::move(name.text));
        }
    }
}

/// A list that could never count is a mistake, and an expensive one where somebody relies on it.
void refuse_useless(Section& section, std::string_view key, TlsVersion of, std::string_view limit,
                    TlsVersion limited) {
    if (section.has(key)) {
        section.report(section.position(key), "wrong-version",
                       fmt::format("{} are for TLS {}, which {} = \"{}\" rules out", key, to_string(of), limit,
                                   to_string(limited)));
    }
}

void check_versions(Section& section, const TlsService& service) {
    if (service.max_version < service.min_version) {
        section.report(section.position(section.has("max_version") ? "max_version" : "min_version"),
                       "version-range-empty",
                       fmt::format("max_version = \"{}\" is below min_version = \"{}\"",
                                   to_string(service.max_version), to_string(service.min_version)));
        return;
    }
    if (service.min_version > TlsVersion::tls12) {
        refuse_useless(section, kCiphers.key, TlsVersion::tls12, "min_version", service.min_version);
    }
    if (service.max_version < TlsVersion::tls13) {
        refuse_useless(section, kCiphersuites.key, TlsVersion::tls13, "max_version", service.max_version);
    }
}

}  // namespace

void read_cryptography(Section& section, TlsService& service) {
    section.choice("min_version", kTlsVersionNames, service.min_version);
    section.choice("max_version", kTlsVersionNames, service.max_version);
    check_versions(section, service);
    read_algorithms(
        section, kCiphers, [](const std::string& name) { return tls::check_cipher(tls::Version::tls12, name); },
        service.ciphers);
    read_algorithms(
        section, kCiphersuites, [](const std::string& name) { return tls::check_cipher(tls::Version::tls13, name); },
        service.ciphersuites);
    read_algorithms(section, kGroups, tls::check_group, service.key_exchange_groups);
    if (service.key_exchange_groups.empty()) {
        return;
    }
    const auto newest = service.max_version == TlsVersion::tls13 ? tls::Version::tls13 : tls::Version::tls12;
    if (const auto usable = tls::usable_groups(service.key_exchange_groups, newest); !usable) {
        section.report(section.position(kGroups.key), usable.error().reason,
                       fmt::format("{}: {}", kGroups.key, usable.error().sentence));
    }
}

}  // namespace keysluice::control
