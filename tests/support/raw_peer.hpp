#pragma once

#include <functional>

#include "tests/support/tls_pair.hpp"
#include "tls/wire.hpp"

namespace keysluice::testing {

/// A bare OpenSSL peer, for what a Session of ours would never do.
class RawPeer {
   public:
    /// It trusts everyone, speaks whatever OpenSSL can, and as a server shows shop.example's certificate.
    RawPeer(tls::Role role, const std::function<void(SSL_CTX*)>& configure);
    RawPeer(const RawPeer&) = delete;
    RawPeer& operator=(const RawPeer&) = delete;

    /// Talks to the session until both fall silent. What the session said of it.
    Result<void> shake_hands(tls::Session& session);

    /// After the handshake: what SSL_write and the like put out.
    std::vector<std::uint8_t> take_output();
    /// Decrypts what the session sent; the plaintext.
    std::vector<std::uint8_t> read(Bytes ciphertext);

    [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
    /// The description of the alert that ended the handshake, such as SSL_AD_HANDSHAKE_FAILURE; -1: none came.
    [[nodiscard]] int alert() const { return alert_; }

   private:
    tls::Wire wire_;
    tls::SslContextPtr context_;
    tls::SslPtr ssl_;
    int alert_ = -1;
};

}  // namespace keysluice::testing
