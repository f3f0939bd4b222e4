#include "eap/peer.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keysluice::eap {
namespace {

std::string names_of(const std::vector<Type>& methods) {
    std::string names;
    for (const Type each : methods) {
        names += (names.empty() ? "" : ", ") + name_of(each);
    }
    return names;
}

Answer answer_with(const Packet& request, Type type, Octets data) {
    return {.packet = emit({.code = Code::response, .id = request.id, .type = type, .data = std::move(data)})};
}

/// RFC 3748 section 5.3.1: "The Nak […] contains one or more authentication Types desired by the Peer". It comes
/// before the method has begun, or not at all.
Result<Answer> decline(const Rules& rules, const Peer& peer, const Packet& request) {
    if (peer.method != Type::none) {
        return fail("eap-malformed",
                    fmt::format("a request for {} in the midst of {}", name_of(request.type), name_of(peer.method)));
    }
    Octets wanted;
    std::ranges::transform(rules.methods, std::back_inserter(wanted),
                           [](Type each) { return static_cast<std::uint8_t>(each); });
    return answer_with(request, Type::nak, std::move(wanted));
}

Result<Answer> on_tls_request(Peer& peer, const Packet& request) {
    const auto frame = parse_tls(request.data);
    if (!frame) {
        return std::unexpected(frame.error());
    }
    peer.tls.id = request.id;
    if (peer.tls.refused) {
        return answer_with(request, Type::tls, emit_tls({.total = {}}));  // an alert of its own
    }
    if (frame->start != !peer.tls.begun || (frame->start && !frame->data.empty()) || !peer.msk.empty()) {
        return fail("eap-malformed",
                    fmt::format("EAP-TLS {}", peer.tls.begun ? "begins again, or goes on behind its end"
                                                             : "goes on before it has begun"));
    }
    if (frame->start) {
        peer.tls.begun = true;
        return Answer{.kind = Answer::Kind::handshake, .turn = {.begins = true}};
    }
    auto heard = hear(peer.tls.turns, *frame);
    if (!heard) {
        return pass_on(std::move(heard));
    }
    if (auto& answer = heard->answer; answer) {
        return answer_with(request, Type::tls, *std::move(answer));
    }
    if (heard->turn.empty()) {
        return fail("eap-malformed", "EAP-TLS: a request with nothing in it");
    }
    return Answer{.kind = Answer::Kind::handshake, .turn = {.records = std::move(heard->turn)}};
}

Result<Answer> on_request(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules, Peer& peer,
                          const Packet& request) {
    if (request.type == Type::identity) {
        const Bytes identity = as_bytes(rules.identity);
        return answer_with(request, Type::identity, {identity.begin(), identity.end()});
    }
    if (request.type == Type::notification) {
        return answer_with(request, Type::notification, {});
    }
    if (std::ranges::find(rules.methods, request.type) == rules.methods.end()) {
        return decline(rules, peer, request);
    }
    peer.method = request.type;
    if (request.type == Type::tls) {
        return on_tls_request(peer, request);
    }
    auto data = answer(legacy, random, rules, peer.mschapv2, peer.msk, request.data);
    if (!data) {
        return pass_on(std::move(data));
    }
    return answer_with(request, request.type, *std::move(data));
}

Error refusal(const Rules& rules, const Peer& peer) {
    if (peer.tls.refused) {
        return {"eap-tls-failed", "TLS came to nothing; the process that knew why is no more"};
    }
    if (peer.method == Type::none) {
        return {"eap-method", fmt::format("it ended EAP without asking for {}: it offers other methods, or does not "
                                          "know {}",
                                          names_of(rules.methods), rules.identity)};
    }
    return {
        "eap-refused",
        fmt::format("it does not accept {} by {}{}; {}", rules.identity, name_of(peer.method),
                    peer.mschapv2.refused > 1 ? fmt::format(", error {}", peer.mschapv2.refused) : "",
                    peer.method == Type::tls ? "does it trust the authority of our certificate, and is it made out "
                                               "to this name?"
                                             : "is the password right?")};
}

}  // namespace

Result<Answer> on_packet(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules, Peer& peer,
                         Bytes octets) {
    const auto packet = parse(octets);
    if (!packet) {
        return std::unexpected(packet.error());
    }
    switch (packet->code) {
        case Code::request:
            return on_request(legacy, random, rules, peer, *packet);
        case Code::success:
            // RFC 3748 section 4.2: "a peer MUST NOT accept […] a Success […] if […] the method […] indicates that
            // the peer is not authorized", or has not come to its end.
            if (peer.msk.empty()) {
                return fail("eap-malformed", "it accepts us before it has asked for proof, or shown its own");
            }
            return Answer{.kind = Answer::Kind::success};
        case Code::failure:
            return Answer{.kind = Answer::Kind::refusal, .why = refusal(rules, peer)};
        case Code::response:
            break;
    }
    return fail("eap-malformed", "a response came, where a request was expected");
}

Result<Answer> on_tls(Peer& peer, Bytes heard, TlsProgress progress) {
    const bool failed = !progress.why.reason.empty();
    if (progress.alert != 0) {
        progress.records = alert_to(heard, progress.alert);
    }
    if (failed && !progress.of_tls && progress.records.empty()) {
        return std::unexpected(std::move(progress.why));
    }
    // RFC 5216 section 2.1.3: a peer that has heard of its failure in an alert answers with "an EAP-Response packet
    // with EAP-Type=EAP-TLS and no data, in which case the EAP-Server MUST send an EAP-Failure packet and terminate
    // the conversation." And of an alert of ours: "the peer MUST wait for the EAP Server to reply before terminating
    // the conversation."
    peer.tls.refused = failed;
    if (!failed) {
        peer.msk = std::move(progress.msk);
    }
    return Answer{.packet = emit({.code = Code::response,
                                  .id = peer.tls.id,
                                  .type = Type::tls,
                                  .data = speak(peer.tls.turns, std::move(progress.records))}),
                  .why = std::move(progress.why)};
}

}  // namespace keysluice::eap
