#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/certificates.hpp"
#include "tls/session.hpp"

namespace keysluice::testing {

/// One certificate authority, a server certificate for shop.example and a client certificate, made once per process.
struct Pki {
    CertificateFolder folder;
    Issued authority;
    Issued server;
    Issued rsa_server;
    Issued client;
    Issued stranger;  ///< an authority that nobody trusts

    static Pki& shared();
};

tls::ServerSettings server_settings();
tls::ClientSettings client_settings();
tls::Context server_context(const tls::ServerSettings& settings = server_settings());
tls::Context client_context(const tls::ClientSettings& settings = client_settings());

/// The whole records at the front of a range, each with its header.
std::vector<Bytes> records_in(Bytes stream);

/// A server and a client that talk through memory, record by record.
struct TlsPair {
    std::unique_ptr<tls::Session> server;
    std::unique_ptr<tls::Session> client;

    TlsPair(const tls::Context& server_side, const tls::Context& client_side);

    /// Until both have nothing to say. The failures of either side, if any, else both are established or stuck.
    void shake_hands();
    Result<void> server_result;
    Result<void> client_result;

    [[nodiscard]] bool established() const { return server->established() && client->established(); }
};

/// Moves what `from` has to say into `to`, record by record; what `to` answers waits in its output.
Result<void> move_records(tls::Session& from, tls::Session& to);

/// Takes a session's output out of it.
std::vector<std::uint8_t> take_output(tls::Session& session);

/// Everything that the session decrypts from the bytes, and the outcome that ended it.
struct Received {
    std::vector<std::uint8_t> data;
    Result<tls::Read> end;
};
Received receive_all(tls::Session& session, Bytes ciphertext);

/// `size` bytes that don't repeat soon.
std::vector<std::uint8_t> pattern(std::size_t size);

}  // namespace keysluice::testing
