#include "cli/doctor/sockets.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>
#include <unordered_map>

namespace keysluice::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::uint8_t kListening = 0x0A;  // TCP_LISTEN
/// A host with more of them has other worries.
constexpr std::size_t kMostLines = 1'000'000;

template <typename Number>
std::optional<Number> number(std::string_view text, int base) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// The kernel prints each 32 bits of the address as a number of the host's byte order.
std::optional<IpAddress> address_in(std::string_view text) {
    if (text.size() != 8 && text.size() != 32) {
        return {};
    }
    std::array<std::uint8_t, 16> octets{};
    for (std::size_t i = 0; i < text.size() / 8; ++i) {
        const auto word = number<std::uint32_t>(text.substr(i * 8, 8), 16);
        if (!word) {
            return {};
        }
        std::memcpy(octets.data() + i * 4, &*word, 4);
    }
    return IpAddress::from_octets(Bytes(octets).first(text.size() / 2));
}

std::string first_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

/// Empty where it may not be read.
std::string link_of(const fs::path& path) {
    std::error_code error;
    return fs::read_symlink(path, error).string();
}

using Owners = std::unordered_map<std::uint64_t, Process>;

void note_sockets(const fs::path& directory, const Process& process, Owners& owners) {
    constexpr std::string_view kPrefix = "socket:[";
    std::error_code error;
    for (fs::directory_iterator each(directory, error), end; !error && each != end; each.increment(error)) {
        const std::string target = link_of(each->path());
        if (target.starts_with(kPrefix) && target.ends_with(']')) {
            const std::string_view digits = std::string_view(target).substr(kPrefix.size());
            if (const auto inode = number<std::uint64_t>(digits.substr(0, digits.size() - 1), 10)) {
                owners.try_emplace(*inode, process);
            }
        }
    }
}

Owners look_at_processes(const fs::path& proc, std::vector<Process>& processes) {
    Owners owners;
    const std::string here = link_of(proc / "self" / "ns" / "net");
    std::error_code error;
    for (fs::directory_iterator each(proc, error), end; !error && each != end; each.increment(error)) {
        const auto pid = number<pid_t>(each->path().filename().string(), 10);
        const std::string there = pid ? link_of(each->path() / "ns" / "net") : "";
        if (!pid || (!there.empty() && there != here)) {
            continue;
        }
        const Process process{*pid, first_line(each->path() / "comm")};
        processes.push_back(process);
        note_sockets(each->path() / "fd", process, owners);
    }
    std::ranges::sort(processes, {}, &Process::pid);
    return owners;
}

}  // namespace

std::optional<SocketLine> parse_socket_line(std::string_view line) {
    std::array<std::string_view, 10> fields;
    for (std::string_view& field : fields) {
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        field = line.substr(0, line.find(' '));
        line.remove_prefix(field.size());
    }
    const std::size_t colon = fields[1].find(':');
    if (colon == std::string_view::npos) {
        return {};
    }
    const auto address = address_in(fields[1].substr(0, colon));
    const auto port = number<std::uint16_t>(fields[1].substr(colon + 1), 16);
    const auto state = number<std::uint8_t>(fields[3], 16);
    const auto inode = number<std::uint64_t>(fields[9], 10);
    if (!address || !port || !state || !inode) {
        return {};
    }
    return SocketLine{.address = *address, .port = *port, .state = *state, .inode = *inode};
}

Holders look_at_sockets(const fs::path& proc) {
    Holders found;
    const Owners owners = look_at_processes(proc, found.processes);
    for (const std::string_view table : {"udp", "udp6", "tcp", "tcp6"}) {
        const bool udp = table.starts_with("udp");
        std::ifstream stream(proc / "net" / table);
        std::string line;
        for (std::size_t i = 0; i < kMostLines && std::getline(stream, line); ++i) {
            const auto socket = parse_socket_line(line);
            if (!socket || (!udp && socket->state != kListening)) {
                continue;
            }
            const auto owner = owners.find(socket->inode);
            found.sockets.push_back({.udp = udp,
                                     .address = socket->address,
                                     .port = socket->port,
                                     .owner = owner == owners.end() ? std::nullopt : std::optional(owner->second)});
        }
    }
    return found;
}

}  // namespace keysluice::doctor
