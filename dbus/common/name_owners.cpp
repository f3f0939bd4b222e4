#include "dbus/common/name_owners.hpp"

#include <utility>

namespace keysluice::bus {
namespace {

constexpr const char* kBus = "org.freedesktop.DBus";
constexpr std::chrono::seconds kPatience{10};

}  // namespace

sdbus::Slot watch_name_owners(sdbus::IConnection& connection, const std::string& which,
                              std::function<void(const std::string&, const std::string&)> changed) {
    const std::string rule =
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
        "member='NameOwnerChanged'," +
        which;
    return add_match(connection, rule, [changed = std::move(changed)](sdbus::Message& message) {
        std::string name;
        std::string before;
        std::string owner;
        message >> name >> before >> owner;
        changed(name, owner);
    });
}

void ask_name_owner(sdbus::IProxy& bus, const std::string& name, std::function<void(const std::string&)> then) {
    bus.callMethodAsync("GetNameOwner")
        .onInterface(kBus)
        .withTimeout(kPatience)
        .withArguments(name)
        .uponReplyInvoke([then = std::move(then)](ReplyError error, const std::string& owner) {
            then(error ? std::string() : owner);
        });
}

std::unique_ptr<sdbus::IProxy> message_bus(sdbus::IConnection& connection) {
    return sdbus::createProxy(connection, BusName{kBus}, sdbus::ObjectPath{"/org/freedesktop/DBus"});
}

}  // namespace keysluice::bus
