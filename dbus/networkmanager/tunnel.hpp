#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/instant.hpp"
#include "base/result.hpp"

namespace keysluice::networkmanager {

/// NMVpnServiceState.
enum class State : std::uint32_t { init = 1, starting = 3, started = 4, stopping = 5, stopped = 6 };
/// NMVpnPluginFailure.
enum class Failure : std::uint32_t { login_failed, connect_failed, bad_ip_config };

/// Which of the three is nearest to the reason code.
[[nodiscard]] Failure failure_for(std::string_view reason);

// What happens.

/// NetworkManager wants the tunnel, and waits so long.
struct ConnectWanted {
    Duration patience;
    std::size_t gateways = 1;  ///< that keysluiced tries in turn
};
/// It does not any more, or it is gone.
struct DisconnectWanted {};
/// Answers to Add and Begin.
struct Added {
    Result<void> outcome;
};
struct Begun {
    Result<void> outcome;
};
/// The answer to Remove, whatever it is.
struct Removed {
    Result<void> outcome = {};
};
/// A tunnel that stands.
struct Standing {
    std::string gateway;                 ///< address of the peer
    std::string interface;               ///< that it is behind; empty: none, the kernel's policies lead into it
    std::vector<std::string> addresses;  ///< that the peer gave us, as the next
    std::vector<std::string> dns;
    std::vector<std::string> domains;  ///< of these resolvers; empty: all

    bool operator==(const Standing&) const = default;
};
/// The answer to Look: nothing, where the tunnel does not stand.
struct Seen {
    std::optional<Standing> tunnel;
};
/// keysluiced tells that a negotiation of the connection has failed, or that something else is new about it.
struct Failed {
    Error why;
};
struct Changed {};
/// keysluiced has left the bus; or it, or its successor, is there.
struct KeysluicedGone {};
struct KeysluicedBack {};
struct TimeUp {};
using Event = std::variant<ConnectWanted, DisconnectWanted, Added, Begun, Removed, Seen, Failed, Changed,
                           KeysluicedGone, KeysluicedBack, TimeUp>;

// What is to be done.

/// Of keysluiced: add the connection; begin to bring it up; look how it is; close and remove it.
struct Add {
    bool operator==(const Add&) const = default;
};
struct Begin {
    bool operator==(const Begin&) const = default;
};
struct Look {
    bool operator==(const Look&) const = default;
};
struct Remove {
    bool operator==(const Remove&) const = default;
};
/// To NetworkManager.
struct ShowState {
    State state;
    bool operator==(const ShowState&) const = default;
};
struct ShowConfig {
    Standing tunnel;
    bool operator==(const ShowConfig&) const = default;
};
struct ShowFailure {
    Failure failure;
    bool operator==(const ShowFailure&) const = default;
};
/// A sentence for the log.
struct Note {
    std::string_view reason;
    std::string sentence;
    bool operator==(const Note&) const = default;
};
/// TimeUp after so long, and not what was armed before; nothing: not at all.
struct Arm {
    std::optional<Duration> after;
    bool operator==(const Arm&) const = default;
};
struct End {
    bool operator==(const End&) const = default;
};
using Action = std::variant<Add, Begin, Look, Remove, ShowState, ShowConfig, ShowFailure, Note, Arm, End>;
using Actions = std::vector<Action>;

/// One tunnel between NetworkManager and keysluiced, from the one's Connect to the end: events in, actions out. There
/// is one for each process, and a process for each activation.
///
/// Whether the tunnel stands is looked up after each hint that it could be otherwise, so a hint that is lost or comes
/// twice harms nothing. A tunnel that breaks after it has stood for a while is begun anew. To a keysluiced that comes
/// after one that has gone the connection is added again, and most often the tunnel stands there. NetworkManager
/// hears nothing of that unless it fails: from StateChanged(starting) it finds no way back to an activated
/// connection.
class Tunnel {
   public:
    /// For NetworkManager to call Connect after it has started this process.
    static constexpr Duration kIdle = std::chrono::minutes(3);
    /// For another keysluiced to be there after one that has gone.
    static constexpr Duration kAbsence = std::chrono::seconds(60);
    /// A tunnel that breaks sooner would do so again.
    static constexpr Duration kSettling = std::chrono::seconds(5);
    static constexpr Duration kRemoval = std::chrono::seconds(10);

    /// Once, before all else.
    [[nodiscard]] static Actions begin() { return {Arm{kIdle}}; }
    [[nodiscard]] Actions on(const Event& event);
    [[nodiscard]] State state() const { return shown_; }

   private:
    enum class Phase : std::uint8_t { idle, adding, beginning, negotiating, up, away, removing, over };

    void handle(const ConnectWanted& wanted);
    void handle(const DisconnectWanted& wanted);
    void handle(const Added& added);
    void handle(const Begun& begun);
    void handle(const Removed& removed);
    void handle(const Seen& seen);
    void handle(const Failed& failed);
    void handle(const Changed& changed);
    void handle(const KeysluicedGone& gone);
    void handle(const KeysluicedBack& back);
    void handle(const TimeUp& up);

    template <typename Kind>
    void act(Kind action) {
        actions_.emplace_back(std::in_place_type<Kind>, std::move(action));
    }
    void show(State state);
    void negotiate();
    void give_up(const Error& why);
    void remove();
    void finish();

    Phase phase_ = Phase::idle;
    State shown_ = State::init;
    Duration patience_{};
    std::size_t gateways_ = 1;
    std::size_t refusals_ = 0;  ///< of this negotiation
    bool settled_ = false;      ///< while it is up: it has stood for a while
    std::optional<Failure> failure_;
    Standing configured_;  ///< as NetworkManager knows it
    Actions actions_;
};

}  // namespace keysluice::networkmanager
