#pragma once

#include "base/instant.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "ike/toolbox.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::ike {

/// Cookies that make an initiator show that it receives at its address (RFC 7296 section 2.6), without keeping
/// anything for it.
///
/// "Cookie = <VersionIDofSecret> | Hash(Ni | IPi | SPIi | <secret>)": here an HMAC. The secret changes each minute,
/// and the one before is still good.
class Cookies {
   public:
    [[nodiscard]] wire::Octets make(Toolbox& tools, Random& random, Instant now, const UdpEndpoint& peer, IkeSpi spi,
                                    Bytes nonce);
    [[nodiscard]] bool check(Toolbox& tools, Instant now, const UdpEndpoint& peer, IkeSpi spi, Bytes nonce,
                             Bytes cookie) const;

   private:
    struct Version {
        Secret<32> secret;
        Instant until{};
        std::uint8_t number = 0;
    };
    void renew(Random& random, Instant now);

    Version current_;
    Version previous_;
};

}  // namespace keysluice::ike
