#pragma once

#include <functional>

#include "dbus/common/link.hpp"
#include "dbus/manager.hpp"
#include "dbus/policies.hpp"
#include "dbus/tree.hpp"

namespace keysluice::bus {

/// All that is on one bus as long as the connection to it stands.
class Session {
   public:
    static constexpr const char* kName = "org.keysluice1";

    /// Called once: the name is ours and everything is there, or why not ("bus-name-refused").
    using OnStarted = std::function<void(Result<void>)>;

    Session(Loop& loop, Link& link, Inquiries& inquiries, const control::Setup& setup, OnStarted on_started);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void bus_is_gone() { owners_.bus_is_gone(); }

   private:
    void follow();
    void take(control::News news);
    void walk();
    void walk_from(ike::IkeSpi after);
    void request_name();

    Link& link_;
    Inquiries& inquiries_;
    OnStarted on_started_;
    Owners owners_;
    Commands commands_;
    Manager manager_;
    Policies policies_;
    Resolver resolver_;
    Tree tree_;
    Timer patience_;
    bool walking_ = false;
    bool once_more_ = false;  ///< a walk
};

}  // namespace keysluice::bus
