#pragma once

#include <future>
#include <memory>
#include <string>
#include <thread>

#include "daemon/control/control.hpp"
#include "daemon/shared/postbox.hpp"

namespace keysluice::bus {

/// Shows the service on a bus, from a thread of its own: marshalling many objects takes longer than a packet of IKE
/// can wait, and so does a bus that does not answer. The thread has values only, and puts questions to the front
/// desk.
///
/// Where there is no bus, or where it goes, it tries again and again.
class BusThread final : public control::Publication {
   public:
    static constexpr Duration kFirstPause = std::chrono::seconds(1);
    static constexpr Duration kLongestPause = std::chrono::seconds(60);
    /// How long an end waits for the thread. One that is inside of a call to a bus that does not answer is left to
    /// the end of the process.
    static constexpr Duration kFarewell = std::chrono::seconds(1);

    BusThread(Loop& service_loop, control::FrontDesk& desk, std::string address);
    ~BusThread() override;

   private:
    class Work;

    Postbox service_;
    std::shared_ptr<Work> work_;  ///< the thread's too
    std::future<void> ended_;
    std::thread thread_;
};

}  // namespace keysluice::bus
