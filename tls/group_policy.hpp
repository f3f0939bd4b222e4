#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tls/context.hpp"
#include "tls/openssl.hpp"
#include "tls/types.hpp"

namespace keysluice::tls {

/// Whether `name` may stand in Protocol::groups: an elliptic curve, or its hybrid with ML-KEM, that this OpenSSL has.
/// "?" in front of it, as OpenSSL 3.3 and newer have it too, says that it is left out where OpenSSL lacks it: one
/// configuration for machines with and without ML-KEM. Fails with "group-unknown".
Result<void> check_group(std::string_view name);

/// What is left of `names` on this machine, in OpenSSL's spelling, each once. Fails with "group-unknown", or with
/// "no-usable-group" where nothing is left for any version up to `newest`.
Result<std::vector<std::string>> usable_groups(const std::vector<std::string>& names, Version newest);

/// Tells OpenSSL which groups to offer and accept. Fails as usable_groups() does.
Result<void> apply_groups(SSL_CTX* context, const Protocol& protocol);

}  // namespace keysluice::tls
