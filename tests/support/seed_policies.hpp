#pragma once

#include <vector>

#include "policy/policy.hpp"

namespace keysluice::test {

/// Policies 1 to 8 of the ClearPath MCP manual's "Example Policies".
inline std::vector<policy::Policy> seed_policies() {
    using policy::Direction;
    using policy::Disposition;
    constexpr std::uint8_t kTcp = 6;
    constexpr std::uint8_t kIcmpV6 = 58;
    constexpr std::uint8_t kBip = 123;  // a number of our choice: the manual names none
    const IpAddress backup = *IpAddress::parse("FEC0::2222:A00:BFF:FE3A:127");
    const std::vector<policy::AddressRange> there{{backup, backup}};
    return {
        {.name = "ALLOWICMPV6OUT", .direction = Direction::out, .protocol = kIcmpV6},
        {.name = "ALLOWICMPV6IN", .direction = Direction::in, .protocol = kIcmpV6},
        {.name = "PROTECTBNAOUT",
         .direction = Direction::out,
         .disposition = Disposition::protect,
         .remote = there,
         .protocol = kBip},
        {.name = "PROTECTBNAIN",
         .direction = Direction::in,
         .disposition = Disposition::protect,
         .remote = there,
         .protocol = kBip},
        {.name = "PROTECTFTPOUT",
         .direction = Direction::out,
         .disposition = Disposition::protect,
         .remote = there,
         .protocol = kTcp,
         .remote_ports = {{20, 21}}},
        {.name = "PROTECTFTPIN",
         .direction = Direction::in,
         .disposition = Disposition::protect,
         .remote = there,
         .protocol = kTcp,
         .remote_ports = {{20, 20}, {21, 21}}},
        {.name = "BYPASSALLOUT", .direction = Direction::out},
        {.name = "BYPASSALLIN", .direction = Direction::in},
    };
}

}  // namespace keysluice::test
