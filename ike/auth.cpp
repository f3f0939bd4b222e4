#include "ike/auth.hpp"

#include <fmt/format.h>

#include <cassert>
#include <utility>

#include "ike/auth_lifetime.hpp"
#include "ike/create_child.hpp"
#include "ike/eap_auth.hpp"
#include "ike/informational.hpp"
#include "ike/mobility.hpp"
#include "ike/peer_certificate.hpp"
#include "ike/proof.hpp"
#include "ike/remote_access.hpp"
#include "ike/turns.hpp"
#include "ike/wire/text.hpp"

namespace keysluice::ike {
namespace {

/// Waits for a signature that is made or checked.
void wait_for(Context& context, Sa& sa, State state) {
    become(context, sa, state);
    sa.negotiation->until = context.now + kAuthPatience;
    ask_again(context, sa);
}

/// The same error, with whose proof it is about.
Error of_proof(const Sa& sa, Error error) {
    error.sentence = sa.state == State::signing
                         ? fmt::format("no signature for {}: {}", peer_text(sa), error.sentence)
                         : fmt::format("{} is not believed: {}", peer_text(sa), error.sentence);
    return error;
}

/// The peer's IKE_AUTH, which waits in the negotiation.
Incoming take_auth(Sa& sa) {
    auto auth = std::exchange(sa.negotiation->auth, {});
    assert(auth);
    return *std::move(auth);
}

/// Whether an answer is the one that the SA waits for.
bool is_awaited(const Context& context, const Sa& sa, State state, std::uint32_t epoch) {
    return sa.state == state && sa.negotiation->asked && epoch == context.settings.epoch;
}

// ---- who is meant

std::string_view expected_of(const Connection& connection) {
    switch (connection.remote_auth) {
        case Auth::shared_key:
            return "a pre-shared key";
        case Auth::certificate:
            return "a certificate";
        case Auth::eap_mschapv2:
        case Auth::eap_tls:
            return "EAP";
    }
    std::unreachable();
}

/// `proof`: null where the peer leaves it out, which is to say that it wants EAP.
std::unexpected<Error> wrong_method(const Sa& sa, const wire::AuthPayload* proof, const Connection& connection) {
    return fail(
        "auth-method",
        fmt::format("{} authenticates by {} in IKE_AUTH, and connection {} expects {}; set remote_auth, or the "
                    "peer's own",
                    peer_text(sa), proof != nullptr ? wire::name_of(proof->method) : "EAP", connection.name,
                    expected_of(connection)));
}

bool is_method_of(const Connection& connection, const wire::AuthPayload* proof) {
    switch (connection.remote_auth) {
        case Auth::shared_key:
            return proof != nullptr && proof->method == wire::AuthMethod::shared_key;
        case Auth::certificate:
            return proof != nullptr && proof->method != wire::AuthMethod::shared_key;
        case Auth::eap_mschapv2:
        case Auth::eap_tls:
            return proof == nullptr;
    }
    std::unreachable();
}

/// Among the connections between these addresses, the one that is meant now that identities are known.
Result<ConnectionPtr> refine(Context& context, const Sa& sa, const wire::IdResponderPayload* wanted,
                             const wire::AuthPayload* proof) {
    const wire::SaPayload chosen = answer(IkeChoice{.proposal = 1, .spi = {}, .suite = sa.suite}, {});
    ConnectionPtr of_other_method;
    const auto candidates = context.registry.connections(sa.local.address, sa.remote.address);
    for (const ConnectionPtr& candidate : candidates) {
        // A responder proves who it is before it hears of EAP.
        const bool is_us =
            (wanted == nullptr || same(wanted->identity, candidate->local_id)) && !is_eap(candidate->auth);
        const bool is_peer = candidate->remote_id.matches(sa.peer_id);
        // Whom it is about comes first: there may be thousands of candidates.
        if (!is_us || !is_peer || !choose_ike(chosen, candidate->proposals, sa.suite.group)) {
            continue;
        }
        if (is_method_of(*candidate, proof)) {
            return candidate;
        }
        of_other_method = candidate;
    }
    if (of_other_method) {
        return wrong_method(sa, proof, *of_other_method);
    }
    const auto identities = [&](std::size_t i) {
        const Connection& each = *candidates[i];
        return fmt::format("{} is {} and expects {}", each.name, wire::print(each.local_id), each.remote_id.text());
    };
    return fail("no-connection",
                fmt::format("{} asks for {} with {}; no connection between {} and {} has these identities and "
                            "algorithms: {}",
                            peer_text(sa), wanted != nullptr ? wire::print(wanted->identity) : std::string("anyone"),
                            print(sa.suite), sa.local.address.text(), sa.remote.address.text(),
                            wire::some_of(candidates.size(), identities)));
}

// ---- responder

Result<void> identify_initiator(Context& context, Sa& sa, const Payloads& payloads) {
    const auto* id = find<wire::IdInitiatorPayload>(payloads);
    if (id == nullptr) {
        return fail("ike-malformed", fmt::format("{} sent a first IKE_AUTH without its identity", peer_text(sa)));
    }
    sa.peer_id = id->identity;
    auto connection =
        refine(context, sa, find<wire::IdResponderPayload>(payloads), find<wire::AuthPayload>(payloads));
    if (!connection) {
        return pass_on(std::move(connection));
    }
    sa.connection = *std::move(connection);
    return {};
}

/// Who wants EAP has none yet.
Result<void> check_early_proof(Context& context, const Sa& sa, const Payloads& payloads) {
    return is_eap(sa.connection->remote_auth) ? Result<void>() : check_key_proof(context, sa, payloads);
}

/// With our own proof. Who wants EAP has yet to prove who it is.
void answer_auth(Context& context, Sa& sa, const Incoming& message, wire::AuthPayload proof) {
    Payloads payloads;
    payloads.emplace_back(wire::IdResponderPayload{sa.connection->local_id});
    add_certificates(payloads, *sa.connection);
    payloads.emplace_back(std::move(proof));
    if (is_eap(sa.connection->remote_auth)) {
        offer_eap(context, sa, message, std::move(payloads));
    } else {
        admit_initiator(context, sa, message, std::move(payloads));
    }
}

/// RFC 5998 section 3: the initiator is content with what EAP proves about us, and so are we.
bool by_eap_alone(const Connection& connection, const Payloads& payloads) {
    return connection.eap_only && is_eap(connection.remote_auth) &&
           find_notify(payloads, wire::NotifyType::eap_only_authentication) != nullptr;
}

/// The peer has proved who it is, or wants EAP; now we do.
void prove_to_initiator(Context& context, Sa& sa, Incoming message) {
    if (by_eap_alone(*sa.connection, message.payloads)) {
        offer_eap(context, sa, message, {wire::IdResponderPayload{sa.connection->local_id}});
    } else if (sa.connection->auth == Auth::certificate) {
        sa.negotiation->auth = std::move(message);
        wait_for(context, sa, State::signing);
    } else if (auto proof = own_key_proof(context, sa, sa.peer_id)) {
        answer_auth(context, sa, message, *std::move(proof));
    } else {
        refuse_peer(context, sa, message, std::move(proof).error());
    }
}

// ---- initiator

Result<void> identify_responder(Sa& sa, const Payloads& payloads) {
    const auto* id = find<wire::IdResponderPayload>(payloads);
    const auto* proof = find<wire::AuthPayload>(payloads);
    if (id == nullptr) {
        return fail("ike-malformed", fmt::format("{} answered IKE_AUTH without its identity", peer_text(sa)));
    }
    sa.peer_id = id->identity;
    if (!sa.connection->remote_id.matches(sa.peer_id)) {
        return fail("peer-identity",
                    fmt::format("{} says that it is {}, and connection {} expects {}", sa.remote.text(),
                                wire::print(sa.peer_id), sa.connection->name, sa.connection->remote_id.text()));
    }
    const bool by_eap = proof == nullptr && sa.connection->eap_only && is_eap(sa.connection->auth);
    if (!by_eap && !is_method_of(*sa.connection, proof)) {
        return wrong_method(sa, proof, *sa.connection);
    }
    return {};
}

/// Without a proof, it asks for EAP.
void send_auth_request(Context& context, Sa& sa, std::optional<wire::AuthPayload> proof) {
    Payloads payloads;
    payloads.emplace_back(wire::IdInitiatorPayload{sa.connection->local_id});
    add_certificates(payloads, *sa.connection);
    ask_for_certificates(payloads, {sa.connection});
    if (const wire::Identity* peer = sa.connection->remote_id.exact()) {
        payloads.emplace_back(wire::IdResponderPayload{*peer});
    }
    if (proof) {
        payloads.emplace_back(*std::move(proof));
    } else if (sa.connection->eap_only) {
        payloads.emplace_back(notify(wire::NotifyType::eap_only_authentication));
    }
    if (!context.registry.knows_peer(sa)) {
        payloads.emplace_back(notify(wire::NotifyType::initial_contact));
    }
    const auto& child = sa.negotiation->child;
    assert(child);
    add_request(context, sa, payloads);
    add_offer(payloads, sa, *child);
    prepare_child(context, sa);
    offer_mobility(context, sa, payloads);
    sa.negotiation->until = Instant::max();
    become(context, sa, State::auth_sent);
    send_request(context, sa, wire::ExchangeType::ike_auth, payloads);
}

/// The peer has proved who it is, in its first response.
void on_responder_proved(Context& context, Sa& sa, const Incoming& message) {
    if (is_eap(sa.connection->auth)) {
        begin_eap(context, sa, message);
    } else {
        accept_responder(context, sa, message.payloads);
    }
}

}  // namespace

/// RFC 7296 section 2.21.2: "If the error occurred on the responder, the notification is returned in the protected
/// response, and is usually the only payload in that response."
void refuse_peer(Context& context, Sa& sa, const Incoming& message, Error error) {
    report(context, sa, Report::Kind::refused, std::move(error));
    send_response(context, sa, message, {notify(wire::NotifyType::authentication_failed)});
    end(context, sa);
}

void admit_initiator(Context& context, Sa& sa, const Incoming& message, Payloads payloads) {
    if (find_notify(message.payloads, wire::NotifyType::initial_contact) != nullptr) {
        context.registry.forget_others(sa, sa.negotiation->began_at);
    }
    const auto negotiation = std::move(sa.negotiation);
    enter_established(context, sa);
    agree_on_mobility(context, sa, message.payloads);
    offer_mobility(context, sa, payloads);
    announce_lifetime(sa, payloads);
    if (auto none = assign_addresses(context, sa, message.payloads, payloads)) {
        report(context, sa, Report::Kind::refused, std::move(none->error));
        payloads.emplace_back(notify(none->notify));
        send_response(context, sa, message, payloads);
        return;
    }
    const Nonces nonces{negotiation->peer_nonce, negotiation->own_nonce};
    answer_child_request(context, sa, message, std::move(payloads), {.nonces = nonces, .shared = nullptr});
}

void accept_responder(Context& context, Sa& sa, const Payloads& payloads) {
    const auto negotiation = std::move(sa.negotiation);
    enter_established(context, sa);
    agree_on_mobility(context, sa, payloads);
    heed_lifetime(context, sa, payloads);
    if (auto taken = take_addresses(context, sa, payloads); !taken) {
        report(context, sa, Report::Kind::failed, std::move(taken).error());
        sa.waiting.clear();
        close(context, sa);
        return;
    }
    const Nonces nonces{negotiation->own_nonce, negotiation->peer_nonce};
    auto& child = negotiation->child;
    assert(child);
    finish_child_offer(context, sa, *std::move(child), payloads, nonces, nullptr);
    drop_prepared(context, sa);
    start_next(context, sa);
}

void distrust_responder(Context& context, Sa& sa, Error error) {
    report(context, sa, Report::Kind::failed, std::move(error));
    // Section 2.21.2: "If the error occurs on the initiator, the notification MAY be returned in a separate
    // INFORMATIONAL exchange, usually with no other payloads."
    become(context, sa, State::closing);
    sa.negotiation.reset();
    sa.waiting.emplace_back(RefuseAuthentication{});
    start_next(context, sa);
}

Error refused_auth(const Sa& sa, const Payloads& payloads) {
    const auto* error = find_error(payloads);
    return {"auth-refused",
            fmt::format("{} answered our IKE_AUTH with {}; we are {} and asked for {}; its log says why",
                        peer_text(sa), error != nullptr ? wire::name_of(error->type) : "nothing useful",
                        wire::print(sa.connection->local_id), sa.connection->remote_id.text())};
}

void start_auth(Context& context, Sa& sa) {
    if (is_eap(sa.connection->auth)) {
        send_auth_request(context, sa, {});
        return;
    }
    if (sa.connection->auth == Auth::certificate) {
        wait_for(context, sa, State::signing);
        return;
    }
    // Of a peer without a known identity, the key for all is the only one that there can be.
    const wire::Identity* peer = sa.connection->remote_id.exact();
    auto proof = own_key_proof(context, sa, peer != nullptr ? *peer : wire::Identity{});
    if (!proof) {
        fail_and_end(context, sa, std::move(proof).error());
        return;
    }
    send_auth_request(context, sa, *std::move(proof));
}

void on_auth_response(Context& context, Sa& sa, const Incoming& message) {
    close_exchange(sa);
    const bool proves = find<wire::AuthPayload>(message.payloads) != nullptr;
    if (!proves && find<wire::EapPayload>(message.payloads) == nullptr) {
        fail_and_end(context, sa, refused_auth(sa, message.payloads));
        return;
    }
    if (auto identified = identify_responder(sa, message.payloads); !identified) {
        distrust_responder(context, sa, std::move(identified).error());
    } else if (!proves) {
        begin_eap(context, sa, message);  // which proves both
    } else if (sa.connection->remote_auth == Auth::certificate) {
        sa.negotiation->auth = message;
        wait_for(context, sa, State::verifying);
    } else if (auto proved = check_key_proof(context, sa, message.payloads); !proved) {
        distrust_responder(context, sa, std::move(proved).error());
    } else {
        on_responder_proved(context, sa, message);
    }
}

void on_auth_request(Context& context, Sa& sa, const Incoming& message) {
    if (auto identified = identify_initiator(context, sa, message.payloads); !identified) {
        refuse_peer(context, sa, message, std::move(identified).error());
    } else if (sa.connection->remote_auth == Auth::certificate) {
        sa.negotiation->auth = message;
        wait_for(context, sa, State::verifying);
    } else if (auto proved = check_early_proof(context, sa, message.payloads); !proved) {
        refuse_peer(context, sa, message, std::move(proved).error());
    } else {
        prove_to_initiator(context, sa, message);
    }
}

void ask_again(Context& context, Sa& sa) {
    sa.negotiation->asked = true;
    auto asked = sa.state == State::signing ? ask_for_signature(context, sa) : ask_for_verification(context, sa);
    if (!asked) {
        give_up_authentication(context, sa, of_proof(sa, std::move(asked).error()));
    }
}

void on_signed(Context& context, Sa& sa, const Signed& event) {
    if (!is_awaited(context, sa, State::signing, event.epoch)) {
        return;
    }
    const auto plan = signing_plan(sa);
    auto proof = !event.signature ? Result<wire::AuthPayload>(std::unexpected(event.signature.error()))
                 : !plan          ? Result<wire::AuthPayload>(std::unexpected(plan.error()))
                                  : signed_proof(*plan, sa.connection->certificate.key_kind, *event.signature);
    if (!proof) {
        give_up_authentication(context, sa, of_proof(sa, std::move(proof).error()));
    } else if (sa.initiator) {
        send_auth_request(context, sa, *std::move(proof));
    } else {
        const Incoming message = take_auth(sa);
        answer_auth(context, sa, message, *std::move(proof));
    }
}

void on_peer_verified(Context& context, Sa& sa, const PeerVerified& event) {
    if (!is_awaited(context, sa, State::verifying, event.epoch)) {
        return;
    }
    if (!event.result) {
        give_up_authentication(context, sa, of_proof(sa, event.result.error()));
        return;
    }
    Incoming message = take_auth(sa);
    if (sa.initiator) {
        on_responder_proved(context, sa, message);
    } else {
        prove_to_initiator(context, sa, std::move(message));
    }
}

void give_up_authentication(Context& context, Sa& sa, Error error) {
    if (!sa.initiator) {
        const Incoming message = take_auth(sa);
        refuse_peer(context, sa, message, std::move(error));
    } else if (sa.state == State::verifying) {
        distrust_responder(context, sa, std::move(error));
    } else {
        fail_and_end(context, sa, std::move(error));
    }
}

void enter_established(Context& context, Sa& sa) {
    become(context, sa, State::established);
    sa.keys.proof.reset();
    sa.established_at = context.now;
    sa.heard_at = context.now;
    sa.rekey_at = early(context, sa.connection->rekey_time);
    begin_lifetime(context, sa);
    report(context, sa, Report::Kind::established);
}

}  // namespace keysluice::ike
