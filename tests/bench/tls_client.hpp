#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::bench {

/// OpenSSL's reference-counted objects, freed by their own function.
template <auto Free>
struct Freed {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};
using SslContext = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SslConnection = std::unique_ptr<SSL, Freed<SSL_free>>;
using SslSession = std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>>;

/// A client that speaks TLS 1.3 only. It checks the server's signature but no chain: the certificate is a throwaway
/// one.
[[nodiscard]] Result<SslContext> tls13_client();

/// The client's side of a connection over `fd`, which stays the caller's.
[[nodiscard]] Result<SslConnection> client_on(SSL_CTX* context, int fd);

/// A blocking connection through a service to echo_backend.
struct EchoConnection {
    UniqueFd fd;
    SslConnection tls;
};

/// One that has returned five bytes already.
[[nodiscard]] Result<EchoConnection> open_echoed(SSL_CTX* context, std::uint16_t port);

/// Sends the bytes and waits until they have come back, all and the same.
[[nodiscard]] Result<void> echo(const EchoConnection& connection, Bytes bytes);

/// What OpenSSL has to say about the last failure on this thread.
[[nodiscard]] std::string openssl_error();

}  // namespace keysluice::bench
