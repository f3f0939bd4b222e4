#include "dbus/networkmanager/request.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace keysluice::networkmanager {
namespace {

using Texts = std::map<std::string, std::string>;

/// What is not there is left as it is.
template <typename Value>
void take(const Settings& settings, const char* setting, const char* key, Value& into) {
    const auto found = settings.find(setting);
    if (found == settings.end()) {
        return;
    }
    if (const auto value = found->second.find(key); value != found->second.end()) {
        into = value->second.get<Value>();
    }
}

void take_secrets(const Settings& settings, Request& request) {
    Texts secrets;
    take(settings, "vpn", "secrets", secrets);
    for (auto& [name, value] : secrets) {
        if (name == "psk") {
            request.secrets.psk = GivenSecret(as_bytes(value));
        } else if (name == "password") {
            request.secrets.password = GivenSecret(as_bytes(value));
        } else {
            request.other_secrets.push_back(name);
        }
        wipe(value.data(), value.size());
    }
}

/// Of "user:NAME" and "user:NAME:", which is all that NetworkManager has there; another kind is a user whom nobody
/// knows.
std::vector<std::string> users_of(const std::vector<std::string>& permissions) {
    constexpr std::string_view kUser = "user:";
    std::vector<std::string> users;
    for (const std::string& each : permissions) {
        const std::string name = each.starts_with(kUser) ? each.substr(kUser.size()) : ":" + each;
        users.push_back(name.ends_with(':') ? name.substr(0, name.size() - 1) : name);
    }
    return users;
}

}  // namespace

Result<Request> read_request(const Settings& settings) {
    Request request;
    try {
        std::vector<std::string> permissions;
        std::uint32_t timeout = 0;
        take(settings, "connection", "uuid", request.uuid);
        take(settings, "connection", "id", request.id);
        take(settings, "connection", "permissions", permissions);
        take(settings, "vpn", "timeout", timeout);
        take(settings, "vpn", "data", request.data);
        take_secrets(settings, request);
        request.users = users_of(permissions);
        request.timeout = std::chrono::seconds(timeout);
    } catch (const sdbus::Error& error) {
        return fail("bad-vpn-data",
                    fmt::format("NetworkManager's settings have another type than expected: {}", error.getMessage()));
    }
    return request;
}

}  // namespace keysluice::networkmanager
