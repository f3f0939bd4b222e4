#include "dbus/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/shared/clock.hpp"

namespace keysluice::bus {
namespace {

/// Before a bus that does not take what we say is asked again whether it does now.
constexpr Duration kCongestionPause = std::chrono::milliseconds(100);

}  // namespace

Session::Session(Loop& loop, Link& link, Inquiries& inquiries, const control::Setup& setup, OnStarted on_started)
    : link_(link),
      inquiries_(inquiries),
      on_started_(std::move(on_started)),
      owners_(link.connection(), inquiries),
      commands_(link.connection(), inquiries, owners_),
      manager_(link.connection(), commands_, inquiries),
      policies_(link.connection(), commands_),
      resolver_(link.connection()),
      tree_(link.connection(), commands_, inquiries, resolver_),
      patience_(loop, [this] { follow(); }) {
    add_object_manager(link.connection(), kRoot);
    manager_.put(setup);
    tree_.put(setup);
    resolver_.put(setup);
    for (const std::string& owner : setup.owners) {
        owners_.watch(owner);
    }
    follow();
    walk();
}

Session::~Session() {
    inquiries_.forget_all();
}

/// The next news are asked for when the bus has taken the last: until then, they wait where they are collected.
void Session::follow() {
    if (link_.congested()) {
        patience_.arm(now() + kCongestionPause);
        return;
    }
    inquiries_.ask<control::News>(
        Inquiries::kOurselves, [](control::FrontDesk& desk, auto reply) { desk.news(std::move(reply)); },
        [this](control::News news) { take(std::move(news)); });
}

void Session::take(control::News news) {
    if (news.setup) {
        manager_.put(*news.setup);
        tree_.put(*news.setup);
    }
    for (const control::Happening& happening : news.changes.happened) {
        if (happening.kind == control::name_of(ike::Report::Kind::gateway_changed)) {
            tree_.put_gateway(happening.connection, happening.peer);
        }
    }
    for (const ike::IkeSpi spi : news.changes.touched) {
        const auto standing = std::ranges::find(news.touched, spi, &control::IkeSaView::own);
        if (standing == news.touched.end()) {
            tree_.remove(spi);
        } else {
            tree_.put(std::move(*standing));
        }
    }
    if (news.changes.look_at_all || tree_.has_room_again()) {
        walk();
    }
    manager_.tell(news.changes);
    follow();
}

void Session::walk() {
    if (std::exchange(walking_, true)) {
        once_more_ = true;
        return;
    }
    tree_.begin_walk();
    walk_from({});
}

void Session::walk_from(ike::IkeSpi after) {
    inquiries_.ask<control::SaPage>(
        Inquiries::kOurselves,
        [after](control::FrontDesk& desk, const auto& reply) {
            reply(desk.sas({}, after, control::FrontDesk::kLongestPage));
        },
        [this](control::SaPage page) {
            for (control::IkeSaView& sa : page.sas) {
                if (sa.established_at != Instant{}) {
                    tree_.put(std::move(sa));
                }
            }
            if (page.next) {
                walk_from(*page.next);
                return;
            }
            tree_.end_walk();
            walking_ = false;
            if (std::exchange(once_more_, false)) {
                walk();
            } else if (on_started_) {
                request_name();
            }
        });
}

void Session::request_name() {
    Result<void> named;
    try {
        link_.connection().requestName(BusName{kName});
        tree_.go_public();
    } catch (const sdbus::Error& error) {
        named = fail("bus-name-refused", fmt::format("the name {}: {}", kName, error.getMessage()));
    }
    std::exchange(on_started_, {})(named);
}

}  // namespace keysluice::bus
