#pragma once

#include "base/instant.hpp"
#include "base/result.hpp"
#include "cli/answers.hpp"
#include "cli/json.hpp"

namespace keysluice::cli {

// Answers as JSON; keysluice(1) documents the keys. Those of IKE SAs and CHILD SAs are the keys of keysluiced's
// status document and of DumpSas, in the same units.

[[nodiscard]] Json to_json(const IkeSa& sa, Instant now);
[[nodiscard]] Json to_json(const Connection& connection);
[[nodiscard]] Json to_json(const TlsService& service);
[[nodiscard]] Json to_json(const TlsSession& session, Instant now);
[[nodiscard]] Json counters_to_json(const TlsService& service);
[[nodiscard]] Json to_json(const Manager& manager);
[[nodiscard]] Json to_json(const Event& event);
[[nodiscard]] Json to_json(const Error& error);

}  // namespace keysluice::cli
