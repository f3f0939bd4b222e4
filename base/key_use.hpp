#pragma once

#include <cstddef>
#include <cstdint>

namespace keysluice {

/// When so many octets went under the keys of one direction, they are changed, whatever the configuration says.
///
/// RFC 8446 5.5: "For AES-GCM, up to 2^24.5 full-size records (about 24 million) may be encrypted on a given
/// connection while keeping a safety margin of approximately 2^-57 for Authenticated Encryption (AE) security." That
/// is 2^38.5 octets. AES-CCM, for which it gives no number, bears less; ChaCha20-Poly1305 has no limit that could be
/// reached.
inline constexpr std::uint64_t kMostOctetsOfKeys = std::uint64_t{1} << 36U;

/// How much the keys of each direction may carry before they are changed.
struct KeyLimits {
    std::uint64_t sent = UINT64_MAX;
    std::uint64_t received = UINT64_MAX;
};

/// What the keys in force of a connection of TLS 1.3 have carried. It also stands in memory that outlives a process.
struct KeyUse {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint8_t asked = 0;  ///< the peer was asked to change its keys and has not yet

    void send(std::size_t data) { sent += octets(data); }
    void receive(std::size_t data) { received += octets(data); }
    void changed_ours(bool asking) {
        sent = 0;
        asked = asking ? 1 : asked;
    }
    void changed_theirs() {
        received = 0;
        asked = 0;
    }
    /// `may_ask`: the peer, which changes its own keys.
    [[nodiscard]] bool used_up(const KeyLimits& most, bool may_ask) const {
        return sent >= most.sent || (received >= most.received && asked == 0 && may_ask);
    }

   private:
    /// The limits are about blocks of the cipher: each record has two more than its data.
    [[nodiscard]] static constexpr std::uint64_t octets(std::size_t data) {
        constexpr std::size_t kFullRecord = 16'384;
        constexpr std::size_t kRecordOverhead = 32;
        return data + kRecordOverhead * (1 + data / kFullRecord);
    }
};

}  // namespace keysluice
