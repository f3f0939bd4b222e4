#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dbus/compat.hpp"

namespace keysluice::bus {

// Types of the contract, for those who write it and those who read it.

/// org.keysluice1.IkeSa.Children
using ChildRow = sdbus::Struct<std::string, std::string, std::string, std::uint32_t, std::uint32_t,
                               std::vector<std::string>, std::vector<std::string>, std::string, std::uint64_t,
                               std::string, std::string, std::string, std::string, Dictionary>;
using ChildRows = std::vector<ChildRow>;
/// org.keysluice1.Manager.ListSas
using SaRow =
    sdbus::Struct<std::uint64_t, std::uint64_t, std::string, bool, std::string, std::string, std::string, std::string,
                  std::string, std::string, std::uint64_t, std::uint64_t, ChildRows, Dictionary>;
using SaRows = std::vector<SaRow>;
/// org.keysluice1.Manager.ListTlsSessions
using TlsSessionRow =
    sdbus::Struct<std::uint64_t, std::string, std::string, std::string, std::string, std::string, std::string,
                  std::uint64_t, std::string, std::string, std::string, std::string, Dictionary>;
using TlsSessionRows = std::vector<TlsSessionRow>;
/// org.keysluice1.Manager.Events
using EventRow = sdbus::Struct<std::uint64_t, std::string, std::string, std::string, std::uint64_t, std::uint32_t,
                               std::uint32_t, std::string, std::string, std::string, Dictionary>;
using EventRows = std::vector<EventRow>;

}  // namespace keysluice::bus
