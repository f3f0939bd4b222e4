#pragma once

#include <string_view>

#include "daemon/control/configuration.hpp"
#include "daemon/control/toml_document.hpp"

namespace keysluice::control {

/// One [[tls.service]] and where it stands. After a diagnostic the service may be incomplete.
struct ServiceEntry {
    TlsService service;
    ServiceSource source;
};

/// Reads a [[tls.service]] and checks all that can be checked without looking at other services.
/// `where` is the table's place; `credentials` as for read_configuration().
[[nodiscard]] ServiceEntry read_service(const TomlTable& table, const Position& where, std::string_view credentials,
                                        Diagnostics& diagnostics);

}  // namespace keysluice::control
