#pragma once

#include <optional>
#include <set>
#include <string>

#include "dbus/common/name_owners.hpp"
#include "dbus/inquiries.hpp"

namespace keysluice::bus {

/// Callers that have added connections which are to go with them.
class Owners {
   public:
    Owners(sdbus::IConnection& connection, Inquiries& inquiries);

    /// After its connection was added. It may have left meanwhile.
    void watch(const std::string& owner);
    /// The bus is gone, and so are all who were on it.
    void bus_is_gone();

   private:
    void gone(const std::string& owner);

    sdbus::IConnection& connection_;
    Inquiries& inquiries_;
    std::unique_ptr<sdbus::IProxy> bus_;
    std::set<std::string> owners_;
    std::optional<sdbus::Slot> leaving_;  ///< from the first owner on: one match for all, since a bus limits them
};

}  // namespace keysluice::bus
