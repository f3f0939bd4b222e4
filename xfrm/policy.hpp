#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "xfrm/types.hpp"

namespace keysluice::xfrm {

enum class Action : std::uint8_t { allow, block };
/// What becomes of a packet for which there is no SA: dropped (and an Acquire asks for one), or the template is
/// skipped.
enum class Level : std::uint8_t { required, use };

/// The protection that a policy asks for: which SAs may serve it.
struct Template {
    /// Outer addresses in tunnel mode; unspecified in transport mode.
    IpAddress source = {};
    IpAddress destination = {};
    Protocol protocol = Protocol::esp;
    Mode mode = Mode::tunnel;
    ReqId reqid = {};
    /// Only this SA.
    std::optional<Spi> spi = {};
    Level level = Level::required;

    auto operator<=>(const Template&) const = default;
};

/// What names a policy in the SPD.
struct PolicyId {
    Direction direction = Direction::out;
    Selector selector = {};
    std::optional<IfId> if_id = {};
    std::optional<Mark> mark = {};

    auto operator<=>(const PolicyId&) const = default;
};

/// What becomes of the packets of a selector: allowed with protection by every template (so none: in the clear), or
/// blocked.
struct Policy {
    Direction direction = Direction::out;
    Selector selector = {};
    /// The lowest number wins: see priority_of().
    std::uint32_t priority = 0;
    Action action = Action::allow;
    /// At most 6 (XFRM_MAX_DEPTH).
    std::vector<Template> templates = {};
    std::optional<IfId> if_id = {};
    std::optional<Mark> mark = {};
    /// For a packet offload that the SAs have too; `inbound` has no meaning here.
    std::optional<std::uint32_t> offload_device = {};

    auto operator<=>(const Policy&) const = default;
    [[nodiscard]] PolicyId id() const { return {direction, selector, if_id, mark}; }
};

struct PolicyState {
    Policy policy;
    /// The kernel's own number of it.
    std::uint32_t index = 0;
    /// Seconds since 1970, by the wall clock; the second is 0 for a policy that was never used.
    std::uint64_t added_at = 0;
    std::uint64_t used_at = 0;
};

/// What a policy is there for. Among policies of equally specific selectors, the first one in this list wins.
enum class Purpose : std::uint8_t {
    exception,  ///< lets packets pass in the clear or blocks them, as configured
    installed,  ///< leads into SAs that are there
    trap,       ///< asks for SAs
};

/// The priority by which the more specific policy wins, whoever installed it first.
///
/// Compared are, in this order: the lengths of both prefixes added up, whether there is a protocol, the ones in both
/// port masks added up, the purpose. So a trap for one host wins over an installed 10.0.0.0/8, and gives way to an
/// installed policy for the same host. Where neither selector contains the other (/8 to /32 and /16 to /16), the sum
/// decides all the same, since the kernel knows one order only.
///
/// All numbers lie in 1,024 … 132,482: administrators have room before and behind.
[[nodiscard]] std::uint32_t priority_of(const Selector& selector, Purpose purpose);

}  // namespace keysluice::xfrm
