#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "daemon/shared/endpoint.hpp"

namespace keysluice {

/// "192.0.2.1:4711", "[2001:db8::1]:4711" or "a local process": the other end of a connection, for a log line.
[[nodiscard]] std::string describe_peer(const SocketAddress& peer);
/// The same, of a connected socket.
[[nodiscard]] std::string describe_peer(int fd);
/// The same of its own end.
[[nodiscard]] std::string describe_local(int fd);

/// From now on the last close() of this socket sends a reset, whoever closes it and for whatever reason: what was
/// sent so far is not the whole. A plaintext side is in this state until its end was said in an orderly way, so that
/// the death of a process never looks like the end of the data. (Unix sockets have no reset.)
void reset_on_close(int fd);
/// The last close() sends a FIN again.
void close_in_order(int fd);
/// Whether something has come that nobody has read yet.
[[nodiscard]] bool has_unread(int fd);

/// Raises the limit of descriptors to what the system grants (the hard limit), and tells how many that are.
[[nodiscard]] std::size_t raise_descriptor_limit();

/// Descriptors that a program keeps for itself: logs, channels, listeners, epoll.
inline constexpr std::size_t kReservedDescriptors = 64;

/// `NAME/sub` below the runtime directory: "keeper.sock", "control.sock", "status.sock".
[[nodiscard]] std::string runtime_path(const std::string& directory, std::string_view name);

}  // namespace keysluice
