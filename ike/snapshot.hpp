#pragma once

#include <functional>

#include "base/secret_buffer.hpp"
#include "ike/gateways.hpp"
#include "ike/sa.hpp"

namespace keysluice::ike {

/// The whole state of an IKE SA as octets of this version of the format, keys included. What is left out: fragments
/// of a message that is not complete (its sender repeats it). Moments are the monotonic clock's, so a snapshot is
/// good until the next boot.
[[nodiscard]] SecretBuffer write_snapshot(const Sa& sa);

using FindConnection = std::function<ConnectionPtr(const std::string& name)>;

/// The SA of a snapshot, in the hands of a process with the adoption epoch `epoch` (see IvCounter). Fails with
/// "snapshot-version", "snapshot-malformed" or "snapshot-connection" (its connection is no longer configured).
[[nodiscard]] Result<std::unique_ptr<Sa>> read_snapshot(Bytes octets, const FindConnection& connection,
                                                        std::uint32_t epoch);

/// The same of connections with several gateways. Fails with "snapshot-version" or "snapshot-malformed".
[[nodiscard]] SecretBuffer write_gateways(const GatewayUses& uses);
[[nodiscard]] Result<GatewayUses> read_gateways(Bytes octets);

}  // namespace keysluice::ike
