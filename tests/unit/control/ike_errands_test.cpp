#include "daemon/control/ike_errands.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
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

ike::ExchangeKeys exchange(std::uint64_t sa, ike::wire::Octets peer) {
    ike::ExchangeKeys job{.sa = {sa}, .epoch = 3, .message = {5}, .own = {}, .peer_public = std::move(peer)};
    job.own.group = crypto::Group::ecp384;
    std::ranges::fill(job.own.private_value.writable(crypto::private_size(job.own.group)), 5);
    return job;
}

}  // namespace

TEST_SUITE_BEGIN("ike errands");

TEST_CASE("the answer comes on the loop, to the SA that asked") {
    Loop loop;
    IkeErrands errands(loop);
    std::vector<ike::PeerVerified> answers;
    errands.run(job(7),
                [&](ike::Event answer) { answers.push_back(std::get<ike::PeerVerified>(std::move(answer))); });
    CHECK(answers.empty());
    turn_until(loop, [&] { return !answers.empty(); });
    CHECK(answers[0].sa.value == 7);
    CHECK(answers[0].epoch == 3);
    CHECK(answers[0].result.error().reason == "auth-method");
}

TEST_CASE("the queue has an end") {
    Loop loop;
    IkeErrands errands(loop, 2);
    std::vector<std::string> reasons;
    for (std::uint64_t sa = 1; sa <= 3; ++sa) {
        errands.run(job(sa), [&](const ike::Event& answer) {
            const auto& verified = std::get<ike::PeerVerified>(answer);
            reasons.emplace_back(std::to_string(verified.sa.value) + " " +
                                 std::string(verified.result.error().reason));
        });
    }
    CHECK(reasons.empty());
    turn_until(loop, [&] { return reasons.size() == 3; });
    CHECK(std::ranges::count(reasons, "3 verification-busy") == 1);
}

TEST_CASE("two ends come to the same secret, one of which makes its pair on the thread") {
    Loop loop;
    IkeErrands errands(loop);
    const std::vector<std::uint8_t> randomness(crypto::private_size(crypto::Group::ecp384), 7);
    auto peer = crypto::make_key_pair(crypto::Group::ecp384, randomness).value();
    std::optional<ike::KeysExchanged> answer;
    ike::ExchangeKeys job = exchange(9, peer.public_value);
    errands.run(std::move(job), [&](ike::Event event) { answer = std::get<ike::KeysExchanged>(std::move(event)); });
    CHECK(!answer);
    turn_until(loop, [&] { return answer.has_value(); });
    CHECK(answer->sa.value == 9);
    CHECK(answer->epoch == 3);
    CHECK(answer->message == crypto::Sha256{5});
    const auto shared = crypto::shared_secret(peer, answer->result.value().own.public_value);
    REQUIRE(shared);
    CHECK(std::ranges::equal(shared->expose(), answer->result->shared.expose()));
}

TEST_CASE("a key exchange that finds no room is refused") {
    Loop loop;
    IkeErrands errands(loop, 1);
    std::vector<std::string> reasons;
    for (std::uint64_t sa = 1; sa <= 2; ++sa) {
        errands.run(exchange(sa, {}), [&](const ike::Event& answer) {
            reasons.emplace_back(std::get<ike::KeysExchanged>(answer).result.error().reason);
        });
    }
    CHECK(reasons.empty());
    turn_until(loop, [&] { return reasons.size() == 2; });
    CHECK(std::ranges::count(reasons, "key-exchange-busy") == 1);
    CHECK(std::ranges::count(reasons, "key-exchange-refused") == 1);
}

TEST_SUITE_END();
