#include "tests/support/raw_peer.hpp"

#include <openssl/err.h>

#include <array>

namespace keysluice::testing {

RawPeer::RawPeer(tls::Role role, const std::function<void(SSL_CTX*)>& configure)
    : context_(SSL_CTX_new(role == tls::Role::server ? TLS_server_method() : TLS_client_method())) {
    const Pki& pki = Pki::shared();
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    if (role == tls::Role::server) {
        SSL_CTX_use_certificate(context_.get(), pki.server.certificate.get());
        SSL_CTX_use_PrivateKey(context_.get(), pki.server.key.get());
    }
    configure(context_.get());
    ssl_.reset(SSL_new(context_.get()));
    BIO* bio = tls::new_bio(wire_);
    SSL_set_bio(ssl_.get(), bio, bio);
    if (role == tls::Role::server) {
        SSL_set_accept_state(ssl_.get());
    } else {
        SSL_set_connect_state(ssl_.get());
    }
}

Result<void> RawPeer::shake_hands(tls::Session& session) {
    Result<void> verdict;
    for (bool moved = true; moved;) {
        const std::vector<std::uint8_t> bytes = testing::take_output(session);
        wire_.input = bytes;
        ERR_clear_error();
        if (SSL_do_handshake(ssl_.get()) == 1) {
            std::uint8_t none = 0;
            SSL_peek(ssl_.get(), &none, sizeof(none));  // tickets
        }
        while (const unsigned long code = ERR_get_error()) {
            if (ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET) {
                alert_ = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;
            }
        }
        const std::vector<std::uint8_t> answer = take_output();
        moved = !bytes.empty() || !answer.empty();
        for (const Bytes record : records_in(answer)) {
            if (verdict && !session.established()) {
                verdict = session.feed(record);
            }
        }
    }
    return verdict;
}

std::vector<std::uint8_t> RawPeer::take_output() {
    std::vector<std::uint8_t> bytes(wire_.output().begin(), wire_.output().end());
    wire_.sent(bytes.size());
    return bytes;
}

std::vector<std::uint8_t> RawPeer::read(Bytes ciphertext) {
    std::vector<std::uint8_t> plaintext;
    std::array<std::uint8_t, 16384> room{};
    std::size_t count = 0;
    wire_.input = ciphertext;
    while (SSL_read_ex(ssl_.get(), room.data(), room.size(), &count) == 1) {
        plaintext.insert(plaintext.end(), room.begin(), room.begin() + static_cast<long>(count));
    }
    return plaintext;
}

}  // namespace keysluice::testing
