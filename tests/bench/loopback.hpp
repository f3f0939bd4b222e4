#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::bench {

/// A non-blocking listening socket on 127.0.0.1:`port`.
[[nodiscard]] Result<UniqueFd> listen_on(std::uint16_t port);

/// A socket on its way to 127.0.0.1:`port`: non-blocking, and perhaps not connected yet.
[[nodiscard]] Result<UniqueFd> start_connect(std::uint16_t port);

/// A connected, blocking socket whose reads and writes give up after `timeout_seconds`.
[[nodiscard]] Result<UniqueFd> connect_blocking(std::uint16_t port, int timeout_seconds);

/// Makes a socket blocking, with reads and writes that give up after `timeout_seconds`.
[[nodiscard]] Result<void> make_blocking(int fd, int timeout_seconds);

/// A decimal command line argument between 1 and `most`.
[[nodiscard]] Result<std::uint64_t> parse_number(const char* text, std::uint64_t most);

/// Of samples that are there; their order changes.
[[nodiscard]] double percentile(std::vector<double>& samples, double share);

/// Prints the failure for a person and returns the exit status that goes with it.
int report(const Error& error);

}  // namespace keysluice::bench
