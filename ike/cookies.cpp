#include "ike/cookies.hpp"

#include "crypto/digest.hpp"

namespace keysluice::ike {
namespace {

constexpr Duration kSecretLife = std::chrono::minutes(1);

wire::Octets cookie_of(Toolbox& tools, std::uint8_t number, Bytes secret, const UdpEndpoint& peer, IkeSpi spi,
                       Bytes nonce) {
    Writer head;
    head.raw(peer.address.octets()).be(spi.value);
    wire::Octets cookie(33);
    cookie.front() = number;
    const std::array<Bytes, 2> parts{head.view(), nonce};
    if (!tools.macs.compute(crypto::MacAlgorithm::hmac_sha256, secret, parts, MutableBytes(cookie).subspan(1))) {
        return {};
    }
    return cookie;
}

}  // namespace

void Cookies::renew(Random& random, Instant now) {
    if (now < current_.until && !current_.secret.empty()) {
        return;
    }
    const auto number = static_cast<std::uint8_t>(current_.number + 1);
    previous_ = std::move(current_);
    current_ = Version{};
    current_.number = number;
    current_.until = now + kSecretLife;
    random.fill(current_.secret.writable(32));
}

wire::Octets Cookies::make(Toolbox& tools, Random& random, Instant now, const UdpEndpoint& peer, IkeSpi spi,
                           Bytes nonce) {
    renew(random, now);
    return cookie_of(tools, current_.number, current_.secret.expose(), peer, spi, nonce);
}

bool Cookies::check(Toolbox& tools, Instant now, const UdpEndpoint& peer, IkeSpi spi, Bytes nonce,
                    Bytes cookie) const {
    for (const Version* version : {&current_, &previous_}) {
        const bool known = !version->secret.empty() && now < version->until + kSecretLife;
        if (!known || cookie.empty() || cookie.front() != version->number) {
            continue;
        }
        const auto expected = cookie_of(tools, version->number, version->secret.expose(), peer, spi, nonce);
        if (!expected.empty() && crypto::equal(expected, cookie)) {
            return true;
        }
    }
    return false;
}

}  // namespace keysluice::ike
