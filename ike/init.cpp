#include "ike/init.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "ike/auth.hpp"
#include "ike/create_child.hpp"
#include "ike/delay.hpp"
#include "ike/nat_detection.hpp"
#include "ike/peer_certificate.hpp"
#include "ike/signature_auth.hpp"
#include "ike/wire/rules.hpp"

namespace keysluice::ike {
namespace {

/// How often a responder may make us begin anew (cookie, group) before it is taken for a fault.
constexpr unsigned kMostAttempts = 6;

void send_request(Context& context, Sa& sa) {
    const Negotiation& negotiation = *sa.negotiation;
    assert(negotiation.key_pair);
    Payloads payloads;
    if (!negotiation.cookie.empty()) {
        // RFC 7296 section 2.6: "the initiator MUST then retry the IKE_SA_INIT request, and include the COOKIE
        // notification containing the received data as the first payload, and all other payloads unchanged."
        payloads.emplace_back(notify(wire::NotifyType::cookie, negotiation.cookie));
    }
    payloads.emplace_back(negotiation.offered);
    payloads.emplace_back(wire::KePayload{.group = static_cast<std::uint16_t>(negotiation.group),
                                          .value = negotiation.key_pair->public_value});
    payloads.emplace_back(wire::NoncePayload{negotiation.own_nonce});
    announce_addresses(payloads, sa.initiator_spi, sa.responder_spi, sa.local, sa.remote);
    payloads.emplace_back(notify(wire::NotifyType::fragmentation_supported));
    if (uses_certificates(*sa.connection)) {
        payloads.emplace_back(hash_algorithms());
    }
    send_init_request(context, sa, payloads);
}

/// A refusal that anybody on the way may have forged: the true answer may yet come.
void note_refusal(Context& context, Sa& sa, Error refusal) {
    if (!sa.negotiation->refusal) {
        sa.negotiation->refusal = std::move(refusal);
        sa.negotiation->until = context.now + kRefusalPatience;
    }
}

bool may_begin_anew(Context& context, Sa& sa) {
    if (++sa.negotiation->attempts <= kMostAttempts) {
        return true;
    }
    note_refusal(context, sa,
                 {"ike-init-loop", fmt::format("{} asked for a new IKE_SA_INIT {} times: it keeps demanding "
                                               "cookies or other groups; look at its log",
                                               peer_text(sa), kMostAttempts)});
    return false;
}

/// Sends the request once there is a key pair of the group for it.
void send_with_new_pair(Context& context, Sa& sa) {
    Negotiation& negotiation = *sa.negotiation;
    negotiation.key_pair.reset();
    if (takes_long(group_of(negotiation.group))) {
        sa.window.outstanding.reset();
        ask_for_exchange(context, sa);
        return;
    }
    auto pair = new_key_pair(context.random, negotiation.group);
    if (!pair) {
        fail_and_end(context, sa, std::move(pair).error());
        return;
    }
    negotiation.key_pair = *std::move(pair);
    send_request(context, sa);
}

void on_other_group(Context& context, Sa& sa, const wire::NotifyPayload& refused) {
    Negotiation& negotiation = *sa.negotiation;
    const GroupId group = suggested_group(refused);
    // Section 2.7: a group that we did not offer would be a downgrade by somebody on the way.
    if (!offers_group(negotiation.offered, group) || group == negotiation.group) {
        note_refusal(
            context, sa,
            {"ike-group-refused",
             fmt::format("{} answered our IKE_SA_INIT, whose key is of the group {}, with the demand for {}; we "
                         "offered {}",
                         peer_text(sa), name_of(negotiation.group), group == GroupId::none ? "none" : name_of(group),
                         print(negotiation.offered))});
        return;
    }
    if (may_begin_anew(context, sa)) {
        negotiation.group = group;
        send_with_new_pair(context, sa);
    }
}

void on_refusal(Context& context, Sa& sa, const Payloads& payloads) {
    if (const auto* cookie = find_notify(payloads, wire::NotifyType::cookie)) {
        if (cookie->data.empty() || cookie->data.size() > 64) {
            return;  // section 2.6: "between 1 and 64 octets in length (inclusive)"
        }
        sa.negotiation->cookie = cookie->data;
        if (may_begin_anew(context, sa)) {
            send_request(context, sa);
        }
    } else if (const auto* group = find_notify(payloads, wire::NotifyType::invalid_ke_payload)) {
        on_other_group(context, sa, *group);
    } else if (const auto* error = find_error(payloads)) {
        note_refusal(context, sa,
                     {error->type == wire::NotifyType::no_proposal_chosen ? "no-proposal-chosen" : "ike-init-refused",
                      fmt::format("{} answered our IKE_SA_INIT with {}; we offered {}", peer_text(sa),
                                  wire::name_of(error->type), print(sa.negotiation->offered))});
    }
}

Result<void> derive(Context& context, Sa& sa, const Result<Exchanged>& exchange) {
    if (!exchange) {
        return std::unexpected(exchange.error());
    }
    const Negotiation& negotiation = *sa.negotiation;
    const Nonces nonces = sa.initiator ? Nonces{negotiation.own_nonce, negotiation.peer_nonce}
                                       : Nonces{negotiation.peer_nonce, negotiation.own_nonce};
    auto keys =
        derive_ike_keys(context.tools, sa.suite, nonces, sa.initiator_spi, sa.responder_spi, exchange->shared);
    if (!keys) {
        return pass_on(std::move(keys));
    }
    sa.keys = *std::move(keys);
    return {};
}

/// Checks and remembers what was chosen.
Result<void> accept_answer(Sa& sa, const wire::Outer& message) {
    Negotiation& negotiation = *sa.negotiation;
    const auto* answer = find<wire::SaPayload>(message.payloads);
    const auto* ke = find<wire::KePayload>(message.payloads);
    const auto* nonce = find<wire::NoncePayload>(message.payloads);
    if (answer == nullptr || ke == nullptr || nonce == nullptr || message.header.responder_spi.value == 0) {
        return fail("ike-malformed",
                    fmt::format("{} answered IKE_SA_INIT without SA, KE, nonce or SPI", peer_text(sa)));
    }
    auto choice = accept_ike_answer(*answer, negotiation.offered);
    if (!choice) {
        return std::unexpected(in_exchange(message.header.exchange, std::move(choice).error()));
    }
    if (choice->suite.group != negotiation.group || ke->group != static_cast<std::uint16_t>(negotiation.group)) {
        return fail("answer-not-offered",
                    fmt::format("{} chose the group {} in IKE_SA_INIT and sent a value of {}; ours was of {}",
                                peer_text(sa), name_of(choice->suite.group), name_of(static_cast<GroupId>(ke->group)),
                                name_of(negotiation.group)));
    }
    sa.suite = choice->suite;
    sa.responder_spi = message.header.responder_spi;
    negotiation.peer_nonce = nonce->data;
    assert(negotiation.key_pair);
    return {};
}

void forget_answer(Sa& sa) {
    sa.responder_spi = IkeSpi{};
    sa.negotiation->peer_first_message.clear();
    sa.negotiation->exchanging = false;
    sa.negotiation->asked = false;
}

/// An answer that may have been anybody's comes to nothing: another one is waited for.
void drop_answer(Context& context, Sa& sa, Error error) {
    forget_answer(sa);
    note_refusal(context, sa, std::move(error));
}

/// The initiator has keys: IKE_AUTH is next.
void go_on(Context& context, Sa& sa, const wire::Outer& message) {
    sa.negotiation->key_pair.reset();
    sa.negotiation->peer_hashes = read_hash_algorithms(message.payloads);
    sa.fragmentation = find_notify(message.payloads, wire::NotifyType::fragmentation_supported) != nullptr;
    const NatFound nat = find_nat(message.payloads, sa.initiator_spi, sa.responder_spi, sa.local, sa.remote);
    sa.nat_here = nat.here;
    sa.nat_there = nat.there;
    const bool traverses = find_notify(message.payloads, wire::NotifyType::nat_detection_source_ip) != nullptr;
    // RFC 4555 section 3.3: "implementations that support both this specification and NAT Traversal MUST change to
    // port 4500 if the correspondent also supports both, even if no NAT was detected between them (this way, there is
    // no need to change the ports later if a NAT is detected on some other path)." Whether it supports the one, it
    // does not say before.
    if (nat.here || nat.there || (sa.connection->mobike && traverses)) {
        // Section 2.23: "The IKE initiator MUST check the NAT_DETECTION_SOURCE_IP or NAT_DETECTION_DESTINATION_IP
        // payloads if present, and if they do not match the addresses in the outer packet, MUST tunnel all future IKE
        // and ESP packets associated with this IKE SA over UDP port 4500."
        sa.local.port = context.settings.nat_port;
        sa.remote.port = context.settings.nat_port;
    }
    close_exchange(sa);
    start_auth(context, sa);
}

void on_answer_exchanged(Context& context, Sa& sa, const wire::Outer& message, const Result<Exchanged>& exchange) {
    if (auto derived = derive(context, sa, exchange); derived) {
        go_on(context, sa, message);
    } else {
        drop_answer(context, sa, std::move(derived).error());
    }
}

}  // namespace

std::unique_ptr<Sa> initiate(Context& context, ConnectionPtr connection, const ChildRule& child,
                             const UdpEndpoint& local, const UdpEndpoint& remote) {
    auto sa = std::make_unique<Sa>();
    sa->state = State::init_sent;
    sa->initiator = true;
    sa->initiator_spi = context.registry.new_ike_spi();
    sa->connection = std::move(connection);
    sa->local = local;
    sa->remote = remote;
    sa->mobility.leads = true;
    sa->iv.epoch = context.settings.epoch;
    sa->negotiation = std::make_unique<Negotiation>();
    Negotiation& negotiation = *sa->negotiation;
    negotiation.offered = offer(sa->connection->proposals, {}, true);
    negotiation.group = first_group(negotiation.offered);
    negotiation.own_nonce = new_nonce(context.random);
    negotiation.child = new_offer(context, *sa, child, nullptr, false);
    send_with_new_pair(context, *sa);
    return sa;
}

void send_init_from_here(Context& context, Sa& sa) {
    if (!sa.negotiation->key_pair) {
        return;  // the first request is still to come
    }
    // What the peer has answered was sent from elsewhere: we would take our move for a NAT, which the peer does not
    // see.
    forget_answer(sa);
    send_request(context, sa);
}

void on_init_response(Context& context, Sa& sa, const wire::Outer& message, Bytes datagram) {
    if (sa.negotiation->exchanging) {
        return;  // one answer is looked at, and no other until that comes to nothing
    }
    if (wire::critical_unknown(message.payloads)) {
        Error error = critical_error(message.payloads);
        error.sentence = fmt::format("{} answered IKE_SA_INIT: {}", peer_text(sa), error.sentence);
        note_refusal(context, sa, std::move(error));
        return;
    }
    if (find<wire::SaPayload>(message.payloads) == nullptr) {
        on_refusal(context, sa, message.payloads);
        return;
    }
    // Keys made from a forged answer come to nothing in IKE_AUTH; but a malformed one must not end what a good one
    // could.
    auto accepted = accept_answer(sa, message);
    if (!accepted) {
        note_refusal(context, sa, std::move(accepted).error());
        return;
    }
    sa.negotiation->peer_first_message.assign(datagram.begin(), datagram.end());
    if (takes_long(group_of(sa.suite.group))) {
        ask_for_exchange(context, sa);
        return;
    }
    const auto& own = sa.negotiation->key_pair;
    const auto* ke = find<wire::KePayload>(message.payloads);
    assert(own && ke != nullptr);
    on_answer_exchanged(context, sa, message, exchange_keys(*own, ke->value));
}

namespace {

std::unique_ptr<Sa> half_open(Context& context, const wire::Outer& message, Bytes datagram, const UdpEndpoint& local,
                              const UdpEndpoint& remote) {
    auto sa = std::make_unique<Sa>();
    sa->state = State::half_open;
    sa->initiator_spi = message.header.initiator_spi;
    sa->responder_spi = context.registry.new_ike_spi();
    sa->local = local;
    sa->remote = remote;
    sa->iv.epoch = context.settings.epoch;
    sa->fragmentation = find_notify(message.payloads, wire::NotifyType::fragmentation_supported) != nullptr;
    const NatFound nat = find_nat(message.payloads, sa->initiator_spi, IkeSpi{0}, local, remote);
    sa->nat_here = nat.here;
    sa->nat_there = nat.there;
    sa->negotiation = std::make_unique<Negotiation>();
    sa->negotiation->began_at = context.now;
    sa->negotiation->until = context.now + context.settings.half_open_time;
    sa->negotiation->own_nonce = new_nonce(context.random);
    sa->negotiation->peer_first_message.assign(datagram.begin(), datagram.end());
    sa->negotiation->peer_hashes = read_hash_algorithms(message.payloads);
    return sa;
}

void send_answer(Context& context, Sa& sa, const wire::Outer& message, const IkeChoice& choice,
                 const wire::Octets& own_public) {
    const auto candidates = context.registry.connections(sa.local.address, sa.remote.address);
    Payloads payloads;
    payloads.emplace_back(answer(choice, {}));
    payloads.emplace_back(
        wire::KePayload{.group = static_cast<std::uint16_t>(choice.suite.group), .value = own_public});
    payloads.emplace_back(wire::NoncePayload{sa.negotiation->own_nonce});
    announce_addresses(payloads, sa.initiator_spi, sa.responder_spi, sa.local, sa.remote);
    if (sa.fragmentation) {
        payloads.emplace_back(notify(wire::NotifyType::fragmentation_supported));
    }
    const bool signatures =
        std::ranges::any_of(candidates, [](const ConnectionPtr& each) { return uses_certificates(*each); });
    if (signatures && !sa.negotiation->peer_hashes.empty()) {
        payloads.emplace_back(hash_algorithms());
    }
    ask_for_certificates(payloads, candidates);
    wire::Header header = message.header;
    header.responder_spi = sa.responder_spi;
    header.from_initiator = false;
    header.is_response = true;
    sa.negotiation->own_first_message = wire::emit(header, payloads);
    sa.window.given = GivenResponse{.id = MessageId{0},
                                    .request = crypto::sha256(sa.negotiation->peer_first_message),
                                    .datagrams = {sa.negotiation->own_first_message}};
    sa.window.expected_request = MessageId{1};
    send_datagrams(context, sa.local, sa.remote, sa.window.given->datagrams);
}

Result<void> answer_with(Context& context, Sa& sa, const wire::Outer& message, const Result<Exchanged>& exchange) {
    auto choice = choose_ike(*find<wire::SaPayload>(message.payloads), sa.connection->proposals, sa.suite.group);
    auto derived = derive(context, sa, exchange);
    if (!choice || !derived) {
        return std::unexpected(!choice ? std::move(choice).error() : std::move(derived).error());
    }
    send_answer(context, sa, message, *choice, exchange->own.public_value);
    return {};
}

InitAnswer refuse(wire::NotifyType type, Error refusal) {
    return {.sa = {}, .answer = {notify(type)}, .refusal = std::move(refusal)};
}

/// The first connection whose proposals fit, and what was chosen.
struct Selected {
    ConnectionPtr connection;
    IkeChoice choice;
};
Result<Selected> select(const std::vector<ConnectionPtr>& candidates, const wire::SaPayload& offered, GroupId group) {
    Error refusal;
    for (const ConnectionPtr& candidate : candidates) {
        auto choice = choose_ike(offered, candidate->proposals, group);
        if (choice) {
            return Selected{candidate, *choice};
        }
        if (refusal.reason.empty()) {
            refusal = std::move(choice).error();
        }
    }
    return std::unexpected(std::move(refusal));
}

}  // namespace

InitAnswer on_init_request(Context& context, const wire::Outer& message, Bytes datagram, const UdpEndpoint& local,
                           const UdpEndpoint& remote) {
    const auto* offered = find<wire::SaPayload>(message.payloads);
    const auto* ke = find<wire::KePayload>(message.payloads);
    const auto* nonce = find<wire::NoncePayload>(message.payloads);
    if (offered == nullptr || ke == nullptr || nonce == nullptr) {
        return refuse(
            wire::NotifyType::invalid_syntax,
            {"ike-malformed", fmt::format("{} sent an IKE_SA_INIT without SA, KE or nonce", remote.text())});
    }
    const auto candidates = context.registry.connections(local.address, remote.address);
    if (candidates.empty()) {
        return refuse(wire::NotifyType::no_proposal_chosen,
                      {"no-connection", fmt::format("no connection is configured between {} and {}",
                                                    local.address.text(), remote.address.text())});
    }
    const auto group = static_cast<GroupId>(ke->group);
    auto selected = select(candidates, *offered, group);
    if (!selected) {
        return refuse(wire::NotifyType::no_proposal_chosen,
                      in_exchange(message.header.exchange, std::move(selected).error()));
    }
    if (selected->choice.suite.group != group) {
        return {.sa = {}, .answer = {suggest_group(selected->choice.suite.group)}, .refusal = {}};
    }
    auto sa = half_open(context, message, datagram, local, remote);
    sa->connection = std::move(selected->connection);
    sa->suite = selected->choice.suite;
    sa->negotiation->peer_nonce = nonce->data;
    if (takes_long(group_of(group))) {
        ask_for_exchange(context, *sa);
        return {.sa = std::move(sa), .answer = {}, .refusal = {}};
    }
    const crypto::KeyPair own = unmade_pair(context.random, group_of(group));
    if (auto answered = answer_with(context, *sa, message, exchange_keys(own, ke->value)); !answered) {
        return refuse(wire::NotifyType::invalid_syntax, std::move(answered).error());
    }
    return {.sa = std::move(sa), .answer = {}, .refusal = {}};
}

// ---- key exchanges that take long

void ask_for_exchange(Context& context, Sa& sa) {
    Negotiation& negotiation = *sa.negotiation;
    negotiation.exchanging = true;
    negotiation.asked = true;
    ExchangeKeys job{.sa = sa.own_spi(),
                     .epoch = context.settings.epoch,
                     .message = crypto::sha256(negotiation.peer_first_message),
                     .own = {},
                     .peer_public = {}};
    job.own = negotiation.key_pair
                  ? duplicate(*negotiation.key_pair)
                  : unmade_pair(context.random, group_of(sa.initiator ? negotiation.group : sa.suite.group));
    if (negotiation.peer_first_message.empty()) {
        negotiation.until = std::min(negotiation.until, context.now + kExchangePatience);
    } else {
        const auto message = wire::parse(negotiation.peer_first_message);
        const auto* ke = message ? find<wire::KePayload>(message->payloads) : nullptr;
        assert(ke != nullptr);  // it was accepted with one
        job.peer_public = ke->value;
    }
    context.actions.emplace_back(std::move(job));
}

namespace {

void on_first_pair(Context& context, Sa& sa, const Result<Exchanged>& made) {
    if (!made) {
        fail_and_end(context, sa, made.error());
        return;
    }
    Negotiation& negotiation = *sa.negotiation;
    if (!negotiation.refusal) {
        negotiation.until = Instant::max();
    }
    negotiation.key_pair = duplicate(made->own);
    send_request(context, sa);
}

void refuse_exchange(Context& context, Sa& sa, const wire::Outer& message, Error error) {
    if (error.reason == "key-exchange-refused") {
        wire::Header header = message.header;
        header.from_initiator = false;
        header.is_response = true;
        send_datagrams(context, sa.local, sa.remote,
                       {wire::emit(header, {notify(wire::NotifyType::invalid_syntax)})});
    }
    report(context, sa, Report::Kind::refused, std::move(error));
    end(context, sa);
    sa.close_at = context.now;  // nothing that it has said could be asked for again
}

}  // namespace

void on_init_exchanged(Context& context, Sa& sa, const KeysExchanged& event) {
    Negotiation& negotiation = *sa.negotiation;
    const wire::Octets datagram = negotiation.peer_first_message;
    if (!negotiation.exchanging || !negotiation.asked || event.message != crypto::sha256(datagram)) {
        return;
    }
    negotiation.exchanging = false;
    negotiation.asked = false;
    if (datagram.empty()) {
        on_first_pair(context, sa, event.result);
        return;
    }
    const auto message = wire::parse(datagram);
    assert(message);  // it was accepted
    if (sa.initiator) {
        on_answer_exchanged(context, sa, *message, event.result);
    } else if (auto answered = answer_with(context, sa, *message, event.result); !answered) {
        refuse_exchange(context, sa, *message, std::move(answered).error());
    }
}

}  // namespace keysluice::ike
