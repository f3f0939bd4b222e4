#pragma once

#include <cstdint>
#include <span>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/messages.hpp"
#include "daemon/shared/sealed_memory.hpp"

namespace keysluice {

/// What a relay's successor has to know of one connection, in memory that keeper and relay share: which pipe holds
/// bytes on their way, and which of the two ends has been said already. The relay writes it before it acts, so that a
/// death between two instructions leaves a usable state.
struct TableEntry {
    static constexpr std::uint8_t kTlsEnded = 1;     ///< close_notify was received from the TLS side
    static constexpr std::uint8_t kPlainEnded = 2;   ///< the plaintext side's FIN was received
    static constexpr std::uint8_t kNotifySent = 4;   ///< our close_notify left
    static constexpr std::uint8_t kPlainCutOff = 8;  ///< the plaintext side broke before its FIN

    std::uint16_t used = 0;
    std::uint16_t service = 0;
    std::uint8_t tls13 = 0;
    std::uint8_t flags = 0;
    std::uint16_t pipe_to_plain = 0;  ///< PipeId + 1, 0: none
    std::uint16_t pipe_to_tls = 0;
    Instant since{};  ///< of Carried
};

/// The table of one relay: a memory file of a fixed size, mapped by the keeper and by the relay.
class ConnectionTable {
   public:
    ConnectionTable() = default;
    /// A new table with room for `capacity` connections. Error: `memory-file-failed`.
    [[nodiscard]] static Result<ConnectionTable> create(std::size_t capacity);
    /// The table behind a descriptor that came from the keeper. Error: `memory-file-failed`.
    [[nodiscard]] static Result<ConnectionTable> open(UniqueFd file);

    [[nodiscard]] std::span<TableEntry> entries() { return memory_.as<TableEntry>(); }
    [[nodiscard]] TableEntry& at(Slot slot) { return entries()[slot.value]; }
    [[nodiscard]] bool holds(Slot slot) const { return slot.value < memory_.as<TableEntry>().size(); }
    [[nodiscard]] int file() const { return memory_.file(); }
    /// Whether this is a descriptor of the same file.
    [[nodiscard]] bool is(const UniqueFd& file) const;

   private:
    [[nodiscard]] static Result<ConnectionTable> in(Result<SealedMemory> memory);

    SealedMemory memory_;
};

}  // namespace keysluice
