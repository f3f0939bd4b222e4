#include "daemon/engine/handshake_table.hpp"

#include <fmt/format.h>

#include <numeric>
#include <utility>

namespace keysluice {

Result<tls::EapHandshake*> HandshakeTable::find(const TlsTurnHeard& turn, Instant now) {
    if (!turn.begins) {
        const auto running = all_.find(turn.handshake);
        return running != all_.end() ? Result<tls::EapHandshake*>(&running->second.tls)
                                     : fail("eap-tls-failed", "the engine knows nothing of this handshake");
    }
    std::erase_if(all_, [now](const auto& each) { return each.second.since + kLongest <= now; });
    EVP_PKEY* const key = signer_.find(turn.key);
    if (key == nullptr || all_.size() >= kMost) {
        return fail("eap-tls-failed", key == nullptr ? "the engine has no such private key"
                                                     : fmt::format("{} handshakes are under way already", kMost));
    }
    const auto role = turn.server ? tls::EapHandshake::Role::server : tls::EapHandshake::Role::client;
    auto begun = tls::EapHandshake::begin(role, *key, turn.chain);
    if (!begun) {
        return pass_on(std::move(begun));
    }
    forget(turn.handshake);
    return &all_.emplace(turn.handshake, Running{*std::move(begun), now}).first->second.tls;
}

TlsTurnAnswered HandshakeTable::hear(const TlsTurnHeard& turn, Instant now) {
    TlsTurnAnswered answer{.token = turn.token, .records = {}, .chain = {}, .msk = {}, .sentence = {}};
    const auto handshake = find(turn, now);
    if (!handshake) {
        answer.sentence = handshake.error().sentence;
        return answer;
    }
    tls::EapHandshake::Turn said = (*handshake)->hear(turn.records);
    if (!said.why.reason.empty()) {
        said.chain.clear();
    }
    const std::size_t shown = std::accumulate(said.chain.begin(), said.chain.end(), std::size_t{0},
                                              [](std::size_t sum, const auto& each) { return sum + each.size(); });
    if (said.records.size() > kMostTlsTurn || shown > kMostTlsTurn || said.chain.size() > kMostTlsCertificates) {
        said = {.why = {"eap-tls-failed", fmt::format("more than {} certificates, or {} octets of them",
                                                      kMostTlsCertificates, kMostTlsTurn)}};
    }
    answer.records = std::move(said.records);
    answer.sentence = std::move(said.why.sentence);
    answer.chain = std::move(said.chain);
    if (!said.msk.empty()) {
        answer.msk = std::make_shared<const Secret<64>>(std::move(said.msk));
    }
    if (answer.msk || !answer.sentence.empty()) {
        forget(turn.handshake);
    }
    return answer;
}

}  // namespace keysluice
