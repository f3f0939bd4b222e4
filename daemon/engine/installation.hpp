#pragma once

#include <memory>

#include "base/result.hpp"
#include "daemon/engine/translate.hpp"
#include "daemon/shared/traffic_secrets.hpp"
#include "ktls/probe.hpp"
#include "tls/session.hpp"

namespace keysluice {

enum class Carrier : std::uint8_t { kernel, userspace };
[[nodiscard]] std::string_view to_string(Carrier carrier);

/// Who carries a connection from now on, and, where it is not the kernel, the reason code of that.
struct Placement {
    Carrier carrier = Carrier::userspace;
    std::string_view reason;
    std::shared_ptr<const TrafficSecrets> secrets = {};  ///< where the kernel can change the keys
};

/// Moves an established session's record layer into the kernel, or says why it stays here.
///
/// Everything that can fail happens before the point of no return: the cipher is looked up in what the probe found,
/// the keys are derived and encoded, the upper layer protocol is attached. The first key that the kernel takes is
/// that point. A failure behind it is this function's failure, and the connection must be closed without another
/// byte: neither side may go on with keys whose sequence numbers are in doubt. On success with Carrier::kernel both
/// directions were read back, and the session must not encrypt or decrypt again.
///
/// `rekey`: its keys must change (RekeyAfter). TLS 1.2 can't do that, whoever carries it.
[[nodiscard]] Result<Placement> place(int fd, tls::Session& session, const ktls::Capabilities& kernel, bool rekey);

/// Fails with "ktls-read-back-differs" where the kernel uses other keys for this socket, or none.
[[nodiscard]] Result<void> read_back(int fd, const KernelKeys& keys);

}  // namespace keysluice
