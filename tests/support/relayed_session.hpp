#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/relay/session.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/farewells.hpp"
#include "tests/support/handmade_end.hpp"

namespace keysluice::test {

/// A relay of one session, between a TLS peer that is written by hand and a plaintext application, all in one thread.
///
/// It also plays the keeper: it holds duplicates of both sockets and of every pipe, so that the relay can die and a
/// successor take over.
class RelayedSession : public Session::Host {
   public:
    explicit RelayedSession(ktls::Version version = ktls::Version::tls13, PlainPair pair = plain_tcp_pair(),
                            Duration close_timeout = std::chrono::seconds(60),
                            ktls::Cipher cipher = ktls::Cipher::chacha20_poly1305);

    /// The relay's process dies between two turns of its loop, and nobody takes over: the keeper lets go too.
    void die();
    /// It dies, and a successor takes up what the keeper and the shared table have. `meanwhile` gets the TLS socket.
    void replace(const std::function<void(int)>& meanwhile = [](int) {});
    /// From now on the keys can be changed, as the peer's are.
    void keep_secrets();

    /// One round of everybody: both ends say and read what they can, the loop handles what is there.
    void turn(Duration longest = std::chrono::milliseconds(2));
    /// Rounds until the condition holds; false when it does not within ten seconds.
    template <std::predicate Condition>
    [[nodiscard]] bool turn_until(Condition condition) {
        const Instant until = now() + std::chrono::seconds(10);
        while (!condition()) {
            if (now() > until) {
                return false;
            }
            turn();
        }
        return true;
    }
    /// Rounds for a while, in which nothing is to happen.
    void turn_for(Duration time);
    /// How often the loop came back from its sleep within a fifth of a second.
    [[nodiscard]] int wake_ups();

    [[nodiscard]] bool over() const { return outcome.has_value(); }
    [[nodiscard]] bool both_over() const { return over() && tls.over() && plain.over(); }
    [[nodiscard]] std::size_t borrowed_pipes() const { return pipes_->size() - pipes_->unused(); }
    [[nodiscard]] PipePool& pool() { return *pipes_; }
    /// The buffers of both ends of the TLS connection, in bytes (the kernel doubles them).
    void shrink_buffers(int sending, int receiving);
    void shrink_buffers(int all) { shrink_buffers(all, all); }

    HandmadeEnd tls;
    PlainEnd plain;
    TableEntry entry;
    KeptSecrets secrets;
    RekeyAfter rekey_after;                          ///< of the next relay: replace()
    std::vector<std::vector<std::uint8_t>> tickets;  ///< that the relay was told of
    /// Once it is over: the reason, empty after an orderly end.
    std::optional<std::string> outcome;

   private:
    struct KeptPipe {
        PipeId id;
        UniqueFd read_end;
        UniqueFd write_end;
    };

    Loop& loop() override { return *loop_; }
    PipePool& pipes() override { return *pipes_; }
    void come_back(Session& session) override;
    void on_ticket(Session& session, Bytes message) override;
    void on_ended(Session& session, const Error* error, UniqueFd farewell) override;
    void begin();
    void let_go();

    ktls::Version version_;
    Duration close_timeout_;
    UniqueFd kept_tls_;
    UniqueFd kept_plain_;
    std::vector<KeptPipe> kept_pipes_;
    std::unique_ptr<Loop> loop_;
    std::unique_ptr<Farewells> farewells_;
    std::unique_ptr<PipePool> pipes_;
    std::unique_ptr<Session> session_;
};

}  // namespace keysluice::test
