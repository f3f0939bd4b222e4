#pragma once

#include <bitset>
#include <optional>
#include <vector>

#include "ike/keys.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::ike {

/// The initialization vectors of what one end sends over one IKE SA. The first 32 bits are the adoption epoch (it
/// grows each time a process takes the SA over), the rest counts, so that no crash can repeat one. CBC encrypts that
/// value under the SK_e key to make it unpredictable (NIST SP 800-38A appendix C).
struct IvCounter {
    std::uint32_t epoch = 0;
    std::uint32_t next = 0;

    bool operator==(const IvCounter&) const = default;
};

/// Largest datagram that a message goes into without fragments, IP and UDP headers not counted.
struct Fragmentation {
    bool allowed = false;  ///< both said FRAGMENTATION_SUPPORTED
    std::size_t datagram_size = 1280 - 40 - 8 - 4;
};

/// Encrypts a message into one datagram, or into several Encrypted Fragment datagrams where it would be too large and
/// that is allowed (RFC 7383). Fails with "ike-iv-exhausted" or "seal-failed".
[[nodiscard]] Result<std::vector<wire::Octets>> seal_message(Toolbox& tools, const IkeSuite& suite,
                                                             const DirectionKeys& keys, IvCounter& counter,
                                                             const wire::Header& header,
                                                             const std::vector<wire::Payload>& payloads,
                                                             const Fragmentation& fragmentation);

/// The plaintext of one encrypted part (padding checked and removed). Fails with "ike-bad-icv" or "ike-malformed".
[[nodiscard]] Result<wire::Octets> open_part(Toolbox& tools, const IkeSuite& suite, const DirectionKeys& keys,
                                             const wire::EncryptedPart& part);

/// Puts fragments of one message together, all of which were authenticated before they come here (RFC 7383
/// section 2.6). Bounded: at most 64 fragments and 64 KiB.
class Reassembly {
   public:
    struct Whole {
        wire::PayloadType first = wire::PayloadType::none;
        wire::Octets plaintext;
    };
    /// Takes a fragment of the message `id`; another id, or a larger total, starts anew. Returns the whole once it is
    /// complete.
    [[nodiscard]] std::optional<Whole> add(MessageId id, const wire::EncryptedPart& part, wire::Octets plaintext);
    void clear();

   private:
    static constexpr std::size_t kMostFragments = 64;

    MessageId id_;
    std::vector<wire::Octets> fragments_;  ///< empty: nothing has begun
    std::bitset<kMostFragments> present_;
    wire::PayloadType first_ = wire::PayloadType::none;
    std::size_t size_ = 0;
};

}  // namespace keysluice::ike
