#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "daemon/control/esp_support.hpp"
#include "daemon/control/offloading.hpp"
#include "ike/algorithms.hpp"
#include "ike/sa.hpp"
#include "ike/traffic_selectors.hpp"

namespace keysluice::control {

/// One CHILD SA, for a person and for programs. No member holds a key. What it costs to write suites, addresses and
/// selectors as text is for who asks, not for IKE, which fills this.
struct ChildView {
    std::string name;
    std::string_view state;  ///< one of a few constants, as mode
    std::string_view mode;
    ike::EspSuite suite;
    std::uint32_t inbound = 0;
    std::uint32_t outbound = 0;
    ike::TrafficSelectors local;
    ike::TrafficSelectors remote;
    std::optional<std::int64_t> rekey_in;  ///< seconds
    Instant rekey_at = Instant::max();
    OffloadState offload;  ///< as far as the kernel was asked
};

struct IkeSaView {
    std::string connection;
    std::string_view state;  ///< one of a few constants
    bool initiator = false;
    std::string local_id;
    std::string remote_id;
    UdpEndpoint local;
    UdpEndpoint remote;
    std::optional<ike::IkeSuite> suite;  ///< none is chosen yet
    ike::IkeSpi own;
    std::uint64_t initiator_spi = 0;
    std::uint64_t responder_spi = 0;
    std::optional<std::int64_t> age;       ///< seconds since it is established
    std::optional<std::int64_t> rekey_in;  ///< seconds
    Instant established_at{};              ///< not yet: Instant{}
    Instant rekey_at = Instant::max();
    ike::Assignment given;     ///< by the peer, to us
    ike::Assignment assigned;  ///< by us, to the peer
    std::string interface;     ///< that its children are behind; empty: none
    std::vector<ChildView> children;
};

/// What IKE is doing.
struct IkeView {
    bool running = false;
    std::string reason;        ///< why not
    bool null_kernel = false;  ///< nothing is installed
    std::optional<xfrm::Capabilities> kernel = {};
    std::vector<RefusedChild> refused = {};
    std::vector<IkeSaView> sas;
};

[[nodiscard]] IkeSaView look_at(const ike::Sa& sa, Instant now);
/// The identity that the peer has proved, as the view has it; empty until then.
[[nodiscard]] std::string proven_id(const ike::Sa& sa);
/// Empty: none is chosen yet.
[[nodiscard]] std::string suite_text(const IkeSaView& sa);
[[nodiscard]] std::vector<std::string> texts(const ike::TrafficSelectors& selectors);
[[nodiscard]] std::vector<std::string> texts(const std::vector<IpAddress>& addresses);

}  // namespace keysluice::control
