#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/endpoint.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {

/// Binds and listens. With `shared_port`, several sockets may listen on the same address (SO_REUSEPORT), one for each
/// engine, and the kernel spreads the connections over them.
///
/// Errors: "address-in-use", "address-not-available", "permission-denied", "listen-failed".
[[nodiscard]] Result<UniqueFd> bind_listener(const Endpoint& endpoint, bool shared_port);

/// Fails when another process serves this address. SO_REUSEPORT alone would let two services of one user share a port
/// in silence, each with half of the connections.
[[nodiscard]] Result<void> check_address_is_free(const Endpoint& endpoint);

/// How a listening socket is called at the keeper: the same configuration finds it again after a restart.
[[nodiscard]] std::string listener_name(const Endpoint& endpoint, std::uint16_t engine);

/// A unix socket has no SO_REUSEPORT: one listening socket, of which every engine has a duplicate.
[[nodiscard]] bool is_shared_by_engines(const Endpoint& endpoint);

}  // namespace keysluice::control
