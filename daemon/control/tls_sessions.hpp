#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "daemon/control/worker_pool.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/service.hpp"
#include "daemon/shared/timer.hpp"

namespace keysluice::control {

/// One TLS session, for a person and for programs. No member holds a secret.
struct TlsSessionView {
    TlsSessionId id;
    std::string service;
    std::string local;    ///< of the TLS side: "192.0.2.1:443", "a local process"
    std::string remote;   ///< the same
    std::string backend;  ///< the other end of the plaintext side, empty where there is none yet
    std::string version;  ///< "1.2" or "1.3"
    std::string suite;    ///< as who carries it calls it; empty where that is not known
    Instant since{};      ///< when it was negotiated
    Offload requested{};
    std::string in_force;  ///< none, software, hw-tx, hw-rx, hw-tx+hw-rx; kernel: it does not say which
    std::string device;    ///< the network device towards the peer, where the kernel carries it
    std::string why;       ///< a reason code, where more could be

    bool operator==(const TlsSessionView&) const = default;
};

/// TLS sessions in the order of their ids.
struct TlsSessionPage {
    std::vector<TlsSessionView> sessions;
    std::optional<TlsSessionId> next;  ///< where to go on after it; nothing: that were all
    std::uint32_t silent = 0;          ///< engines and relays that have not answered: what they have is missing
};

/// Asks the engines and relays for their sessions, and the kernel for what it does with them; a thread waits for the
/// kernel. Has them end sessions. Whoever does not answer within kPatience is not waited for.
class TlsSessions final {
   public:
    static constexpr Duration kPatience = std::chrono::seconds(2);
    /// Questions that are under way at a time.
    static constexpr std::size_t kMostUnderWay = 256;

    /// Sends it to all processes; returns those that it went to.
    using Send = std::function<std::vector<Hello>(const Message& message)>;

    /// A service by its number; null where nobody knows it any more.
    using Find = std::function<const TlsService*(ServiceId id)>;

    TlsSessions(Loop& loop, Find find, Send send);

    /// Calls `then` once. Those of `services` only, of all where it is empty. Fails with "too-many-calls".
    using Listed = std::move_only_function<void(Result<TlsSessionPage>)>;
    void list(std::vector<ServiceId> services, TlsSessionId after, std::size_t limit, Listed then);

    /// Resets the session, or all of the service, and calls `then` once with how many it were.
    using Ended = std::move_only_function<void(Result<std::uint32_t>)>;
    void end(TlsSessionId session, Ended then);
    void end_all_of(ServiceId service, Ended then);

    void on_answer(const Hello& from, Sessions answer);
    void on_answer(const Hello& from, const SessionsEnded& answer);
    /// It answers nothing any more.
    void left(const Hello& process);

   private:
    struct Answers {
        std::vector<ListedSession> sessions = {};
        bool more = false;
        std::uint32_t ended = 0;
        std::uint32_t silent = 0;
    };
    struct Question {
        Instant until;
        std::vector<Hello> missing = {};
        Answers answers = {};
        std::move_only_function<void(Answers)> then = {};
    };
    using Questions = std::map<std::uint32_t, Question>;

    void ask(const Message& message, Question question);
    void end(EndSessions end, Ended then);
    [[nodiscard]] Questions::iterator question_to(const Hello& from, std::uint32_t token);
    void answered(Questions::iterator question, const Hello& from);
    void finish(Questions::iterator question);
    void on_deadline();
    void look_up(Answers answers, std::size_t limit, Listed then);

    Find find_;
    Send send_;
    std::uint32_t token_ = 0;
    Questions questions_;  ///< the oldest first
    Timer patience_;
    WorkerPool kernel_;
};

}  // namespace keysluice::control
