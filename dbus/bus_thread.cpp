#include "dbus/bus_thread.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "daemon/shared/blocked_signals.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/scheduling.hpp"
#include "dbus/session.hpp"

namespace keysluice::bus {
/// What the thread does. All but end() is for the thread.
class BusThread::Work {
   public:
    Work(Postbox& service, control::FrontDesk& desk, std::string address)
        : address_(std::move(address)),
          own_(loop_),
          inquiries_(service, desk, own_),
          retry_(loop_, [this] { connect(); }) {}

    void run();
    /// From any thread: run() returns soon, and asks nothing any more.
    void end();

   private:
    void connect();
    void on_setup(const control::Setup& setup);
    void on_started(const Result<void>& started);
    void give_up(const Error& error);

    std::string address_;
    Loop loop_;
    Postbox own_;
    Inquiries inquiries_;
    Timer retry_;
    Duration pause_ = kFirstPause;
    std::string told_;  ///< the last failure in the log
    std::atomic<bool> ending_ = false;
    std::unique_ptr<Link> link_;
    std::unique_ptr<Session> session_;
};

BusThread::BusThread(Loop& service_loop, control::FrontDesk& desk, std::string address)
    : service_(service_loop), work_(std::make_shared<Work>(service_, desk, std::move(address))) {
    std::packaged_task<void()> task([work = work_] { work->run(); });
    ended_ = task.get_future();
    const BlockedSignals blocked;
    thread_ = std::thread(std::move(task));
}

BusThread::~BusThread() {
    work_->end();
    if (ended_.wait_for(kFarewell) == std::future_status::ready) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

void BusThread::Work::end() {
    ending_ = true;
    own_.post([] {});
}

void BusThread::Work::run() {
    run_behind();  // beside IKE and what serves it, the bus comes second
    connect();
    while (!ending_) {
        if (link_) {
            link_->prepare();
        }
        loop_.turn(std::chrono::hours(1));
    }
    session_.reset();
    link_.reset();
}

void BusThread::Work::connect() {
    auto link = Link::open(loop_, address_, [this](const std::string& why) {
        give_up({"bus-unreachable", "it has closed the connection: " + why});
    });
    if (ending_) {
        return;
    }
    if (!link) {
        give_up(link.error());
        return;
    }
    link_ = *std::move(link);
    inquiries_.ask<control::Setup>(
        Inquiries::kOurselves, [](control::FrontDesk& desk, const auto& reply) { reply(desk.setup()); },
        [this](const control::Setup& setup) { on_setup(setup); });
}

void BusThread::Work::on_setup(const control::Setup& setup) {
    try {
        session_ = std::make_unique<Session>(loop_, *link_, inquiries_, setup,
                                             [this](const Result<void>& started) { on_started(started); });
    } catch (const sdbus::Error& error) {
        give_up({"bus-unreachable", error.getMessage()});
    }
}

void BusThread::Work::on_started(const Result<void>& started) {
    if (!started) {
        loop_.defer([this, error = started.error()] { give_up(error); });
        return;
    }
    log_info("{} is on the bus \"{}\"", Session::kName, address_);
    told_.clear();
    pause_ = kFirstPause;
}

void BusThread::Work::give_up(const Error& error) {
    inquiries_.forget_all();
    if (session_) {
        session_->bus_is_gone();
    }
    session_.reset();
    link_.reset();
    if (std::exchange(told_, error.sentence) != error.sentence) {
        log_warning("the bus \"{}\" does not show this service: {}; trying again ({})", address_, error.sentence,
                    error.reason);
    }
    retry_.arm(now() + pause_);
    pause_ = std::min(pause_ * 2, kLongestPause);
}

}  // namespace keysluice::bus
