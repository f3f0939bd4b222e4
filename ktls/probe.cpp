#include "ktls/probe.hpp"

#include <algorithm>
#include <cstdint>

#include "ktls/keys.hpp"
#include "ktls/loopback.hpp"
#include "ktls/socket.hpp"

namespace keysluice::ktls {
namespace {

template <typename Direction>
bool accepts(int fd, Version version, Cipher cipher) {
    constexpr std::array<std::uint8_t, 32> kZeros{};
    const Bytes zeros{kZeros};
    const auto keys = Keys<Direction>::make(
        version, cipher, {.key = zeros.first(key_size(cipher)), .iv = zeros.first(iv_size(version, cipher))});
    return keys && install(fd, *keys);
}

/// One connection per question: a key can't be unset.
Result<void> try_cipher(Capabilities& found, Version version, Cipher cipher) {
    auto pair = connect_loopback();
    if (!pair) {
        return pass_on(std::move(pair));
    }
    const int fd = pair->server.get();
    if (auto attached = attach(fd); !attached) {
        return attached;
    }
    const bool carried = accepts<Rx>(fd, version, cipher) && accepts<Tx>(fd, version, cipher);
    found.set_carries(version, cipher, carried);
    if (carried && version == Version::tls13) {
        found.rekeys_receiving = found.rekeys_receiving || accepts<Rx>(fd, version, cipher);
        found.rekeys_sending = found.rekeys_sending || accepts<Tx>(fd, version, cipher);
    }
    return {};
}

}  // namespace

bool Capabilities::carries_any() const {
    return std::ranges::find(carried_, true) != carried_.end();
}

Capabilities probe() {
    Capabilities found;
    for (const Version version : kVersions) {
        for (const Cipher cipher : kCiphers) {
            if (auto tried = try_cipher(found, version, cipher); !tried) {
                found.absent = std::move(tried).error();
                return found;
            }
        }
    }
    return found;
}

}  // namespace keysluice::ktls
