#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice {

/// What somebody may look for in the journal by its message id. units/keysluice.catalog explains each of them; an id
/// never comes to mean something else.
enum class LogEvent : std::uint8_t {
    ike_established,
    ike_rekeyed,
    ike_closed,
    child_established,
    child_rekeyed,
    child_closed,
    peer_moved,
    failed,
    refused,
    ike_taken_over,
    ike_state_lost,
    configuration_refused,
    offload_lost,
    offload_regained,
    offload_moved,
    addresses_assigned,
    path_changed,
    gateway_changed,
    reauthenticated,
    reauth_failed,
};

struct LogEventName {
    std::string_view name;  ///< of those that are on D-Bus, too, the kind in Manager.Events
    std::string_view message_id;
};

/// In the order of the enumerators.
inline constexpr std::array<LogEventName, 20> kLogEvents{{
    {"ike-established", "9745637fbf8f4a89882be4393e175ecd"},
    {"ike-rekeyed", "d80430ffc9c44c5a93df58c2d6292ee5"},
    {"ike-closed", "45461d8c04504986a80ac6c36369072d"},
    {"child-established", "764b149554e94ee0b063efd5ebfef403"},
    {"child-rekeyed", "d9a80d197ab54a0b9e85a5b95065d843"},
    {"child-closed", "83fbdf543b544ee9b79ddb10bf6db25c"},
    {"peer-moved", "795ac8f522fa42d69fcc715c38b1d095"},
    {"failed", "27d9bf1e2ce54c70a264f8a446618c6a"},
    {"refused", "9ff496e2dfef4d24b0a79397e7fbd753"},
    {"ike-taken-over", "0be11b35292948009f172f04d05f2a7d"},
    {"ike-state-lost", "e92c705eeb954a29881ef6070095a92a"},
    {"configuration-refused", "29e8c17a6265462f88cfa4dda0b2857b"},
    {"offload-lost", "92c004b4a1e2482695d8b6d85154acac"},
    {"offload-regained", "8c94e106aa6546f79c7be8234810f6ec"},
    {"offload-moved", "3f0d6a2be97c4c3d8f52c0b8e1d7a964"},
    {"addresses-assigned", "91ac18a8771243f6b8287f5cbb942510"},
    {"path-changed", "cdf23dd80953455bb05946323d1b41f4"},
    {"gateway-changed", "8c9b7c1bc9254b05b01dee16640c6507"},
    {"reauthenticated", "983d9702f1a9496eba1db281a4edc71c"},
    {"reauth-failed", "ae5814cf3d2c4b4baca62cbfff4bd222"},
}};

[[nodiscard]] constexpr const LogEventName& describe(LogEvent event) {
    return kLogEvents[static_cast<std::size_t>(event)];
}

/// In the journal, KEYSLUICE_ stands in front of the name.
struct LogField {
    std::string_view name;
    std::string value;
};

/// What a line of the log has beside its text where the journal takes it.
struct LogDetails {
    LogEvent event;
    std::vector<LogField> fields = {};
};

}  // namespace keysluice
