#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/reachability.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/timer.hpp"
#include "ike/actions.hpp"
#include "ike/sa.hpp"

namespace keysluice::control {

/// One thing that has happened, as a person or a program follows it.
struct Happening {
    std::chrono::system_clock::time_point time;
    std::string_view kind;   ///< as the bus names it: of name_of(), or one of those that it has beside them
    std::string connection;  ///< or TLS service; empty where none is known yet
    std::string child;
    ike::IkeSpi sa;  ///< zero where there is none
    ike::EspSpi inbound;
    ike::EspSpi outbound;
    std::string peer;
    std::string reason;
    std::string sentence;
    std::string from = {};  ///< of what goes another way: our end and the peer's, the gateway, or the device
    std::string to = {};
};

[[nodiscard]] std::string_view name_of(ike::Report::Kind kind);

/// What is not as it was.
struct Changes {
    std::uint64_t first = 0;  ///< number of the first happening
    std::vector<Happening> happened;
    std::vector<ike::IkeSpi> touched;  ///< IKE SAs that were or are established: look at them
    bool look_at_all = false;          ///< more were touched than are remembered
    bool reloaded = false;             ///< other connections are configured
};

/// Collects what happens for one reader, who asks again when it has dealt with what it got: a reader that is slow
/// loses happenings, which their numbers show, and costs nothing but a bounded memory.
class ChangeCollector {
   public:
    /// From the first change that a reader waits for until it is told, with all that came meanwhile.
    static constexpr Duration kTick = std::chrono::milliseconds(100);
    static constexpr std::size_t kMostHappenings = 1000;  ///< remembered
    static constexpr std::size_t kMostTouched = 4096;     ///< remembered
    static constexpr std::size_t kTouchedAtOnce = 256;    ///< told: the reader looks at all of them at once

    using Reader = std::move_only_function<void(Changes)>;

    explicit ChangeCollector(Loop& loop) : tick_(loop, [this] { tell(); }) {}

    /// `sa` is the report's IKE SA, null where there is none (any more).
    void add(const ike::Report& report, const ike::Sa* sa);
    /// Of a TLS service; `failure` is empty where nothing has failed.
    void service(std::string_view kind, const std::string& name, const Failure& failure);
    /// Of the ordered policies.
    void policies(std::string_view kind, std::string_view sentence);
    /// It is in another state.
    void touch(const ike::Sa& sa);
    void reloaded();

    /// Calls the reader once, when there is something to tell. Nothing is collected before this is called first.
    void next(Reader reader);

   private:
    void note(std::string_view kind, const ike::Report& report, const ike::Sa* sa);
    void note(Happening happening);
    [[nodiscard]] bool nothing() const;
    void look_at_clock();
    void tell();

    Timer tick_;
    Reader reader_;
    bool collects_ = false;
    bool ticking_ = false;
    std::uint64_t count_ = 0;  ///< of happenings so far
    Changes changes_;
    std::set<ike::IkeSpi> touched_;
    Reachability reachability_;
};

}  // namespace keysluice::control
