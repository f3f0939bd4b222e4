#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/secret.hpp"
#include "xfrm/algorithms.hpp"
#include "xfrm/types.hpp"

namespace keysluice::xfrm {

/// What names an SA in the SAD.
struct SaId {
    IpAddress destination;
    Spi spi;
    Protocol protocol = Protocol::esp;
    std::optional<Mark> mark = {};

    auto operator<=>(const SaId&) const = default;
};

/// Encryption that authenticates as well.
struct Aead {
    /// One of algorithms::, as all names here: static storage.
    std::string_view name;
    Secret<36> key;
    std::uint16_t icv_bits = 128;
};
struct Cipher {
    std::string_view name;
    Secret<36> key;
};
struct Authentication {
    std::string_view name;
    Secret<64> key;
    /// Bits of the authenticator that travel.
    std::uint16_t trunc_bits = 0;
};
struct Classic {
    Cipher cipher;
    /// Without a name, there is none: what arrives may have been changed on its way.
    Authentication auth;
};
/// AH takes an Authentication alone, ESP one of the others.
using Algorithms = std::variant<Aead, Classic, Authentication>;

/// Ports of ESP in UDP, RFC 3948.
struct UdpEncapsulation {
    std::uint16_t source_port = 4500;
    std::uint16_t destination_port = 4500;

    auto operator<=>(const UdpEncapsulation&) const = default;
};

/// 0: no limit.
struct Limits {
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    /// Since the SA was added.
    std::uint64_t seconds = 0;

    auto operator<=>(const Limits&) const = default;
};

struct Offload {
    /// Index of the network device.
    std::uint32_t device = 0;
    bool inbound = false;
    /// The device does the whole of IPsec instead of the cryptography alone.
    bool packet = false;

    auto operator<=>(const Offload&) const = default;
};

/// One SA as it is given to the kernel. Its members say what is wanted; SaState says what came of it.
struct Sa {
    /// in or out.
    Direction direction = Direction::in;
    /// Outer addresses, of one family.
    IpAddress source;
    IpAddress destination;
    Protocol protocol = Protocol::esp;
    Spi spi;
    ReqId reqid;
    Mode mode = Mode::tunnel;
    Algorithms algorithms;
    bool esn = false;
    /// In packets, for an inbound SA; 0 switches replay protection off, which ESN does not allow. At most 4096.
    std::uint32_t replay_window = 128;
    /// Of an outbound one without ESN: after 2^32 packets its numbers begin anew instead of its end. RFC 4303 section
    /// 3.3.3: "If anti-replay is disabled (as noted above), the sender does not need to monitor or reset the
    /// counter."
    bool sequence_may_wrap = false;
    std::optional<UdpEncapsulation> encapsulation = {};
    /// What may travel in it. Without it, a tunnel carries both families and whatever the policies give it.
    std::optional<Selector> selector = {};
    /// The kernel deletes the SA at the hard limits and reports both kinds.
    Limits hard = {};
    Limits soft = {};
    std::optional<Offload> offload = {};
    std::optional<IfId> if_id = {};
    std::optional<Mark> mark = {};
    /// Of the Acquire that this SA answers, else 0: the kernel then drops the placeholder that holds up its packets.
    std::uint32_t acquire_sequence = 0;

    [[nodiscard]] SaId id() const { return {destination, spi, protocol, mark}; }
};

/// An SA as the kernel describes it. Its keys are not read.
struct SaState {
    SaId id;
    IpAddress source;
    ReqId reqid;
    Mode mode = Mode::tunnel;
    /// Linux 6.10 and later say it.
    std::optional<Direction> direction;
    /// The kernel's name of the AEAD, or of cipher and authentication. Empty for a placeholder without keys (spi 0).
    std::string algorithm;
    std::string authentication;
    bool esn = false;

    /// The last sequence number that was sent, and the highest that was received.
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint32_t replay_window = 0;
    /// Packets outside of the window, seen before, and with a wrong authenticator.
    std::uint32_t outside_window = 0;
    std::uint32_t replayed = 0;
    std::uint32_t integrity_failed = 0;

    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    /// Seconds since 1970, by the wall clock; the second is 0 for an SA that was never used.
    std::uint64_t added_at = 0;
    std::uint64_t used_at = 0;
    Limits hard;
    Limits soft;

    std::optional<UdpEncapsulation> encapsulation;
    std::optional<Selector> selector;
    /// In force: missing where the device declined, whatever was asked for.
    std::optional<Offload> offload;
    std::optional<IfId> if_id;
    std::uint32_t acquire_sequence = 0;
};

}  // namespace keysluice::xfrm
