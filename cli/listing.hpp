#pragma once

#include <string>

#include "base/instant.hpp"
#include "cli/answers.hpp"
#include "cli/style.hpp"

namespace keysluice::cli {

/// Which lines of an IKE SA.
enum class Depth { whole, ike_only, children_only };

/// As swanctl --list-sas writes it, line for line and word for word, so that whoever reads that reads this: name,
/// state and SPIs, the two ends, algorithms, times; below, the CHILD SAs. What the service does not say is left out
/// (numbers of SAs and reqids), and the line of a CHILD SA ends with its offload, which swanctl does not have:
/// "offload: packet(eth0)", "offload: sw (reason)".
///
/// Everything in it passes through printable().
[[nodiscard]] std::string listing(const IkeSa& sa, Instant now, const Style& style, Depth depth = Depth::whole);

/// One TLS service and who carries its connections.
[[nodiscard]] std::string listing(const TlsService& service, const Style& style);

/// One TLS session, below its service.
[[nodiscard]] std::string listing(const TlsSession& session, Instant now, const Style& style);

/// "offload: crypto(eth0) (…)", without the first word.
[[nodiscard]] std::string offload_of(const ChildSa& child);

/// A counter of a TLS service, 0 where it is not there.
[[nodiscard]] std::uint64_t counter_of(const TlsService& service, const std::string& name);

}  // namespace keysluice::cli
