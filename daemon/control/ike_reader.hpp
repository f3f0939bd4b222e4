#pragma once

#include <string_view>

#include "daemon/control/ike_configuration.hpp"
#include "daemon/control/section.hpp"

namespace keysluice::control {

/// The keys of [ike] itself.
void read_ike_settings(Section& section, IkeSettings& settings);

/// Reads an [[ike.connection]] with its children, and checks all that can be checked without looking at other
/// connections or into other files. `where` is the table's place; `credentials` as for read_configuration(). After a
/// diagnostic the connection may be incomplete.
[[nodiscard]] IkeConnection read_ike_connection(const TomlTable& table, const Position& where,
                                                std::string_view credentials, Diagnostics& diagnostics);

}  // namespace keysluice::control
