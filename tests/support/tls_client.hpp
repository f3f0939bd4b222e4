#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/plain_end.hpp"
#include "tls/session.hpp"

namespace keysluice::test {

/// A decent TLS client in userspace on one end of a connection: what it wants to say leaves as the kernel takes it,
/// what comes is decrypted and collected. A handshake that is not done yet runs by itself.
class TlsClient {
   public:
    TlsClient(UniqueFd socket, std::unique_ptr<tls::Session> session);

    void say(Bytes bytes);
    /// close_notify, without a FIN.
    void say_close_notify();
    /// Bytes as they are, behind everything else.
    void say_raw(Bytes wire) { wire_.say(wire); }
    /// A FIN behind everything that was said, without an alert.
    void say_end() { wire_.say_end(); }
    void say_reset() { close_with_reset(wire_.fd); }
    void pump();
    [[nodiscard]] bool established() const { return session_->established(); }
    [[nodiscard]] bool said_all() const { return wire_.said_all(); }
    [[nodiscard]] std::size_t unsaid() const { return wire_.unsaid(); }
    [[nodiscard]] bool over() const { return wire_.over(); }
    [[nodiscard]] bool ended() const { return wire_.ended; }
    [[nodiscard]] int error() const { return wire_.error; }
    [[nodiscard]] int socket() const { return wire_.fd.get(); }
    [[nodiscard]] tls::Session& session() { return *session_; }
    void set_reads(bool reads) { wire_.reads = reads; }

    std::vector<std::uint8_t> received;
    bool closed = false;       ///< close_notify came
    std::string_view failure;  ///< the reason of the session's failure: the peer's alert

   private:
    void take_input();
    void take_output();
    void handshake();
    void decrypt();

    PlainEnd wire_;
    std::unique_ptr<tls::Session> session_;
};

}  // namespace keysluice::test
