#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace keysluice {

/// Whether this is one of `application_users`, which keysluiced has looked up: they are numbers here.
[[nodiscard]] bool is_among(const std::vector<std::string>& users, uid_t user);

/// Sends one packet with a descriptor beside it (none: -1), whole or not at all; never blocks. False: errno says why.
[[nodiscard]] bool send_packet(int channel, Bytes packet, int descriptor);

}  // namespace keysluice
