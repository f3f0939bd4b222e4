#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "daemon/control/diagnostic.hpp"
#include "dbus/networkmanager/keys.hpp"

namespace keysluice::networkmanager {

/// A connection of a configuration file, as NetworkManager has it.
struct ImportedConnection {
    std::string id;  ///< empty: the file gives it no name
    Data data;
};

/// The largest file that is read.
inline constexpr std::size_t kLargestConnectionFile = 64U << 10U;

/// Reads one [[ike.connection]] with one child. `name` and `start` are NetworkManager's business, and secrets are
/// where it keeps them: what the file says of psk and eap_password is not followed. Everything else must have a key
/// in vpn.data; that values make sense is for keysluiced to say.
///
/// Fails with the first thing that is wrong: "not-one-connection", "not-importable", and as parse_toml() does. `file`
/// is its name in there.
[[nodiscard]] std::expected<ImportedConnection, control::Diagnostic> import_connection(std::string_view text,
                                                                                       const std::string& file);

}  // namespace keysluice::networkmanager
