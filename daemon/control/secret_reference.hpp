#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/control/section.hpp"

namespace keysluice::control {

/// Where a secret stands: never in the configuration itself.
struct SecretReference {
    enum class Kind : std::uint8_t { none, file, directory, option };
    Kind kind = Kind::none;
    std::string path;  ///< "credential:NAME" is a file, too; an engine's stays as it is written (secret_path())
    Position where;

    bool operator==(const SecretReference&) const = default;
};

/// How a key that names a secret is to be read.
struct SecretKey {
    std::string_view key;      ///< "private_key"
    std::string_view example;  ///< of a file: "/etc/keysluice/shop.key"
    bool directory = false;    ///< "directory:/PATH" is possible, too
    bool option = false;       ///< and "option:KEY": what came as that option of AddConnection
    bool engines = false;      ///< engines read it, so a credential is one of theirs
};

/// Reads "file:/PATH", "credential:NAME", "directory:/PATH" and "option:KEY". `credentials` as for
/// read_configuration(). No sentence repeats what stands there: it might be the secret itself.
void read_secret_reference(Section& section, const SecretKey& key, std::string_view credentials,
                           SecretReference& into);

}  // namespace keysluice::control
