#include "ike/eap_auth.hpp"

#include <fmt/format.h>

#include <cassert>
#include <memory>
#include <utility>

#include "crypto/distinguished_name.hpp"
#include "ike/auth.hpp"
#include "ike/informational.hpp"
#include "ike/proof.hpp"
#include "ike/wire/text.hpp"

namespace keysluice::ike {
namespace {

Error of_eap(const Sa& sa, Error error) {
    const auto* server = std::get_if<eap::Server>(&sa.negotiation->eap->side);
    const std::string user = server != nullptr && !server->identity.empty()
                                 ? fmt::format(", user {}", wire::readable(as_bytes(server->identity)))
                                 : "";
    error.sentence = fmt::format("EAP with {}{}: {}", peer_text(sa), user, error.sentence);
    return error;
}

void begin(Context& context, Sa& sa, const Incoming& first, std::unique_ptr<EapExchange> exchange) {
    sa.negotiation->auth = first;
    sa.negotiation->eap = std::move(exchange);
    sa.negotiation->until = context.now + kEapPatience;
    sa.negotiation->refusal.reset();  // of an answer that came before the true one
    become(context, sa, State::eap);
}

Error endless(const Sa& sa) {
    return {"eap-rounds",
            fmt::format("EAP with {} has not come to an end after {} rounds", peer_text(sa), kMostEapRounds)};
}

// ---- EAP-TLS

/// Who a user says to be in EAP. With an anonymous identity, which only says who knows the user (RFC 7542 section
/// 2.4), it is IDi that its certificate has to bear out. Fails with "peer-identity".
Result<wire::Identity> user_of(const Sa& sa, const std::string& said) {
    if (said.empty() || said.starts_with('@')) {
        return sa.peer_id;
    }
    // strongSwan sends a distinguished name as it stands in the certificate.
    wire::Identity user{.type = wire::IdType::dn, .data = {said.begin(), said.end()}};
    if (crypto::print_name(user.data).empty()) {
        user = parse_identity(said).value_or(wire::Identity{});
    }
    if (user.data.empty() || !sa.connection->remote_id.matches(user)) {
        return fail("peer-identity", fmt::format("it is none of {}, whom connection {} expects",
                                                 sa.connection->remote_id.text(), sa.connection->name));
    }
    return user;
}

/// To whom the certificate that the peer shows in EAP-TLS has to be made out.
Result<wire::Identity> identity_in_tls(const Sa& sa) {
    const auto* server = std::get_if<eap::Server>(&sa.negotiation->eap->side);
    return server != nullptr ? user_of(sa, server->identity) : sa.connection->eap_server_id.value_or(sa.peer_id);
}

void take_progress(Context& context, Sa& sa, eap::TlsProgress progress);

/// `request`: of the peer, which waits for what TLS says.
void ask_tls(Context& context, Sa& sa, eap::TlsTurn turn, std::optional<Incoming> request) {
    sa.negotiation->eap->handshake = {.turn = std::move(turn), .request = std::move(request)};
    ask_tls_again(context, sa);
}

// ---- initiator

/// Why it comes to nothing: what TLS has found before, where it has failed and the server has yet to end EAP.
Error first_reason(const Sa& sa, Error why) {
    return sa.negotiation->refusal.value_or(std::move(why));
}

void send_eap_proof(Context& context, Sa& sa) {
    auto proof = own_eap_proof(context, sa);
    if (!proof) {
        fail_and_end(context, sa, std::move(proof).error());
        return;
    }
    sa.negotiation->eap->over = true;
    send_request(context, sa, wire::ExchangeType::ike_auth, {*std::move(proof)});
}

void answer_packet(Context& context, Sa& sa, const wire::EapPayload& payload) {
    EapExchange& exchange = *sa.negotiation->eap;
    if (++exchange.rounds > kMostEapRounds) {
        distrust_responder(context, sa, first_reason(sa, endless(sa)));
        return;
    }
    auto answer = eap::on_packet(context.tools.legacy, context.random, sa.connection->eap_rules,
                                 std::get<eap::Peer>(exchange.side), payload.packet);
    if (!answer) {
        distrust_responder(context, sa, first_reason(sa, of_eap(sa, std::move(answer).error())));
        return;
    }
    switch (answer->kind) {
        case eap::Answer::Kind::response:
            send_request(context, sa, wire::ExchangeType::ike_auth, {wire::EapPayload{std::move(answer->packet)}});
            return;
        case eap::Answer::Kind::handshake:
            ask_tls(context, sa, std::move(answer->turn), {});
            return;
        case eap::Answer::Kind::success:
            send_eap_proof(context, sa);
            return;
        case eap::Answer::Kind::refusal:
            // Section 2.21: "Only authentication failures (AUTHENTICATION_FAILED and EAP failure) […] lead to a
            // deletion of the IKE SA without requiring an explicit INFORMATIONAL exchange".
            fail_and_end(context, sa, first_reason(sa, of_eap(sa, std::move(answer->why))));
            return;
    }
}

// ---- responder

/// Who the peer is, now that it has proved it. Section 2.16: "It is important that policy lookups and access control
/// decisions use the actual authenticated identity", which IDi need not be.
Result<wire::Identity> identity_of(const Sa& sa) {
    const auto& server = std::get<eap::Server>(sa.negotiation->eap->side);
    if (server.asked == eap::Type::tls) {
        return identity_in_tls(sa);
    }
    const std::string& user = server.identity;
    const wire::IdType type = user.contains('@') ? wire::IdType::email : wire::IdType::fqdn;
    return wire::Identity{.type = type, .data = {user.begin(), user.end()}};
}

void finish(Context& context, Sa& sa, const Incoming& message) {
    const auto* proof = find<wire::AuthPayload>(message.payloads);
    auto proved = proof != nullptr ? check_eap_proof(context, sa, *proof)
                                   : fail("eap-malformed", fmt::format("{} sent no AUTH behind EAP", peer_text(sa)));
    auto own = proved ? own_eap_proof(context, sa) : pass_on(std::move(proved));
    if (!own) {
        refuse_peer(context, sa, message, std::move(own).error());
        return;
    }
    auto user = identity_of(sa);
    if (!user) {
        refuse_peer(context, sa, message, of_eap(sa, std::move(user).error()));
        return;
    }
    sa.peer_id = *std::move(user);
    // What it asks for stands in its first request, and the answer belongs to this one.
    const auto& first = sa.negotiation->auth;
    assert(first);
    Incoming whole = *first;
    whole.id = message.id;
    whole.digest = message.digest;
    admit_initiator(context, sa, whole, {*std::move(own)});
}

void give_reply(Context& context, Sa& sa, const Incoming& message, eap::Reply reply) {
    sa.negotiation->eap->over = reply.kind == eap::Reply::Kind::success;
    if (!reply.why.reason.empty()) {
        report(context, sa, Report::Kind::refused, of_eap(sa, std::move(reply.why)));
    }
    // Section 2.21: "If the exchange is terminated with EAP Failure, an AUTHENTICATION_FAILED notification is not
    // sent."
    send_response(context, sa, message, {wire::EapPayload{std::move(reply.packet)}});
    if (reply.kind == eap::Reply::Kind::failure) {
        end(context, sa);
    }
}

void judge_packet(Context& context, Sa& sa, const Incoming& message, const wire::EapPayload& payload) {
    EapExchange& exchange = *sa.negotiation->eap;
    if (++exchange.rounds > kMostEapRounds) {
        refuse_peer(context, sa, message, endless(sa));
        return;
    }
    eap::Reply reply = eap::on_response(context.tools.legacy, context.random, sa.connection->eap_rules,
                                        std::get<eap::Server>(exchange.side), payload.packet);
    if (reply.kind == eap::Reply::Kind::handshake) {
        ask_tls(context, sa, std::move(reply.turn),
                Incoming{.id = message.id, .exchange = message.exchange, .digest = message.digest, .payloads = {}});
    } else {
        give_reply(context, sa, message, std::move(reply));
    }
}

// ---- EAP-TLS, both

void take_progress(Context& context, Sa& sa, eap::TlsProgress progress) {
    EapExchange& exchange = *sa.negotiation->eap;
    const auto handshake = std::exchange(exchange.handshake, {});
    assert(handshake);
    sa.negotiation->asked = false;
    if (auto* server = std::get_if<eap::Server>(&exchange.side)) {
        assert(handshake->request);
        give_reply(context, sa, *handshake->request, eap::on_tls(*server, std::move(progress)));
        return;
    }
    auto answer = eap::on_tls(std::get<eap::Peer>(exchange.side), handshake->turn.records, std::move(progress));
    if (!answer) {
        distrust_responder(context, sa, of_eap(sa, std::move(answer).error()));
        return;
    }
    if (!answer->why.reason.empty()) {
        sa.negotiation->refusal = of_eap(sa, std::move(answer->why));
    }
    send_request(context, sa, wire::ExchangeType::ike_auth, {wire::EapPayload{std::move(answer->packet)}});
}

}  // namespace

void ask_tls_again(Context& context, Sa& sa) {
    auto identity = identity_in_tls(sa);
    if (!identity) {
        take_progress(context, sa, {.records = {}, .msk = {}, .why = std::move(identity).error()});
        return;
    }
    const auto& handshake = sa.negotiation->eap->handshake;
    assert(handshake);
    sa.negotiation->asked = true;
    context.actions.emplace_back(AnswerTls{.sa = sa.own_spi(),
                                           .epoch = context.settings.epoch,
                                           .server = !sa.initiator,
                                           .turn = handshake->turn,
                                           .connection = sa.connection,
                                           .identity = *std::move(identity)});
}

void on_tls_answered(Context& context, Sa& sa, const TlsAnswered& event) {
    const bool waits = sa.state == State::eap && sa.negotiation->eap->handshake && sa.negotiation->asked;
    if (waits && event.epoch == context.settings.epoch) {
        take_progress(context, sa,
                      {.records = event.progress.records,
                       .msk = duplicate(event.progress.msk),
                       .why = event.progress.why,
                       .of_tls = event.progress.of_tls,
                       .alert = event.progress.alert});
    }
}

void begin_eap(Context& context, Sa& sa, const Incoming& first) {
    const auto* payload = find<wire::EapPayload>(first.payloads);
    if (payload == nullptr) {
        distrust_responder(context, sa,
                           {"auth-method", fmt::format("{} asks for no EAP, by which connection {} proves who we are",
                                                       peer_text(sa), sa.connection->name)});
        return;
    }
    begin(context, sa, first, std::make_unique<EapExchange>());
    answer_packet(context, sa, *payload);
}

void on_eap_response(Context& context, Sa& sa, const Incoming& message) {
    close_exchange(sa);
    const bool over = sa.negotiation->eap->over;
    const auto* payload = find<wire::EapPayload>(message.payloads);
    const auto* proof = find<wire::AuthPayload>(message.payloads);
    if (!over && payload != nullptr) {
        answer_packet(context, sa, *payload);
    } else if (!over || proof == nullptr) {
        fail_and_end(context, sa, first_reason(sa, refused_auth(sa, message.payloads)));
    } else if (auto proved = check_eap_proof(context, sa, *proof); !proved) {
        distrust_responder(context, sa, std::move(proved).error());
    } else {
        accept_responder(context, sa, message.payloads);
    }
}

void offer_eap(Context& context, Sa& sa, const Incoming& first, Payloads payloads) {
    auto exchange = std::make_unique<EapExchange>();
    // Section 3.16 would rather have us take IDi for the user's name; but clients that put their address there are
    // many.
    payloads.emplace_back(wire::EapPayload{
        eap::begin(context.random, sa.connection->eap_rules, exchange->side.emplace<eap::Server>())});
    begin(context, sa, first, std::move(exchange));
    send_response(context, sa, first, payloads);
}

void on_eap_request(Context& context, Sa& sa, const Incoming& message) {
    const auto* payload = find<wire::EapPayload>(message.payloads);
    if (sa.negotiation->eap->over) {
        finish(context, sa, message);
    } else if (payload == nullptr) {
        refuse_peer(context, sa, message,
                    {"eap-malformed", fmt::format("{} sent no EAP in the midst of it", peer_text(sa))});
    } else {
        judge_packet(context, sa, message, *payload);
    }
}

void on_eap_informational(Context& context, Sa& sa, const Incoming& message) {
    send_response(context, sa, message, {});
    if (find_notify(message.payloads, wire::NotifyType::authentication_failed) == nullptr &&
        !deletes_ike(message.payloads)) {
        return;
    }
    if (std::get<eap::Server>(sa.negotiation->eap->side).refused()) {
        end(context, sa);  // somebody was told why
    } else {
        fail_and_end(context, sa,
                     {"auth-refused", fmt::format("{} broke off EAP: it does not accept us as {}; its log says why",
                                                  peer_text(sa), wire::print(sa.connection->local_id))});
    }
}

Error late_eap(const Sa& sa) {
    return {"eap-timeout", fmt::format("EAP with {} was not over after {} s", peer_text(sa),
                                       std::chrono::duration_cast<std::chrono::seconds>(kEapPatience).count())};
}

}  // namespace keysluice::ike
