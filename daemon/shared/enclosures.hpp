#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "base/unique_fd.hpp"

namespace keysluice {

/// Descriptors that come beside the octets of a message on a unix socket: unix(7), SCM_RIGHTS.
using Descriptors = std::vector<UniqueFd>;

/// Room beside a message for `Most` descriptors.
template <std::size_t Most>
struct alignas(cmsghdr) EnclosureRoom {
    std::array<std::byte, CMSG_SPACE(Most * sizeof(int))> octets{};
};

/// Puts descriptors beside a message that is to be sent; none, and the message stays as it is. `room` is large enough
/// and outlives the sending.
void enclose(msghdr& message, std::span<std::byte> room, std::span<const int> descriptors);

/// Those that came beside a message, in their order; they are the caller's.
[[nodiscard]] Descriptors take_enclosed(msghdr& message);

/// Effective user of the process at the other end of a unix socket when it connected, or when it began to listen
/// (SO_PEERCRED); Users::kNobody where that can't be told.
[[nodiscard]] uid_t user_at_other_end(int socket);

}  // namespace keysluice
