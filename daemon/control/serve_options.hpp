#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace keysluice::control {

/// `keysluiced --serve LISTEN CONNECT …`: one TLS service, told on the command line instead of in a file.
struct ServeOptions {
    std::vector<std::string> ends = {};  ///< LISTEN and CONNECT, as in the configuration, or a port alone
    std::string mode = "server";
    std::string certificate = {};
    std::string private_key = {};  ///< "file:PATH", "credential:NAME", or a path
    std::string ca = {};
    std::string client_certificate = {};
    std::string server_name = {};
    std::string runtime_directory = {};  ///< empty: one that belongs to LISTEN
};

/// What stands in a configuration for that. A port alone listens on all addresses, in client mode on loopback, and is
/// connected to on 127.0.0.1. Paths become absolute. Everything else is the configuration's to judge.
[[nodiscard]] std::string configuration_text(const ServeOptions& options);

/// Writes it as keysluice.toml into the runtime directory, which only this user may enter, so that the service's
/// other processes, a reload and --status read the same; answers with the file's path.
///
/// Errors: `no-runtime-directory` (not root, and no $XDG_RUNTIME_DIR), `file-unwritable`.
[[nodiscard]] Result<std::string> write_configuration(ServeOptions options);

}  // namespace keysluice::control
