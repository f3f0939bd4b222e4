#pragma once

#include <string>

namespace keysluice::test {

/// Policies 1 to 8 of the ClearPath MCP manual, and its TEST_PROTECTFTP.
inline const std::string kSeedPolicies = R"([[host_group]]
name = "DRBACKUP"
addresses = ["FEC0::2222:A00:BFF:FE3A:127"]

# Policies 1 and 2
[[policy]]
name = "ALLOWICMPV6OUT"
protocol = "icmpv6"
direction = "out"
disposition = "bypass"

[[policy]]
name = "ALLOWICMPV6IN"
protocol = "icmpv6"
direction = "in"
disposition = "bypass"

[[policy]]
name = "PROTECTBNAOUT"
remote = ["DRBACKUP"]
protocol = 123
direction = "out"
disposition = "protect"
spi = 2001
ipsec = "ah"
integrity = "hmac-sha1-96"
integrity_key = "BNAAHKEY"

[[policy]]
name = "PROTECTBNAIN"
remote = ["DRBACKUP"]
protocol = 123
direction = "in"
disposition = "protect"
spi = 2002
ipsec = "ah"
mode = "transport"
integrity = "hmac-sha1-96"
integrity_key = "BNAAHKEY"

[[policy]]
name = "PROTECTFTPOUT"
local = "any"
remote = ["DRBACKUP"]
protocol = "tcp"
remote_ports = "20-21"
direction = "out"
disposition = "protect"
spi = 24577
ipsec = "esp"
confidentiality = "aes-cbc"
confidentiality_key = "PRODUCTIONKEY"

[[policy]]
name = "PROTECTFTPIN"
remote = ["DRBACKUP"]
protocol = "tcp"
remote_ports = [20, 21]
direction = "in"
disposition = "protect"
spi = "0x6002"
ipsec = "esp"
confidentiality = "aes-cbc"
confidentiality_key = "DRSYSTEMKEY"

[[policy]]
name = "BYPASSALLOUT"
direction = "out"
disposition = "bypass"

[[policy]]
name = "BYPASSALLIN"
direction = "in"
disposition = "bypass"

[[policy_test]]
name = "TEST_PROTECTFTP"
protocol = "tcp"
direction = "in"
local_address = "FEC0::2222:A00:BFF:FE3A:100"
local_port = 500
remote_address = "FEC0::2222:A00:BFF:FE3A:127"
expect = ["bypass BYPASSALLIN", "protect PROTECTFTPIN", "bypass BYPASSALLIN"]
)";

/// Without these, nothing may be committed.
inline const std::string kIcmpPasses =
    "[[policy]]\nname = \"icmp\"\ndirection = \"both\"\nprotocol = \"ipv6-icmp\"\ndisposition = \"bypass\"\n";

}  // namespace keysluice::test
