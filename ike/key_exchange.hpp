#pragma once

#include "base/random.hpp"
#include "ike/events.hpp"

namespace keysluice::ike {

/// Whether a key exchange in this group holds an event loop up for longer than it may. X25519 and P-256 don't:
/// handing them to a thread would cost more than it saves.
[[nodiscard]] bool takes_long(crypto::Group group);

/// A pair that is yet to be made: the private value is the randomness for it.
[[nodiscard]] crypto::KeyPair unmade_pair(Random& random, crypto::Group group);
[[nodiscard]] crypto::KeyPair duplicate(const crypto::KeyPair& pair);

/// The secret that `own`, made or unmade, has with the peer's value. Fails as crypto::shared_secret().
[[nodiscard]] Result<Exchanged> exchange_keys(const crypto::KeyPair& own, Bytes peer_public);
/// Carries the job out, on any thread.
[[nodiscard]] KeysExchanged exchange_keys(const ExchangeKeys& job);

}  // namespace keysluice::ike
