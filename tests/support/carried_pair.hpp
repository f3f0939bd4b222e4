#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include "ktls/socket.hpp"
#include "tests/support/sealed_record.hpp"
#include "tests/support/tcp_pair.hpp"

namespace keysluice::test {

template <typename Value>
void require_ok(const Result<Value>& result) {
    REQUIRE_MESSAGE(result, (result ? "" : result.error().sentence));
}

/// Puts one end of a connection into the kernel, in the order of ktls/socket.hpp.
inline void carry(int fd, const TestKeys& receives, const TestKeys& sends) {
    require_ok(ktls::attach(fd));
    require_ok(ktls::install(fd, receives.for_kernel<ktls::Rx>()));
    require_ok(ktls::install(fd, sends.for_kernel<ktls::Tx>()));
}

/// The keys of both directions of one connection.
struct KeyPair {
    TestKeys client;
    TestKeys server;

    [[nodiscard]] static KeyPair make(ktls::Version version, ktls::Cipher cipher) {
        return {TestKeys::make(version, cipher, 1), TestKeys::make(version, cipher, 77)};
    }
};

/// A connection whose both ends are carried by the kernel.
inline ktls::TcpPair carried_pair(ktls::Version version, ktls::Cipher cipher) {
    ktls::TcpPair pair = tcp_pair();
    const KeyPair keys = KeyPair::make(version, cipher);
    carry(pair.client.get(), keys.server, keys.client);
    carry(pair.server.get(), keys.client, keys.server);
    return pair;
}

/// A connection whose server end is carried by the kernel, and whose client end is the test: what it writes is the
/// wire.
struct HandmadePeer {
    explicit HandmadePeer(ktls::Version version, ktls::Cipher cipher = ktls::Cipher::aes128_gcm)
        : keys(KeyPair::make(version, cipher)), sealer(keys.client), pair(tcp_pair()) {
        carry(pair.server.get(), keys.client, keys.server);
    }

    [[nodiscard]] int server() const { return pair.server.get(); }
    void send(Bytes wire) const {
        REQUIRE(::send(pair.client.get(), wire.data(), wire.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(wire.size()));
    }
    void send_sealed(ktls::ContentType type, Bytes payload) { send(sealer.seal(type, payload)); }
    void send_fin() const { ::shutdown(pair.client.get(), SHUT_WR); }

    KeyPair keys;
    RecordSealer sealer;
    ktls::TcpPair pair;
};

}  // namespace keysluice::test
