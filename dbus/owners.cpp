#include "dbus/owners.hpp"

#include <utility>

namespace keysluice::bus {

Owners::Owners(sdbus::IConnection& connection, Inquiries& inquiries)
    : connection_(connection), inquiries_(inquiries), bus_(message_bus(connection)) {}

void Owners::watch(const std::string& owner) {
    owners_.insert(owner);
    if (!leaving_) {
        leaving_ = watch_name_owners(connection_, "arg2=''",
                                     [this](const std::string& name, const std::string&) { gone(name); });
    }
    ask_name_owner(*bus_, owner, [this, owner](const std::string& now) {
        if (now.empty()) {
            gone(owner);
        }
    });
}

void Owners::gone(const std::string& owner) {
    if (owners_.erase(owner) == 0) {
        return;
    }
    inquiries_.ask<bool>(
        Inquiries::kOurselves,
        [owner](control::FrontDesk& desk, const auto& reply) {
            desk.remove_all_of(owner);
            reply(true);
        },
        [](bool) {});
}

void Owners::bus_is_gone() {
    while (!owners_.empty()) {
        gone(std::string(*owners_.begin()));
    }
}

}  // namespace keysluice::bus
