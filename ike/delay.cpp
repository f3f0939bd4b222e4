#include "ike/delay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ike/init.hpp"
#include "ike/receive.hpp"

namespace keysluice::ike {
namespace {

/// A pair is for no message in particular.
constexpr crypto::Sha256 kPairAlone{};

template <typename Offer>
void put_back(Context& context, Sa& sa, Offer offer) {
    context.actions.emplace_back(ExchangeKeys{.sa = sa.own_spi(),
                                              .epoch = context.settings.epoch,
                                              .message = kPairAlone,
                                              .own = unmade_pair(context.random, group_of(offer.group)),
                                              .peer_public = {}});
    offer.pair_until = context.now + kExchangePatience;
    sa.waiting.emplace_front(std::move(offer));
}

/// Calls `visit` with every offer that waits for a key pair, until it returns true.
template <typename Visit>
void for_offers_without_pair(Sa& sa, const Visit& visit) {
    const auto look = [&](auto& task) {
        if constexpr (requires { task.pair_until; }) {
            return task.pair_until != Instant{} && !task.key_pair && visit(task);
        }
        return false;
    };
    for (Task& task : sa.waiting) {
        if (std::visit(look, task)) {
            return;
        }
    }
}

/// Any offer of its group may have it.
void on_pair_made(Context& context, Sa& sa, const Result<Exchanged>& made) {
    for_offers_without_pair(sa, [&](auto& offer) {
        if (!made) {
            offer.pair_until = retry_time(context);
            return false;
        }
        if (group_of(offer.group) != made->own.group) {
            return false;
        }
        offer.key_pair = duplicate(made->own);
        offer.pair_until = Instant{};
        return true;
    });
    if (!made) {
        report(context, sa, Report::Kind::failed, made.error());
    }
}

void handle_again(Context& context, Sa& sa) {
    const Delayed delayed = *std::move(sa.delayed);
    sa.delayed.reset();
    on_incoming(context, sa, delayed.message, delayed.is_response);
}

/// As if the message had never come: whoever sent it sends it again.
void forget_message(Context& context, Sa& sa, Error error) {
    error.sentence = fmt::format("CREATE_CHILD_SA with {}: {}", peer_text(sa), error.sentence);
    report(context, sa, sa.delayed->is_response ? Report::Kind::failed : Report::Kind::refused, std::move(error));
    sa.delayed.reset();
}

}  // namespace

bool waits_for_keys(Context& context, Sa& sa, const Incoming& message, bool is_response, const crypto::KeyPair& own,
                    Bytes peer_public) {
    if (!takes_long(own.group) || context.exchanged != nullptr) {
        return false;
    }
    sa.delayed = Delayed{.message = message, .is_response = is_response, .until = context.now + kExchangePatience};
    context.actions.emplace_back(ExchangeKeys{.sa = sa.own_spi(),
                                              .epoch = context.settings.epoch,
                                              .message = message.digest,
                                              .own = duplicate(own),
                                              .peer_public = wire::Octets(peer_public.begin(), peer_public.end())});
    return true;
}

bool response_waits_for_keys(Context& context, Sa& sa, const Incoming& message) {
    const auto pair_of = [](const auto& task) -> const crypto::KeyPair* {
        if constexpr (requires { task.key_pair; }) {
            return task.key_pair ? &*task.key_pair : nullptr;
        }
        return nullptr;
    };
    const crypto::KeyPair* own = std::visit(pair_of, *sa.current);
    const auto* ke = find<wire::KePayload>(message.payloads);
    return own != nullptr && ke != nullptr && waits_for_keys(context, sa, message, true, *own, ke->value);
}

Result<Exchanged> exchanged(Context& context, const crypto::KeyPair& own, Bytes peer_public) {
    if (context.exchanged == nullptr) {
        return exchange_keys(own, peer_public);
    }
    const Result<Exchanged>& computed = *context.exchanged;
    if (!computed) {
        return std::unexpected(computed.error());
    }
    return Exchanged{.own = duplicate(computed->own), .shared = duplicate(computed->shared)};
}

void wait_for_pair(Context& context, Sa& sa, ChildOffer offer) {
    put_back(context, sa, std::move(offer));
}

void wait_for_pair(Context& context, Sa& sa, IkeOffer offer) {
    put_back(context, sa, std::move(offer));
}

void on_keys_exchanged(Context& context, Sa& sa, const KeysExchanged& event) {
    if (event.epoch != context.settings.epoch) {
        return;
    }
    if (sa.negotiation) {
        on_init_exchanged(context, sa, event);
    } else if (event.message == kPairAlone) {
        on_pair_made(context, sa, event.result);
    } else if (sa.delayed && sa.delayed->message.digest == event.message) {
        if (!event.result && event.result.error().reason == "key-exchange-busy") {
            forget_message(context, sa, event.result.error());
            return;
        }
        context.exchanged = &event.result;
        handle_again(context, sa);
        context.exchanged = nullptr;
    }
}

Error late_exchange() {
    return {"key-exchange-busy",
            fmt::format("a key exchange was not computed within {} s; is this machine overloaded?",
                        std::chrono::duration_cast<std::chrono::seconds>(kExchangePatience).count())};
}

void on_delay_end(Context& context, Sa& sa) {
    if (sa.delayed->until == Instant{}) {
        handle_again(context, sa);  // a restored one
        return;
    }
    forget_message(context, sa, late_exchange());
}

}  // namespace keysluice::ike
