#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/instant.hpp"

/// What is spelled differently in sdbus-c++ 1.2 and 2.x stands here and nowhere else. (With adaptors that each one's
/// own generator makes, not much is left.)

#if __has_include(<sdbus-c++/VTableItems.h>)
#define KEYSLUICE_SDBUS_2
#endif

namespace keysluice::bus {

using Dictionary = std::map<std::string, sdbus::Variant>;

#ifdef KEYSLUICE_SDBUS_2
using BusName = sdbus::ServiceName;
/// The first argument of a callback for a reply: true where the call failed.
using ReplyError = std::optional<sdbus::Error>;
inline bool process_one(sdbus::IConnection& connection) {
    return connection.processPendingEvent();
}
/// For a proxy whose signals are named by hand: what was named counts from now on. (Since 2.0 it does at once.)
inline void finish_registration(sdbus::IProxy&) {}
inline void add_object_manager(sdbus::IConnection& connection, const std::string& path) {
    connection.addObjectManager(sdbus::ObjectPath{path});
}
inline sdbus::Slot add_match(sdbus::IConnection& connection, const std::string& rule,
                             std::function<void(sdbus::Message&)> handler) {
    return connection.addMatch(
        rule, [handler = std::move(handler)](sdbus::Message message) { handler(message); }, sdbus::return_slot);
}
inline std::string sender_of(const sdbus::IObject& object) {
    return object.getCurrentlyProcessedMessage().getSender();
}
inline void emit_changed(sdbus::IObject& object, const char* interface,
                         std::initializer_list<const char*> properties) {
    object.emitPropertiesChangedSignal(interface, {properties.begin(), properties.end()});
}
inline std::chrono::microseconds timeout_of(const sdbus::IConnection::PollData& data) {
    return data.timeout;
}
#else
using BusName = std::string;
using ReplyError = const sdbus::Error*;
inline bool process_one(sdbus::IConnection& connection) {
    return connection.processPendingRequest();
}
inline void finish_registration(sdbus::IProxy& proxy) {
    proxy.finishRegistration();
}
inline void add_object_manager(sdbus::IConnection& connection, const std::string& path) {
    connection.addObjectManager(path, sdbus::floating_slot);
}
inline sdbus::Slot add_match(sdbus::IConnection& connection, const std::string& rule,
                             std::function<void(sdbus::Message&)> handler) {
    return connection.addMatch(rule, std::move(handler));
}
inline std::string sender_of(const sdbus::IObject& object) {
    return object.getCurrentlyProcessedMessage()->getSender();
}
inline void emit_changed(sdbus::IObject& object, const char* interface,
                         std::initializer_list<const char*> properties) {
    object.emitPropertiesChangedSignal(interface, {properties.begin(), properties.end()});
}
inline std::chrono::microseconds timeout_of(const sdbus::IConnection::PollData& data) {
    return data.timeout_usec == UINT64_MAX ? std::chrono::microseconds::max()
                                           : std::chrono::microseconds(data.timeout_usec);
}
#endif

[[nodiscard]] inline sdbus::Error make_error(const char* name, const std::string& text) {
#ifdef KEYSLUICE_SDBUS_2
    return sdbus::Error{sdbus::Error::Name{name}, text};
#else
    return sdbus::Error{name, text};
#endif
}

/// What a connection waits for.
struct Wait {
    int fd = -1;
    short events = 0;  // as in poll(2); NOLINT(google-runtime-int)
    std::optional<Instant> until;
};
[[nodiscard]] inline Wait wait_of(const sdbus::IConnection& connection) {
    const auto data = connection.getEventLoopPollData();
    Wait wait{.fd = data.fd, .events = data.events, .until = {}};
    if (timeout_of(data) != std::chrono::microseconds::max()) {
        wait.until = Instant(timeout_of(data));
    }
    return wait;
}

}  // namespace keysluice::bus
