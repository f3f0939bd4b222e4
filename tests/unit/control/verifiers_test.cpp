#include "daemon/control/verifiers.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/certified_ends.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;
using keysluice::ike::testing::certificate_of;
using keysluice::ike::testing::KeyType;
using keysluice::ike::testing::trust_in;
using keysluice::ike::testing::vault;

namespace {

/// A peer that shows its certificate and signs another message than it should.
ike::VerifyPeer job(std::uint64_t sa) {
    const auto& issued = vault().leaf("a.example", KeyType::ed25519);
    return {.sa = {sa},
            .epoch = 3,
            .identity = *ike::parse_identity("a.example"),
            .chain = {certificate_of(issued).der()},
            .proof = {.method = ike::wire::AuthMethod::digital_signature, .data = {}},
            .octets = {},
            .allow_sha1 = false,
            .authorities = trust_in({&vault().authority()})};
}

}  // namespace

TEST_SUITE_BEGIN("verifiers");

TEST_CASE("the answer comes on the loop, to the SA that asked") {
    Loop loop;
    Verifiers verifiers(loop);
    std::vector<ike::PeerVerified> answers;
    verifiers.verify(job(7), [&](ike::PeerVerified verified) { answers.push_back(std::move(verified)); });
    CHECK(answers.empty());
    turn_until(loop, [&] { return !answers.empty(); });
    CHECK(answers[0].sa.value == 7);
    CHECK(answers[0].epoch == 3);
    CHECK(answers[0].result.error().reason == "auth-method");
}

TEST_CASE("the queue has an end") {
    Loop loop;
    Verifiers verifiers(loop, 2);
    std::vector<std::string> reasons;
    for (std::uint64_t sa = 1; sa <= 3; ++sa) {
        verifiers.verify(job(sa), [&](const ike::PeerVerified& verified) {
            reasons.emplace_back(std::to_string(verified.sa.value) + " " +
                                 std::string(verified.result.error().reason));
        });
    }
    CHECK(reasons.empty());
    turn_until(loop, [&] { return reasons.size() == 3; });
    CHECK(std::ranges::count(reasons, "3 verification-busy") == 1);
}

TEST_SUITE_END();
