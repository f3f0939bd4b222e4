#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/instant.hpp"
#include "base/key_use.hpp"
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

    std::uint8_t used = 0;
    std::uint8_t plaintext = 0;  ///< of Carried
    std::uint8_t tls13 = 0;
    std::uint8_t flags = 0;
    std::uint16_t pipe_to_plain = 0;  ///< PipeId + 1, 0: none
    std::uint16_t pipe_to_tls = 0;
    std::uint64_t service = 0;  ///< of Carried
    std::uint64_t origin = 0;   ///< of Carried
    Instant since{};            ///< of Carried
    KeyUse keys{};
    Instant keys_since{};  ///< when our keys came into force; the zero instant: with the connection
};

/// What the keys of a connection are changed with, and how far a change has come. Class Rekeying is the only one that
/// writes it once a relay has the connection.
struct KeptSecrets {
    /// One direction's.
    struct Direction {
        /// How often the keys were changed. One instruction that counts on ends a change.
        std::uint32_t changes = 0;
        /// The number that a change under way leads to, else `changes`.
        std::uint32_t goal = 0;
        /// The one in force is that of `changes` modulo 2; the other one was before it, and is wiped, or comes next.
        std::array<std::array<std::uint8_t, 48>, 2> secrets{};

        [[nodiscard]] bool changing() const { return goal != changes; }
    };

    std::uint8_t size = 0;            ///< of each secret; 0: there are none, and the keys can't be changed
    std::uint8_t answer_due = 0;      ///< the peer wants a KeyUpdate of ours before our next data
    std::uint64_t update_record = 0;  ///< while `send` changes: the number that the record of our KeyUpdate has
    Direction receive;
    Direction send;
};

/// The table of one relay: a memory file of a fixed size, mapped by the keeper and by the relay. Its secrets never
/// leave memory; where the system can't promise that, there are none.
class ConnectionTable {
   public:
    ConnectionTable() = default;
    /// A new table with room for `capacity` connections. Error: `memory-file-failed`.
    [[nodiscard]] static Result<ConnectionTable> create(std::size_t capacity);
    /// The table behind a descriptor that came from the keeper. Error: `memory-file-failed`.
    [[nodiscard]] static Result<ConnectionTable> open(UniqueFd file);

    [[nodiscard]] std::span<TableEntry> entries() { return memory_.as<TableEntry>().first(capacity()); }
    [[nodiscard]] TableEntry& at(Slot slot) { return entries()[slot.value]; }
    [[nodiscard]] bool holds(Slot slot) const { return slot.value < capacity(); }
    /// Null where secrets can't be kept.
    [[nodiscard]] KeptSecrets* secrets(Slot slot);
    [[nodiscard]] bool keeps_secrets() const { return locked_; }
    /// Of a connection that is new in this place.
    void keep(Slot slot, const TrafficSecrets& secrets);
    /// Its connection is over: the keeper may be away, and who takes the place next finds no secrets.
    void end(Slot slot);
    /// The place is free: nothing is left of its connection.
    void clear(Slot slot);
    [[nodiscard]] int file() const { return memory_.file(); }
    /// Whether this is a descriptor of the same file.
    [[nodiscard]] bool is(const UniqueFd& file) const;

   private:
    [[nodiscard]] static Result<ConnectionTable> in(Result<SealedMemory> memory);
    [[nodiscard]] std::size_t capacity() const;
    [[nodiscard]] KeptSecrets& place_of_secrets(Slot slot);

    SealedMemory memory_;
    bool locked_ = false;
};

}  // namespace keysluice
