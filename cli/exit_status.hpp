#pragma once

#include <string_view>

namespace keysluice::cli {

/// What `keysluice` ends with; the numbers are promises of keysluice(1).
enum class ExitStatus {
    done = 0,
    failed = 1,
    usage = 2,          ///< the command line makes no sense
    not_found = 3,      ///< no connection, group, service or SA of that name
    not_running = 4,    ///< no bus, or no keysluiced or no IKE behind it
    not_permitted = 5,  ///< the caller may not do that
    incomplete = 6,     ///< done, but for a part that has no equivalent (import)
};

/// By the reason code of what failed.
[[nodiscard]] ExitStatus exit_status_of(std::string_view reason);

}  // namespace keysluice::cli
