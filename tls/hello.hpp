#pragma once

#include <string_view>

#include "base/bytes.hpp"

namespace keysluice::tls {

/// Whether a ClientHello's supported_versions extension (RFC 8446 section 4.2.1) lists TLS 1.3. Takes the extension's
/// contents; what can't be parsed offers nothing.
[[nodiscard]] bool offers_tls13(Bytes supported_versions);

/// The host name in a ClientHello's server_name extension (RFC 6066 section 3), as it was sent. Takes the extension's
/// contents; empty: there is none, or it can't be parsed, which OpenSSL refuses.
[[nodiscard]] std::string_view server_name_in(Bytes server_name);

/// Whether a ServerHello handshake message, header included, carries the extended_master_secret extension of
/// RFC 7627 section 5.1. What can't be parsed carries nothing.
[[nodiscard]] bool has_extended_master_secret(Bytes server_hello);

}  // namespace keysluice::tls
