#include "dbus/authority.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace keysluice::bus {
namespace {

constexpr std::chrono::seconds kPatience{10};
/// With a person who types a password.
constexpr std::chrono::seconds kInteractivePatience{120};
/// polkit's AllowUserInteraction.
constexpr std::uint32_t kAllowInteraction = 1;

using Subject = sdbus::Struct<std::string, Dictionary>;
using Details = std::map<std::string, std::string>;
using Answer = sdbus::Struct<bool, bool, Details>;

Error refusal(const char* action, std::string_view why) {
    return {"not-permitted", fmt::format("that is for root, and for whom polkit permits {}: {}", action, why)};
}

}  // namespace

Authority::Authority(sdbus::IConnection& connection)
    : bus_(sdbus::createProxy(connection, BusName{"org.freedesktop.DBus"},
                              sdbus::ObjectPath{"/org/freedesktop/DBus"})),
      polkit_(sdbus::createProxy(connection, BusName{"org.freedesktop.PolicyKit1"},
                                 sdbus::ObjectPath{"/org/freedesktop/PolicyKit1/Authority"})) {}

void Authority::ask(const std::string& sender, const char* action, bool interactive, Verdict verdict) {
    if (under_way_ >= kMost) {
        verdict(fail("too-many-calls", "too many callers wait for permission; try again"));
        return;
    }
    ++under_way_;
    const auto pending = std::make_shared<Verdict>(std::move(verdict));
    // The bus itself says who it is: nothing that a caller sends, and no process id, is believed.
    bus_->callMethodAsync("GetConnectionUnixUser")
        .onInterface("org.freedesktop.DBus")
        .withTimeout(kPatience)
        .withArguments(sender)
        .uponReplyInvoke([this, sender, action, interactive, pending](ReplyError error, std::uint32_t user) {
            if (error) {
                finish(pending, std::unexpected(refusal(action, "the bus does not know the caller any more")));
            } else if (user == 0 || user == geteuid()) {
                finish(pending, {});
            } else {
                ask_polkit(sender, action, interactive, pending);
            }
        });
}

void Authority::ask_polkit(const std::string& sender, const char* action, bool interactive, const Pending& pending) {
    const Subject subject{"system-bus-name", Dictionary{{"name", sdbus::Variant{sender}}}};
    polkit_->callMethodAsync("CheckAuthorization")
        .onInterface("org.freedesktop.PolicyKit1.Authority")
        .withTimeout(interactive ? kInteractivePatience : kPatience)
        .withArguments(subject, std::string(action), Details{}, interactive ? kAllowInteraction : 0U, std::string())
        .uponReplyInvoke([this, action, pending](ReplyError error, const Answer& answer) {
            if (error) {
                finish(pending, std::unexpected(refusal(action, "polkit does not answer on this bus")));
            } else if (std::get<0>(answer)) {
                finish(pending, {});
            } else if (std::get<1>(answer)) {
                finish(pending,
                       fail("password-needed", fmt::format("polkit would ask for a password to permit {}; the option "
                                                           "interactive lets it",
                                                           action)));
            } else {
                finish(pending, std::unexpected(refusal(action, "it does not permit it to you")));
            }
        });
}

void Authority::finish(const Pending& pending, Result<void> verdict) {
    --under_way_;
    std::exchange(*pending, nullptr)(std::move(verdict));
}

}  // namespace keysluice::bus
