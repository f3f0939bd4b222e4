#include "ike/key_exchange.hpp"

#include <utility>

namespace keysluice::ike {
namespace {

Result<crypto::KeyPair> made(const crypto::KeyPair& own) {
    return own.public_value.empty() ? crypto::make_key_pair(own.group, own.private_value.expose()) : duplicate(own);
}

Result<Exchanged> pair_alone(const crypto::KeyPair& own) {
    auto pair = made(own);
    return pair ? Result<Exchanged>(Exchanged{.own = *std::move(pair), .shared = {}}) : pass_on(std::move(pair));
}

}  // namespace

bool takes_long(crypto::Group group) {
    return group != crypto::Group::x25519 && group != crypto::Group::ecp256;
}

crypto::KeyPair unmade_pair(Random& random, crypto::Group group) {
    crypto::KeyPair pair{.group = group, .private_value = {}, .public_value = {}};
    random.fill(pair.private_value.writable(crypto::private_size(group)));
    return pair;
}

crypto::KeyPair duplicate(const crypto::KeyPair& pair) {
    return {.group = pair.group, .private_value = duplicate(pair.private_value), .public_value = pair.public_value};
}

Result<Exchanged> exchange_keys(const crypto::KeyPair& own, Bytes peer_public) {
    auto pair = made(own);
    if (!pair) {
        return pass_on(std::move(pair));
    }
    auto shared = crypto::shared_secret(*pair, peer_public);
    if (!shared) {
        return pass_on(std::move(shared));
    }
    return Exchanged{.own = *std::move(pair), .shared = *std::move(shared)};
}

KeysExchanged exchange_keys(const ExchangeKeys& job) {
    return {.sa = job.sa,
            .epoch = job.epoch,
            .message = job.message,
            .result = job.peer_public ? exchange_keys(job.own, *job.peer_public) : pair_alone(job.own)};
}

}  // namespace keysluice::ike
