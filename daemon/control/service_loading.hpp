#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/shared/messages.hpp"
#include "daemon/shared/timer.hpp"

namespace keysluice::control {

/// Has all engines load the files of services, before any of them serves with them: what one of them can't load, none
/// uses. Relays hear of the services, too, and have so before the first connection comes.
class ServiceLoading {
   public:
    /// From one answer to the next one.
    static constexpr Duration kPatience = std::chrono::seconds(30);
    /// So many questions wait at a process at a time: it serves meanwhile.
    static constexpr std::size_t kAhead = 4;

    using Send = std::function<void(const Hello& process, const Message& message)>;
    struct Service {
        ServiceId id;
        std::vector<std::uint8_t> settings;
    };
    struct Refusal {
        std::string reason;
        std::string sentence;
    };
    struct Outcome {
        std::uint32_t load = 0;
        std::map<ServiceId, Refusal> refused = {};  ///< by some engine; "engine-silent" where one has not answered
        std::set<ServiceId> fresh = {};             ///< not what every engine serves with already
    };
    using Done = std::move_only_function<void(Outcome outcome)>;

    ServiceLoading(Loop& loop, Send send, Duration patience = kPatience)
        : send_(std::move(send)), patience_(patience), deadline_(loop, [this] { on_deadline(); }) {}

    /// Calls `done` once, not from within this call. Not while another one is under way.
    void begin(std::vector<Service> services, const std::vector<Hello>& processes, Done done);
    void on_loaded(const Hello& from, const ServiceLoaded& answer);
    /// Its successor reads the files when it begins.
    void left(const Hello& process);

   private:
    struct Process {
        Hello hello;
        std::size_t asked = 0;  ///< so many of services_
        std::set<ServiceId> missing = {};
    };
    void ask(Process& process);
    void look_at(std::list<Process>::iterator process);
    void on_deadline();
    void finish();

    Send send_;
    Duration patience_;
    Timer deadline_;
    std::vector<Service> services_;
    std::list<Process> processes_;  ///< that have not answered all
    Outcome outcome_;
    Done done_;
};

}  // namespace keysluice::control
