#pragma once

#include "ike/events.hpp"
#include "ike/exchange.hpp"
#include "ike/key_exchange.hpp"

namespace keysluice::ike {

// Key exchanges of CREATE_CHILD_SA. Those that take long are computed elsewhere, and meanwhile the message waits as
// if it were still on its way: nothing of the SA changes, and it is handled when the secret is there.

/// How long another thread may take.
inline constexpr Duration kExchangePatience = std::chrono::seconds(15);

/// Whether the message that is being handled has to wait for this exchange. Then it is handled once more later: its
/// handler must not have changed anything yet, and returns.
[[nodiscard]] bool waits_for_keys(Context& context, Sa& sa, const Incoming& message, bool is_response,
                                  const crypto::KeyPair& own, Bytes peer_public);
/// The same for a response to our offer, if there is an exchange in it.
[[nodiscard]] bool response_waits_for_keys(Context& context, Sa& sa, const Incoming& message);
/// The exchange of a message that does not wait, or has waited.
[[nodiscard]] Result<Exchanged> exchanged(Context& context, const crypto::KeyPair& own, Bytes peer_public);

/// Puts the offer back among the waiting tasks until another thread has made a key pair of its group.
void wait_for_pair(Context& context, Sa& sa, ChildOffer offer);
void wait_for_pair(Context& context, Sa& sa, IkeOffer offer);

void on_keys_exchanged(Context& context, Sa& sa, const KeysExchanged& event);
/// What is wrong when another thread took too long.
[[nodiscard]] Error late_exchange();
/// The time of a message that waits is over, or this process has yet to ask.
void on_delay_end(Context& context, Sa& sa);

}  // namespace keysluice::ike
