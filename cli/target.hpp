#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/service.hpp"

namespace keysluice::cli {

/// What a NAME, an SPI or the id of a TLS session stands for. A name is one of a connection, a group or a TLS
/// service, or of all three; where it is none of them, it may be an SPI.
struct Target {
    std::vector<Connection> connections = {};
    std::vector<TlsService> services = {};  ///< counted
    std::vector<IkeSa> sas = {};            ///< of these connections; with an SPI, that one
    std::vector<TlsSession> sessions = {};  ///< the one that has the id; of services, none
};

/// "sk:1f", as ss -e has it.
[[nodiscard]] std::string session_text(std::uint64_t id);
/// What session_text() makes.
[[nodiscard]] std::optional<std::uint64_t> read_session(std::string_view text);

/// The SPI that a text is: 16 hexadecimal digits of an IKE SA or 8 of a CHILD SA, with or without 0x in front.
struct SpiText {
    std::uint64_t value = 0;
    bool of_child = false;
};
[[nodiscard]] std::optional<SpiText> read_spi(std::string_view text);

/// The IKE SA that has this SPI, whichever end gave it, or whose CHILD SA has it.
[[nodiscard]] const IkeSa* find_by_spi(const std::vector<IkeSa>& sas, SpiText spi);

/// Errors: `not-found`, and those of Service.
[[nodiscard]] Result<Target> look_up(Service& service, const std::string& name);
/// Fills in what the kernel has counted. An IKE SA that has gone meanwhile stays without.
[[nodiscard]] Result<void> count_all(Service& service, std::vector<IkeSa>& sas);
/// Everything.
[[nodiscard]] Result<Target> look_up_all(Service& service);

}  // namespace keysluice::cli
