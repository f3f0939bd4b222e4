#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>

#include "daemon/engine/userspace_relay.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/farewells.hpp"
#include "tests/support/protected_record.hpp"
#include "tests/support/suites.hpp"
#include "tests/support/tcp_pair.hpp"
#include "tests/support/tls_client.hpp"

namespace keysluice::test {

/// A UserspaceRelay between a TLS client and a plaintext application, all in one thread. The handshake is behind it.
class UserspaceRelayed final : public UserspaceRelay::Owner {
   public:
    explicit UserspaceRelayed(const testing::Suite& suite, PlainPair pair = plain_tcp_pair(),
                              Duration close_timeout = std::chrono::seconds(60),
                              std::vector<std::uint8_t> preface = {}, RekeyAfter rekey_after = {});

    /// The engine's process dies between two turns.
    void die() { relay_.reset(); }
    void shrink_buffers(int bytes);
    /// Seals what the client itself would not. Ask before the client says anything.
    [[nodiscard]] testing::RecordProtection forger();

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
    void turn_for(Duration time);
    /// How often the loop came back from its sleep within a fifth of a second.
    [[nodiscard]] int wake_ups();
    [[nodiscard]] bool over() const { return outcome.has_value(); }
    [[nodiscard]] bool both_over() const { return over() && client->over() && plain.over(); }

    std::unique_ptr<TlsClient> client;
    PlainEnd plain;
    /// Once it is over: the reason, empty after an orderly end.
    std::optional<std::string> outcome;

   private:
    void on_ended(UserspaceRelay& relay, const Error* error, UniqueFd farewell) override;

    int relay_socket_ = -1;
    Loop loop_;
    Farewells farewells_;
    std::unique_ptr<UserspaceRelay> relay_;
};

}  // namespace keysluice::test
