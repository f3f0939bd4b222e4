#pragma once

#include <functional>
#include <list>
#include <map>

#include "daemon/shared/channel.hpp"
#include "daemon/shared/timer.hpp"

namespace keysluice::control {

/// Handshakes of EAP-TLS. Each is in one engine, which has loaded its key, from its first turn to its last: where
/// that engine goes, the handshake has come to nothing.
class EapHandshakes {
   public:
    using Done = std::function<void(Result<TlsTurnAnswered>)>;
    /// The least busy engine that has loaded the key; null where there is none.
    using FindEngine = std::function<Channel*(const KeyId&)>;

    /// When so many wait, no more are taken.
    static constexpr std::size_t kMostWaiting = 1024;

    EapHandshakes(Loop& loop, Duration patience, FindEngine find)
        : loop_(loop), patience_(patience), find_(std::move(find)), deadline_(loop, [this] { give_up_late(); }) {}

    /// `done` is called once, never from here, and not after forget() or the end of this object. Fails with
    /// "no-engine" (nobody answered in time), "signing-busy" or "eap-tls-gone".
    void hear(TlsTurnHeard turn, Done done);
    /// Nobody needs it any more.
    void forget(std::uint64_t handshake);

    /// An engine has come, or has loaded a key.
    void assign_waiting();
    void left(const Channel& engine);
    void on_message(const Channel& engine, TlsTurnAnswered answer);
    /// How many it has.
    [[nodiscard]] std::size_t in(const Channel& engine) const;

   private:
    struct Job {
        TlsTurnHeard turn;
        Done done;
        Instant until;
        bool assigned = false;
    };
    using Jobs = std::list<Job>;

    [[nodiscard]] bool send(Job& job);
    void refuse(Done done, Error error);
    static void fail_all(const Jobs& over, const Error& why);
    void give_up_late();
    void arm();

    Loop& loop_;
    Duration patience_;
    FindEngine find_;
    std::map<std::uint64_t, Channel*> places_;  ///< of handshakes that have begun
    Jobs jobs_;                                 ///< in the order of their ends
    std::uint32_t next_token_ = 0;
    Timer deadline_;
};

}  // namespace keysluice::control
