#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "xfrm/encode.hpp"
#include "xfrm/policy.hpp"
#include "xfrm/relocation.hpp"
#include "xfrm/sa.hpp"

namespace keysluice::xfrm {

/// Changes to SAD and SPD that belong together, for Kernel::apply().
///
/// What it adds comes first and in the order of the calls: list SAs before the policies that lead into them. What it
/// removes comes afterwards, since it can't be undone: an SA that is added again starts its sequence numbers anew
/// under a key that has used them.
class Transaction {
   public:
    struct Replacement {
        Policy policy;
        /// What to put back; without it, an undo deletes the policy.
        std::optional<Policy> before;
    };
    /// Other ports for an SA's UDP encapsulation; it goes on with its keys and sequence numbers.
    struct Move {
        /// As it is to be, and as it is. The kernel wants keys of the right size in them, and ignores them.
        Sa to;
        Sa from;
    };
    using Addition = std::variant<Sa, Policy, Replacement, Move>;
    /// A policy that gives way to others by being put behind them is a removal, too.
    using Removal = std::variant<SaId, PolicyId, Policy>;

    Transaction& add(Sa sa) {
        additions_.emplace_back(std::move(sa));
        return *this;
    }
    Transaction& add(Policy policy) {
        additions_.emplace_back(std::move(policy));
        return *this;
    }
    /// Comes before all else. The SA is where it is to be afterwards, or it is gone, which is a failure; all else is
    /// carried out then too.
    Transaction& relocate(Relocation relocation) {
        relocations_.push_back(relocation);
        return *this;
    }
    /// The same. Whether the device takes it, SaState says afterwards: where it refuses, the SA is the kernel's own
    /// work.
    Transaction& rebind(Rebinding rebinding) {
        rebindings_.push_back(rebinding);
        return *this;
    }
    /// Both policies must have the same id. Adds the policy where there is none.
    Transaction& replace(Policy policy, std::optional<Policy> before) {
        additions_.emplace_back(Replacement{std::move(policy), std::move(before)});
        return *this;
    }
    Transaction& move(Sa from, Sa to) {
        additions_.emplace_back(Move{.to = std::move(to), .from = std::move(from)});
        return *this;
    }
    /// What is not there need not be removed: that is no failure.
    Transaction& remove(SaId id) {
        removals_.emplace_back(id);
        return *this;
    }
    Transaction& remove(PolicyId id) {
        removals_.emplace_back(id);
        return *this;
    }

    /// Puts it in the place of the one with the same id when its turn among the removals has come.
    Transaction& retreat(Policy policy) {
        removals_.emplace_back(std::move(policy));
        return *this;
    }

    /// The SAs that it adds, in a transaction of their own: this one has them no more.
    [[nodiscard]] Transaction take_sas();
    /// Its SAs are the kernel's own business then.
    void forgo_offload();

    [[nodiscard]] bool empty() const {
        return relocations_.empty() && rebindings_.empty() && additions_.empty() && removals_.empty();
    }
    [[nodiscard]] const std::vector<Relocation>& relocations() const { return relocations_; }
    [[nodiscard]] const std::vector<Rebinding>& rebindings() const { return rebindings_; }
    [[nodiscard]] const std::vector<Addition>& additions() const { return additions_; }
    [[nodiscard]] const std::vector<Removal>& removals() const { return removals_; }

   private:
    std::vector<Relocation> relocations_;
    std::vector<Rebinding> rebindings_;
    std::vector<Addition> additions_;
    std::vector<Removal> removals_;
};

[[nodiscard]] netlink::Request encode(const Transaction::Addition& addition, Dialect dialect);
/// The request that takes it back.
[[nodiscard]] netlink::Request encode_undo(const Transaction::Addition& addition, Dialect dialect);
[[nodiscard]] netlink::Request encode(const Transaction::Removal& removal);

/// "the ESP SA c0000001 to 192.0.2.1", "the out policy for 10.1.0.0/16 to 10.2.0.0/16": for sentences.
[[nodiscard]] std::string describe(const Transaction::Addition& addition);
[[nodiscard]] std::string describe(const Transaction::Removal& removal);
[[nodiscard]] std::string describe(const SaId& id);
[[nodiscard]] std::string describe(const PolicyId& id);

}  // namespace keysluice::xfrm
