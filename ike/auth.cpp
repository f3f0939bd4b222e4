#include "ike/auth.hpp"

#include <fmt/format.h>

#include <cassert>

#include "ike/create_child.hpp"

namespace keysluice::ike {
namespace {

/// An ID payload's body without its generic header, as AUTH covers it (RFC 7296 section 2.15).
wire::Octets id_body(const wire::Identity& identity) {
    Writer body;
    body.be(static_cast<std::uint8_t>(identity.type)).be(std::uint8_t{0}).be(std::uint16_t{0}).raw(identity.data);
    return std::move(body).release();
}

Result<wire::AuthPayload> own_proof(Context& context, const Sa& sa, const SharedKey& key) {
    const Negotiation& negotiation = *sa.negotiation;
    auto code = shared_key_auth(context.tools, sa.suite.prf, key.expose(), negotiation.own_first_message,
                                negotiation.peer_nonce, sa.own_p(), id_body(sa.connection->local_id));
    if (!code) {
        return pass_on(std::move(code));
    }
    const Bytes octets = code->expose();
    return wire::AuthPayload{.method = wire::AuthMethod::shared_key, .data = {octets.begin(), octets.end()}};
}

Result<void> check_proof(Context& context, const Sa& sa, const wire::AuthPayload& proof, const SharedKey& key) {
    if (proof.method != wire::AuthMethod::shared_key) {
        return fail("auth-method", fmt::format("{} authenticates by method {}, this connection by a pre-shared key; "
                                               "give both ends the same `auth`",
                                               peer_text(sa), static_cast<int>(proof.method)));
    }
    const Negotiation& negotiation = *sa.negotiation;
    auto code = shared_key_auth(context.tools, sa.suite.prf, key.expose(), negotiation.peer_first_message,
                                negotiation.own_nonce, sa.peer_p(), id_body(sa.peer_id));
    if (!code) {
        return pass_on(std::move(code));
    }
    if (!crypto::equal(code->expose(), proof.data)) {
        return fail("auth-failed", fmt::format("{} proved another pre-shared key than ours; compare both ends' keys",
                                               peer_text(sa)));
    }
    return {};
}

Result<const SharedKey*> key_for(const Sa& sa, const wire::Identity& peer) {
    const SharedKey* key = sa.connection->keys.find(peer);
    if (key == nullptr) {
        return fail("no-shared-key", fmt::format("connection {} has no pre-shared key for {}", sa.connection->name,
                                                 wire::print(peer)));
    }
    return key;
}

/// Among the connections between these addresses, the one that is meant now that identities are known.
Result<ConnectionPtr> refine(Context& context, const Sa& sa, const wire::IdResponderPayload* wanted) {
    const wire::SaPayload chosen = answer(IkeChoice{.proposal = 1, .spi = {}, .suite = sa.suite}, {});
    for (const ConnectionPtr& candidate : context.registry.connections(sa.local.address, sa.remote.address)) {
        const bool is_us = wanted == nullptr || wanted->identity == candidate->local_id;
        const bool is_peer = candidate->remote_id.matches(sa.peer_id);
        // Whom it is about comes first: there may be thousands of candidates.
        if (is_us && is_peer && choose_ike(chosen, candidate->proposals, sa.suite.group)) {
            return candidate;
        }
    }
    return fail("no-connection",
                fmt::format("{} asks for {}, and no connection between {} and {} has these identities", peer_text(sa),
                            wanted != nullptr ? wire::print(wanted->identity) : std::string("anyone"),
                            sa.local.address.text(), sa.remote.address.text()));
}

/// RFC 7296 section 2.21.2: "If the error occurred on the responder, the notification is returned in the protected
/// response, and is usually the only payload in that response."
void refuse_peer(Context& context, Sa& sa, const Incoming& message, Error error) {
    report(context, sa, Report::Kind::refused, std::move(error));
    send_response(context, sa, message, {notify(wire::NotifyType::authentication_failed)});
    end(context, sa);
}

Result<wire::AuthPayload> authenticate_initiator(Context& context, Sa& sa, const Payloads& payloads) {
    const auto* id = find<wire::IdInitiatorPayload>(payloads);
    const auto* proof = find<wire::AuthPayload>(payloads);
    if (id == nullptr || proof == nullptr) {
        return fail("auth-method",
                    fmt::format("{} sent an IKE_AUTH without {}: it wants EAP, which this connection does "
                                "not offer",
                                peer_text(sa), id == nullptr ? "identity" : "proof of its identity"));
    }
    sa.peer_id = id->identity;
    auto connection = refine(context, sa, find<wire::IdResponderPayload>(payloads));
    if (!connection) {
        return pass_on(std::move(connection));
    }
    sa.connection = *std::move(connection);
    auto key = key_for(sa, sa.peer_id);
    if (!key) {
        return pass_on(std::move(key));
    }
    if (auto proved = check_proof(context, sa, *proof, **key); !proved) {
        return pass_on(std::move(proved));
    }
    return own_proof(context, sa, **key);
}

Result<void> authenticate_responder(Context& context, Sa& sa, const Payloads& payloads) {
    const auto* id = find<wire::IdResponderPayload>(payloads);
    const auto* proof = find<wire::AuthPayload>(payloads);
    if (id == nullptr || proof == nullptr) {
        return fail("ike-malformed",
                    fmt::format("{} answered IKE_AUTH without identity or proof of it", peer_text(sa)));
    }
    sa.peer_id = id->identity;
    if (!sa.connection->remote_id.matches(sa.peer_id)) {
        return fail("peer-identity",
                    fmt::format("{} says that it is {}, and connection {} expects {}", sa.remote.text(),
                                wire::print(sa.peer_id), sa.connection->name, sa.connection->remote_id.text()));
    }
    auto key = key_for(sa, sa.peer_id);
    if (!key) {
        return pass_on(std::move(key));
    }
    return check_proof(context, sa, *proof, **key);
}

}  // namespace

void start_auth(Context& context, Sa& sa) {
    const wire::Identity* peer = sa.connection->remote_id.exact();
    // Of a peer without a known identity, the key for all is the only one that there can be.
    auto key = key_for(sa, peer != nullptr ? *peer : wire::Identity{});
    auto proof = key ? own_proof(context, sa, **key) : Result<wire::AuthPayload>(pass_on(std::move(key)));
    if (!proof) {
        fail_and_end(context, sa, std::move(proof).error());
        return;
    }
    Payloads payloads;
    payloads.emplace_back(wire::IdInitiatorPayload{sa.connection->local_id});
    if (peer != nullptr) {
        payloads.emplace_back(wire::IdResponderPayload{*peer});
    }
    payloads.emplace_back(*std::move(proof));
    if (!context.registry.knows_peer(sa)) {
        payloads.emplace_back(notify(wire::NotifyType::initial_contact));
    }
    const auto& child = sa.negotiation->child;
    assert(child);
    add_offer(payloads, sa, *child);
    become(context, sa, State::auth_sent);
    send_request(context, sa, wire::ExchangeType::ike_auth, payloads);
}

void on_auth_response(Context& context, Sa& sa, const Incoming& message) {
    close_exchange(sa);
    if (find<wire::AuthPayload>(message.payloads) == nullptr) {
        const auto* error = find_error(message.payloads);
        fail_and_end(context, sa,
                     {"auth-refused", fmt::format("{} answered our IKE_AUTH with {}; its log says why", peer_text(sa),
                                                  error != nullptr ? wire::name_of(error->type) : "nothing useful")});
        return;
    }
    if (auto proved = authenticate_responder(context, sa, message.payloads); !proved) {
        report(context, sa, Report::Kind::failed, std::move(proved).error());
        // Section 2.21.2: "If the error occurs on the initiator, the notification MAY be returned in a separate
        // INFORMATIONAL exchange, usually with no other payloads."
        become(context, sa, State::closing);
        sa.negotiation.reset();
        sa.waiting.emplace_back(RefuseAuthentication{});
        start_next(context, sa);
        return;
    }
    const auto negotiation = std::move(sa.negotiation);
    enter_established(context, sa);
    const Nonces nonces{negotiation->own_nonce, negotiation->peer_nonce};
    auto& child = negotiation->child;
    assert(child);
    finish_child_offer(context, sa, *std::move(child), message.payloads, nonces, nullptr);
    start_next(context, sa);
}

void on_auth_request(Context& context, Sa& sa, const Incoming& message) {
    auto proof = authenticate_initiator(context, sa, message.payloads);
    if (!proof) {
        refuse_peer(context, sa, message, std::move(proof).error());
        return;
    }
    if (find_notify(message.payloads, wire::NotifyType::initial_contact) != nullptr) {
        context.registry.forget_others(sa);
    }
    const auto negotiation = std::move(sa.negotiation);
    enter_established(context, sa);
    Payloads payloads;
    payloads.emplace_back(wire::IdResponderPayload{sa.connection->local_id});
    payloads.emplace_back(*std::move(proof));
    const Nonces nonces{negotiation->peer_nonce, negotiation->own_nonce};
    answer_child_request(context, sa, message, std::move(payloads), {.nonces = nonces, .shared = nullptr});
}

void enter_established(Context& context, Sa& sa) {
    become(context, sa, State::established);
    sa.keys.proof.reset();
    sa.established_at = context.now;
    sa.heard_at = context.now;
    sa.rekey_at = early(context, sa.connection->rekey_time);
    report(context, sa, Report::Kind::established);
}

}  // namespace keysluice::ike
