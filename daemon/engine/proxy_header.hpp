#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/shared/endpoint.hpp"
#include "daemon/shared/service.hpp"
#include "proxy/header.hpp"
#include "proxy/header_reader.hpp"
#include "tls/session.hpp"

namespace keysluice {

/// Both ends of a connected socket that was accepted; none where the client is gone already.
[[nodiscard]] proxy::Ends ends_of(int fd);

/// The client's end, as accept(2) would have told it; nothing where there are no ends.
[[nodiscard]] std::optional<SocketAddress> client_of(const proxy::Ends& ends);

/// What a session says of a client that speaks TLS with us, for PP2_TYPE_SSL and its like.
void describe_tls(const tls::Summary& session, proxy::Header& header);

/// The header for whom we connect to; empty with SendProxy::none.
[[nodiscard]] std::vector<std::uint8_t> preface_of(SendProxy version, const proxy::Header& header);

/// Of any but AcceptProxy::none.
[[nodiscard]] proxy::Versions versions_of(AcceptProxy accepted);

}  // namespace keysluice
