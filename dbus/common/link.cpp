#include "dbus/common/link.hpp"

#include <poll.h>

#include <utility>
namespace keysluice::bus {
namespace {

/// Messages that are dealt with before the rest of the loop has its turn.
constexpr int kMostAtOnce = 16;

}  // namespace

Result<std::unique_ptr<Link>> Link::open(Loop& loop, const std::string& address, OnLost on_lost) {
    try {
        auto connection = address == "system" ? sdbus::createSystemBusConnection()
                                              : sdbus::createSessionBusConnectionWithAddress(address);
        return std::unique_ptr<Link>(new Link(loop, std::move(connection), std::move(on_lost)));
    } catch (const sdbus::Error& error) {
        return fail("bus-unreachable", error.getMessage());
    }
}

Link::Link(Loop& loop, std::unique_ptr<sdbus::IConnection> connection, OnLost on_lost)
    : loop_(loop), connection_(std::move(connection)), on_lost_(std::move(on_lost)) {
    loop_.add(wait_of(*connection_).fd, 0, *this);
}

Link::~Link() {
    loop_.disarm(*this);
    loop_.forget(*this);
}

bool Link::congested() const {
    return (wait_of(*connection_).events & POLLOUT) != 0;
}

void Link::prepare() {
    guard([this] {
        const Wait wait = wait_of(*connection_);
        const bool congested = (wait.events & POLLOUT) != 0;
        const std::uint32_t events = congested ? EPOLLOUT : EPOLLIN;
        if (std::exchange(watched_, events) != events) {
            loop_.modify(wait.fd, events, *this);
        }
        if (wait.until && !congested) {
            loop_.arm(*this, *wait.until);
        } else {
            loop_.disarm(*this);
        }
    });
}

void Link::process() {
    guard([this] {
        for (int count = 0; count < kMostAtOnce && process_one(*connection_) && !congested(); ++count) {
        }
    });
}

void Link::guard(const std::function<void()>& step) {
    if (!on_lost_) {
        return;
    }
    try {
        step();
    } catch (const sdbus::Error& error) {
        // The descriptor is closed by now, and has left the loop with that.
        loop_.disarm(*this);
        loop_.forget(*this);
        loop_.defer([on_lost = std::exchange(on_lost_, {}), why = error.getMessage()] { on_lost(why); });
    }
}

}  // namespace keysluice::bus
