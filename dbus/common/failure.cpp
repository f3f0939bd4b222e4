#include "dbus/common/failure.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/reasons.hpp"

namespace keysluice::bus {
namespace {

/// Codes by names, for what the bus itself says and what has none in its text.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kNames{{
    {"org.keysluice1.Error.NotFound", "not-found"},
    {"org.keysluice1.Error.NotRunning", "ike-not-running"},
    {"org.keysluice1.Error.Busy", "too-many-calls"},
    {"org.freedesktop.DBus.Error.AccessDenied", "not-permitted"},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "password-needed"},
    {"org.freedesktop.DBus.Error.InvalidArgs", "bad-request"},
    {"org.freedesktop.DBus.Error.UnknownObject", "not-found"},
    {"org.freedesktop.DBus.Error.ServiceUnknown", "service-not-running"},
    {"org.freedesktop.DBus.Error.NameHasNoOwner", "service-not-running"},
}};

/// "sentence (code)" becomes both.
std::pair<std::string, const Reason*> split(const std::string& text) {
    const auto open = text.rfind(" (");
    if (open == std::string::npos || !text.ends_with(')') || text.find('\n') != std::string::npos) {
        return {text, nullptr};
    }
    const Reason* reason = find_reason(std::string_view(text).substr(open + 2, text.size() - open - 3));
    return {reason == nullptr ? text : text.substr(0, open), reason};
}

}  // namespace

Error from_bus_error(const sdbus::Error& error) {
    const std::string& name = error.getName();
    auto [sentence, reason] = split(error.getMessage());
    if (reason != nullptr) {
        return {reason->code, std::move(sentence)};
    }
    const auto* const found = std::ranges::find(kNames, name, [](const auto& each) { return each.first; });
    return {found == kNames.end() ? "call-failed" : found->second, std::move(sentence)};
}

}  // namespace keysluice::bus
