#include "daemon/control/limits_reader.hpp"

namespace keysluice::control {

void read_limits(Section& section, Limits& limits) {
    constexpr DurationRange kRange{std::chrono::milliseconds(10), kLongestTimeout};
    section.integer("max_connections", 0, kHighestLimit, limits.connections);
    section.integer("max_connections_per_address", 0, kHighestLimit, limits.connections_per_address);
    section.integer("max_handshakes_per_second", 0, kHighestLimit, limits.handshakes_per_second);
    section.integer("max_handshakes_per_second_per_address", 0, kHighestLimit,
                    limits.handshakes_per_second_per_address);
    section.duration("idle_timeout", kRange, limits.idle);
    section.duration("connection_lifetime", kRange, limits.lifetime);
}

}  // namespace keysluice::control
