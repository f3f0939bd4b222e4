#include "ike/rekey_ike.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "ike/auth_lifetime.hpp"
#include "ike/delay.hpp"
#include "ike/mobility.hpp"

namespace keysluice::ike {
namespace {

constexpr unsigned kMostAttempts = 4;

/// An IKE SA that inherits all but its keys and names (section 2.18: "The new IKE SA MUST reset its
/// message counters to 0.").
std::unique_ptr<Sa> successor(Context& context, const Sa& old, bool initiator, const IkeSuite& suite) {
    auto sa = std::make_unique<Sa>();
    sa->state = State::established;
    sa->replacement = true;
    sa->initiator = initiator;
    sa->connection = old.connection;
    sa->local = old.local;
    sa->remote = old.remote;
    sa->nat_here = old.nat_here;
    sa->nat_there = old.nat_there;
    sa->mobility = old.mobility;
    sa->fragmentation = old.fragmentation;
    sa->suite = suite;
    sa->iv.epoch = context.settings.epoch;
    sa->peer_id = old.peer_id;
    // Section 3.15.1: "The requested address is valid as long as this IKE SA (or its rekeyed successors) requesting
    // the address is valid."
    if (old.given) {
        sa->given = *old.given;
    }
    if (old.assigned) {
        sa->assigned = *old.assigned;
    }
    sa->established_at = context.now;
    sa->heard_at = context.now;
    sa->sent_at = context.now;
    sa->rekey_at = early(context, old.connection->rekey_time);
    return sa;
}

Result<void> derive(Context& context, const Sa& old, Sa& next, const crypto::SharedSecret& shared,
                    const Nonces& nonces) {
    auto keys = derive_rekeyed_ike_keys(context.tools, old.suite.prf, old.keys.d, next.suite, nonces,
                                        next.initiator_spi, next.responder_spi, shared);
    if (!keys) {
        return pass_on(std::move(keys));
    }
    next.keys = *std::move(keys);
    next.keys.proof.reset();  // nobody proves anything again
    return {};
}

wire::Octets lowest(const Nonces& nonces) {
    const wire::Octets a(nonces.initiator.begin(), nonces.initiator.end());
    const wire::Octets b(nonces.responder.begin(), nonces.responder.end());
    return lower_nonce(a, b);
}

/// The peer's exchange is the one that counts.
void yield_to_rival(Context& context, Sa& sa, IkeSpi rival) {
    if (sa.state == State::replaced) {
        return;  // it counts already: the peer has used what it made
    }
    if (Sa* winner = context.registry.find(rival); winner != nullptr && winner->state == State::established) {
        hand_over(context, sa, *winner);
        sa.close_at = context.now + kDeletePatience;
        become(context, sa, State::replaced);
    }
}

void on_refusal(Context& context, Sa& sa, IkeOffer& offer, const Payloads& payloads) {
    const auto* error = find_error(payloads);
    sa.rekey_at = retry_time(context);
    if (offer.rival) {
        yield_to_rival(context, sa, offer.rival->spi);
        return;
    }
    if (error != nullptr && error->type == wire::NotifyType::invalid_ke_payload) {
        const GroupId group = suggested_group(*error);
        // Section 2.7: what we did not offer would be a downgrade.
        if (offers_group(offer.offered, group) && group != offer.group && ++offer.attempts <= kMostAttempts) {
            offer.group = group;
            offer.key_pair.reset();
            sa.waiting.emplace_front(std::move(offer));
            return;
        }
    }
    if (error == nullptr || error->type != wire::NotifyType::temporary_failure) {
        report(context, sa, Report::Kind::failed,
               {"rekey-refused",
                fmt::format("{} answered the rekeying of the IKE SA with {}; we offered {} and a key of {}",
                            peer_text(sa), error != nullptr ? wire::name_of(error->type) : "nothing useful",
                            print(offer.offered), name_of(offer.group))});
    }
}

Result<std::unique_ptr<Sa>> accepted(Context& context, const Sa& sa, const IkeOffer& offer, const Payloads& payloads,
                                     const Nonces& nonces) {
    const auto* answered = find<wire::SaPayload>(payloads);
    const auto* ke = find<wire::KePayload>(payloads);
    if (answered == nullptr || ke == nullptr) {
        return fail("ike-malformed",
                    fmt::format("{} answered the rekeying of the IKE SA without SA or KE", peer_text(sa)));
    }
    auto choice = accept_ike_answer(*answered, offer.offered);
    if (!choice) {
        return pass_on(std::move(choice));
    }
    if (choice->suite.group != offer.group || ke->group != static_cast<std::uint16_t>(offer.group) ||
        choice->spi.value == 0) {
        return fail(
            "answer-not-offered",
            fmt::format("{} answered the rekeying of the IKE SA with another group or no SPI", peer_text(sa)));
    }
    auto next = successor(context, sa, true, choice->suite);
    next->initiator_spi = offer.spi;
    next->responder_spi = choice->spi;
    assert(offer.key_pair);
    auto exchange = exchanged(context, *offer.key_pair, ke->value);
    if (!exchange) {
        return pass_on(std::move(exchange));
    }
    if (auto derived = derive(context, sa, *next, exchange->shared, nonces); !derived) {
        return pass_on(std::move(derived));
    }
    return next;
}

/// RFC 7296 section 2.25: what forbids a rekeying just now.
bool busy(Context& context, const Sa& sa) {
    if (sa.state != State::established) {
        return true;
    }
    // Of us a peer gets one new IKE SA at a time: not a second one beside a rekeying of ours, and none while it has
    // not deleted the one before.
    const auto* own = sa.current ? std::get_if<IkeOffer>(&*sa.current) : nullptr;
    const Sa* before = sa.predecessor ? context.registry.find(*sa.predecessor) : nullptr;
    if ((own != nullptr && own->rival) || (before != nullptr && before->state == State::replaced)) {
        return true;
    }
    // 2.25.1: "If a peer receives a request to rekey the IKE SA, and it is currently creating, rekeying, or closing a
    // Child SA of that IKE SA, it SHOULD reply with TEMPORARY_FAILURE."
    const bool moving = sa.current && (std::holds_alternative<ChildOffer>(*sa.current) ||
                                       std::holds_alternative<DeleteChildren>(*sa.current));
    return moving || std::ranges::any_of(sa.children,
                                         [](const ChildSa& child) { return child.state == ChildState::installing; });
}

void answer_rekeying(Context& context, Sa& sa, const Incoming& message, const wire::SaPayload& offered,
                     const wire::KePayload& ke, const wire::NoncePayload& nonce) {
    const auto refuse = [&](wire::NotifyPayload refusal, Error error) {
        report(context, sa, Report::Kind::refused, in_exchange(message.exchange, std::move(error)));
        send_response(context, sa, message, {std::move(refusal)});
    };
    auto choice = choose_ike(offered, sa.connection->proposals, static_cast<GroupId>(ke.group));
    if (!choice) {
        refuse(notify(wire::NotifyType::no_proposal_chosen), std::move(choice).error());
        return;
    }
    if (static_cast<std::uint16_t>(choice->suite.group) != ke.group) {
        send_response(context, sa, message, {suggest_group(choice->suite.group)});
        return;
    }
    const crypto::KeyPair own_pair = unmade_pair(context.random, group_of(choice->suite.group));
    if (waits_for_keys(context, sa, message, false, own_pair, ke.value)) {
        return;
    }
    auto next = successor(context, sa, false, choice->suite);
    next->predecessor = sa.own_spi();
    next->initiator_spi = choice->spi;
    next->responder_spi = context.registry.new_ike_spi();
    const wire::Octets own_nonce = new_nonce(context.random);
    const Nonces nonces{nonce.data, own_nonce};
    auto exchange = exchanged(context, own_pair, ke.value);
    auto derived = exchange ? derive(context, sa, *next, exchange->shared, nonces)
                            : Result<void>(std::unexpected(exchange.error()));
    if (!derived || choice->spi.value == 0) {
        refuse(notify(wire::NotifyType::invalid_syntax),
               derived ? Error{"ike-malformed", "a rekeying without a new SPI"} : std::move(derived).error());
        return;
    }
    send_response(context, sa, message,
                  {answer(*choice, octets_of(next->responder_spi)), wire::NoncePayload{own_nonce},
                   wire::KePayload{.group = ke.group, .value = exchange->own.public_value}});
    Sa& adopted = context.registry.adopt(std::move(next));
    auto* own = sa.current ? std::get_if<IkeOffer>(&*sa.current) : nullptr;
    if (own != nullptr) {
        // 2.25.2: "If a peer receives a request to rekey an IKE SA that it is currently rekeying, it SHOULD reply as
        // usual, and SHOULD prepare to close redundant SAs and move inherited Child SAs later based on the nonces".
        own->rival = IkeOffer::Rival{.spi = adopted.own_spi(), .lowest_nonce = lowest(nonces)};
        return;
    }
    yield_to_rival(context, sa, adopted.own_spi());
}

}  // namespace

bool rekeys_ike(const Payloads& payloads) {
    const auto* offered = find<wire::SaPayload>(payloads);
    return offered != nullptr && !offered->proposals.empty() &&
           offered->proposals.front().protocol == wire::Protocol::ike;
}

IkeOffer new_ike_offer(Context& context, const Sa& sa) {
    IkeOffer offer;
    offer.spi = context.registry.new_ike_spi();
    offer.nonce = new_nonce(context.random);
    offer.offered = ike::offer(sa.connection->proposals, octets_of(offer.spi), true);
    offer.group = first_group(offer.offered);
    return offer;
}

void start_rekey_ike(Context& context, Sa& sa, IkeOffer& offer) {
    if (sa.state != State::established) {
        return;
    }
    if (!offer.key_pair && takes_long(group_of(offer.group))) {
        wait_for_pair(context, sa, std::move(offer));
        return;
    }
    if (!offer.key_pair) {
        auto pair = new_key_pair(context.random, offer.group);
        if (!pair) {
            report(context, sa, Report::Kind::failed, std::move(pair).error());
            return;
        }
        offer.key_pair = *std::move(pair);
    }
    send_request(
        context, sa, wire::ExchangeType::create_child_sa,
        {offer.offered, wire::NoncePayload{offer.nonce},
         wire::KePayload{.group = static_cast<std::uint16_t>(offer.group), .value = offer.key_pair->public_value}});
}

void on_rekey_ike_response(Context& context, Sa& sa, IkeOffer offer, const Incoming& message) {
    const auto* nonce = find<wire::NoncePayload>(message.payloads);
    if (nonce == nullptr) {
        on_refusal(context, sa, offer, message.payloads);
        return;
    }
    const Nonces nonces{offer.nonce, nonce->data};
    auto next = accepted(context, sa, offer, message.payloads, nonces);
    if (!next) {
        report(context, sa, Report::Kind::failed, std::move(next).error());
        sa.rekey_at = retry_time(context);
        return;
    }
    Sa& ours = context.registry.adopt(*std::move(next));
    const auto contest = offer.rival.value_or(IkeOffer::Rival{});
    Sa* rival = context.registry.find(contest.spi);
    if (rival != nullptr && rival->state != State::established) {
        rival = nullptr;
    }
    const bool lost = rival != nullptr && std::ranges::lexicographical_compare(lowest(nonces), contest.lowest_nonce);
    if (sa.state == State::replaced || lost) {
        // Section 2.8.2: "The new IKE SA containing the lowest nonce SHOULD be deleted by the node that created it,
        // and the other surviving new IKE SA MUST inherit all the Child SAs."
        yield_to_rival(context, sa, contest.spi);
        ours.waiting.emplace_back(DeleteIke{});
        start_next(context, ours);
        return;
    }
    if (rival != nullptr) {
        // The peer deletes it, unless it never learns that it exists.
        rival->rekey_at = Instant::max();
        rival->close_at = context.now + kDeletePatience;
        become(context, *rival, State::replaced);
    }
    hand_over(context, sa, ours);
    sa.we_replace = true;
    become(context, sa, State::replaced);
    sa.waiting.emplace_back(DeleteIke{});
    start_next(context, ours);
}

void on_rekey_ike_request(Context& context, Sa& sa, const Incoming& message) {
    const auto* offered = find<wire::SaPayload>(message.payloads);
    const auto* ke = find<wire::KePayload>(message.payloads);
    const auto* nonce = find<wire::NoncePayload>(message.payloads);
    if (busy(context, sa)) {
        send_response(context, sa, message, {notify(wire::NotifyType::temporary_failure)});
    } else if (ke == nullptr || nonce == nullptr) {
        send_response(context, sa, message, {notify(wire::NotifyType::invalid_syntax)});
    } else {
        answer_rekeying(context, sa, message, *offered, *ke, *nonce);
    }
}

void inherit_before_use(Context& context, Sa& sa) {
    Sa* before = sa.predecessor ? context.registry.find(*sa.predecessor) : nullptr;
    if (before != nullptr && before->state == State::established) {
        yield_to_rival(context, *before, sa.own_spi());
    }
}

bool leave_to_rival(Context& context, Sa& sa) {
    const auto* own = sa.current ? std::get_if<IkeOffer>(&*sa.current) : nullptr;
    Sa* rival = own != nullptr && own->rival ? context.registry.find(own->rival->spi) : nullptr;
    if (sa.state != State::established || rival == nullptr || rival->state != State::established) {
        return false;
    }
    hand_over(context, sa, *rival);
    return true;
}

void hand_over(Context& context, Sa& from, Sa& to) {
    hand_over_path(from, to);
    std::ranges::move(from.children, std::back_inserter(to.children));
    from.children.clear();
    std::erase_if(from.waiting, [](const Task& task) { return std::holds_alternative<IkeOffer>(task); });
    to.waiting.splice(to.waiting.end(), from.waiting);
    from.rekey_at = Instant::max();
    to.watch = from.watch;
    to.watch.asked = false;
    hand_over_lifetime(context, from, to);
    report(context, to, Report::Kind::ike_rekeyed);
    std::get<Report>(context.actions.back()).from_sa = from.own_spi();
}

}  // namespace keysluice::ike
