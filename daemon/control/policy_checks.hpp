#pragma once

#include <vector>

#include "daemon/control/configuration.hpp"
#include "daemon/control/policy_set.hpp"

namespace keysluice::control {

/// What is wrong with a set of policies as a whole, and what a person should think about.
struct PolicyFindings {
    Diagnostics wrong;
    Diagnostics warnings;
};

/// Errors: `spi-in-use`, `remote-not-one-host`, `unknown-connection`, `locked-out`, `policy-test-failed`,
/// `test-too-wide`. Warnings: `malleable-encryption`, `key-counts-on`, `protected-twice`, `icmp-swallowed`.
/// `configuration` has the TLS services and the IKE connections beside it.
[[nodiscard]] PolicyFindings check_policies(const PolicySet& set, const Configuration& configuration);

/// What a person asked for, of one family; `matches` are places in PolicySet::rules().
struct AnswerPiece {
    const policy::Question* question = nullptr;
    policy::Piece piece;
};
/// The whole answer, family by family. Fails as policy::test() does.
[[nodiscard]] Result<std::vector<AnswerPiece>> answer_question(const std::vector<policy::Policy>& rules,
                                                               const PolicyQuestion& question);

/// How a saved test ended: nothing where it is as expected.
[[nodiscard]] std::string failure_of(const SavedTest& test, const std::vector<policy::Policy>& rules);

/// "local 192.0.2.1 port 500, remote any port 20-21, tcp": of packets of that family.
[[nodiscard]] std::string packets_text(const policy::Box& packets, Family family);

}  // namespace keysluice::control
