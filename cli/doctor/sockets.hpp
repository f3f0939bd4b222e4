#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/doctor/facts.hpp"

namespace keysluice::doctor {

/// One line of /proc/net/udp, udp6, tcp or tcp6 (proc(5)).
struct SocketLine {
    IpAddress address;
    std::uint16_t port = 0;
    std::uint8_t state = 0;
    std::uint64_t inode = 0;
};
/// Nothing for the title, and for what is no such line.
[[nodiscard]] std::optional<SocketLine> parse_socket_line(std::string_view line);

struct Holders {
    std::vector<SocketFacts> sockets;
    std::vector<Process> processes;
};
/// Who waits for packets and connections in this network namespace, and which processes there are in it. A process
/// that hides its namespace counts as one of it. `proc` is /proc.
[[nodiscard]] Holders look_at_sockets(const std::filesystem::path& proc);

}  // namespace keysluice::doctor
