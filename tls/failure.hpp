#pragma once

#include <string_view>

#include "base/result.hpp"

namespace keysluice::tls {

/// What OpenSSL's error queue says of a handshake or of a record, as a reason of ours and a sentence; `fallback` is
/// the reason when it is none of the well-known ones. The queue is empty afterwards.
///
/// Reasons: no-shared-cipher, version-too-old, client-certificate-missing, certificate-rejected, bad-record-mac,
/// record-overflow, peer-alert, record-flood, not-tls.
Error take_failure(std::string_view fallback);

}  // namespace keysluice::tls
