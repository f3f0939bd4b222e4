#include "ike/proof.hpp"

#include <fmt/format.h>

#include <cassert>

#include "ike/peer_certificate.hpp"

namespace keysluice::ike {
namespace {

/// An ID payload as AUTH covers it. RFC 7296 section 2.15: "In these calculations, IDi' and IDr' are the entire ID
/// payloads excluding the fixed header." "RestOfInitIDPayload = IDType | RESERVED | InitIDData"
wire::Octets id_body(const wire::Identity& identity, const wire::IdReserved& reserved = {}) {
    Writer body;
    body.be(static_cast<std::uint8_t>(identity.type)).raw(reserved).raw(identity.data);
    return std::move(body).release();
}

/// The peer's, as it came.
wire::Octets peer_id_body(const Sa& sa, const Payloads& payloads) {
    if (sa.initiator) {
        const auto* responder = find<wire::IdResponderPayload>(payloads);
        assert(responder != nullptr);
        return id_body(responder->identity, responder->reserved);
    }
    const auto* initiator = find<wire::IdInitiatorPayload>(payloads);
    assert(initiator != nullptr);
    return id_body(initiator->identity, initiator->reserved);
}

Result<const SharedKey*> key_for(const Sa& sa, const wire::Identity& peer) {
    const SharedKey* key = sa.connection->keys.find(peer);
    if (key == nullptr) {
        return fail("no-shared-key", fmt::format("connection {} has no pre-shared key for {}; a file of that name is "
                                                 "expected in the directory of psk",
                                                 sa.connection->name, wire::print(peer)));
    }
    return key;
}

Result<wire::AuthPayload> proof_with(Context& context, const Sa& sa, Bytes key) {
    const Negotiation& negotiation = *sa.negotiation;
    auto code = shared_key_auth(context.tools, sa.suite.prf, key, negotiation.own_first_message,
                                negotiation.peer_nonce, sa.own_p(), id_body(sa.connection->local_id));
    if (!code) {
        return pass_on(std::move(code));
    }
    const Bytes octets = code->expose();
    return wire::AuthPayload{.method = wire::AuthMethod::shared_key, .data = {octets.begin(), octets.end()}};
}

/// `first`: the peer's first IKE_AUTH, where its identity stands.
Result<bool> proves(Context& context, const Sa& sa, Bytes key, const Payloads& first,
                    const wire::AuthPayload& proof) {
    const Negotiation& negotiation = *sa.negotiation;
    auto code = shared_key_auth(context.tools, sa.suite.prf, key, negotiation.peer_first_message,
                                negotiation.own_nonce, sa.peer_p(), peer_id_body(sa, first));
    if (!code) {
        return pass_on(std::move(code));
    }
    return proof.method == wire::AuthMethod::shared_key && crypto::equal(code->expose(), proof.data);
}

const wire::AuthPayload* peer_proof(const Sa& sa) {
    const auto& message = sa.negotiation->auth;
    return message ? find<wire::AuthPayload>(message->payloads) : nullptr;
}

}  // namespace

Result<wire::AuthPayload> own_key_proof(Context& context, const Sa& sa, const wire::Identity& peer) {
    auto key = key_for(sa, peer);
    if (!key) {
        return pass_on(std::move(key));
    }
    return proof_with(context, sa, (*key)->expose());
}

Result<void> check_key_proof(Context& context, const Sa& sa, const Payloads& payloads) {
    const auto* proof = find<wire::AuthPayload>(payloads);
    assert(proof != nullptr);
    auto key = key_for(sa, sa.peer_id);
    if (!key) {
        return pass_on(std::move(key));
    }
    const auto right = proves(context, sa, (*key)->expose(), payloads, *proof);
    if (!right) {
        return std::unexpected(right.error());
    }
    if (!*right) {
        return fail("auth-failed", fmt::format("{} proved another pre-shared key than that of connection {}; compare "
                                               "both ends' keys",
                                               peer_text(sa), sa.connection->name));
    }
    return {};
}

Result<wire::AuthPayload> own_eap_proof(Context& context, const Sa& sa) {
    return proof_with(context, sa, sa.negotiation->eap->msk().expose());
}

Result<void> check_eap_proof(Context& context, const Sa& sa, const wire::AuthPayload& proof) {
    const auto& first = sa.negotiation->auth;
    assert(first);
    const auto right = proves(context, sa, sa.negotiation->eap->msk().expose(), first->payloads, proof);
    if (!right) {
        return std::unexpected(right.error());
    }
    if (!*right) {
        return fail("auth-failed",
                    fmt::format("{} proved another key than the one that EAP made: who did EAP with us "
                                "is somebody else",
                                peer_text(sa)));
    }
    return {};
}

Result<SigningPlan> signing_plan(const Sa& sa) {
    return plan_signature(sa.connection->certificate.key_kind, sa.negotiation->peer_hashes, peer_proof(sa),
                          sa.connection->allow_sha1);
}

Result<void> ask_for_signature(Context& context, const Sa& sa) {
    const Negotiation& negotiation = *sa.negotiation;
    const auto plan = signing_plan(sa);
    if (!plan) {
        return std::unexpected(plan.error());
    }
    auto octets = signed_octets(context.tools, sa.suite.prf, negotiation.own_first_message, negotiation.peer_nonce,
                                sa.own_p(), id_body(sa.connection->local_id));
    if (!octets) {
        return pass_on(std::move(octets));
    }
    context.actions.emplace_back(Sign{.sa = sa.own_spi(),
                                      .epoch = context.settings.epoch,
                                      .key_id = sa.connection->certificate.key_id,
                                      .scheme = plan->scheme,
                                      .octets = *std::move(octets)});
    return {};
}

Result<void> ask_for_verification(Context& context, const Sa& sa) {
    const Negotiation& negotiation = *sa.negotiation;
    const auto& message = negotiation.auth;
    assert(message);
    auto chain = certificates_in(message->payloads);
    if (!chain) {
        return pass_on(std::move(chain));
    }
    auto octets = signed_octets(context.tools, sa.suite.prf, negotiation.peer_first_message, negotiation.own_nonce,
                                sa.peer_p(), peer_id_body(sa, message->payloads));
    if (!octets) {
        return pass_on(std::move(octets));
    }
    context.actions.emplace_back(VerifyPeer{.sa = sa.own_spi(),
                                            .epoch = context.settings.epoch,
                                            .identity = sa.peer_id,
                                            .chain = *std::move(chain),
                                            .proof = *peer_proof(sa),
                                            .octets = *std::move(octets),
                                            .allow_sha1 = sa.connection->allow_sha1,
                                            .authorities = sa.connection->authorities});
    return {};
}

void add_certificates(Payloads& payloads, const Connection& connection) {
    if (connection.auth == Auth::certificate) {
        for (const wire::Octets& each : connection.certificate.chain) {
            payloads.emplace_back(wire::CertificatePayload{.encoding = wire::kX509Signature, .data = each});
        }
    }
}

}  // namespace keysluice::ike
