#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "daemon/control/connection_changes.hpp"
#include "daemon/control/listed_children.hpp"
#include "daemon/control/policy_checks.hpp"
#include "daemon/control/policy_edits.hpp"
#include "daemon/control/policy_enforcement.hpp"
#include "daemon/control/policy_json.hpp"
#include "daemon/control/policy_question.hpp"

namespace keysluice::control {

/// Counts what policies discard, as DiscardCounter does. All calls block.
class DiscardCounts {
   public:
    DiscardCounts() = default;
    DiscardCounts(const DiscardCounts&) = delete;
    DiscardCounts& operator=(const DiscardCounts&) = delete;
    virtual ~DiscardCounts() = default;

    /// How the kernel has to drop what goes out, so that it can be counted.
    [[nodiscard]] virtual policy::Discards discards() = 0;
    [[nodiscard]] virtual Result<void> load(std::span<const policy::Policy> rules) = 0;
    /// By place.
    [[nodiscard]] virtual Result<std::vector<std::uint64_t>> counts() = 0;
    /// Nothing is counted any more, and nothing of it is left in the kernel.
    [[nodiscard]] virtual Result<void> remove() = 0;
};

/// The policies that hold and those that are being edited: everything that `keysluice policy` asks for. Every call
/// blocks, for files and for the kernel, so all come from one thread. Answers are JSON documents (man
/// keysluice-policy(7)).
class PolicyTable {
   public:
    struct Places {
        std::filesystem::path configuration;
        std::string credentials;      ///< as for read_configuration()
        std::filesystem::path state;  ///< folder
    };
    /// Seconds since 1970.
    using WallClock = std::function<std::uint64_t()>;
    using OwnAddresses = std::function<std::set<IpAddress>()>;
    /// The address by which this host reaches another one; nothing where it does not.
    using SourceTowards = std::function<std::optional<IpAddress>(const IpAddress&)>;

    PolicyTable(Places places, WallClock clock, OwnAddresses own_addresses, SourceTowards source_towards,
                std::unique_ptr<DiscardCounts> discards)
        : places_(std::move(places)),
          clock_(std::move(clock)),
          own_addresses_(std::move(own_addresses)),
          source_towards_(std::move(source_towards)),
          discards_(std::move(discards)) {}

    using Answer = std::expected<std::string, Refusal>;
    enum class Which : std::uint8_t { candidate, committed };

    /// What was to hold holds, or it failed. Keys that are wrong are told, and that is all: their policies drop what
    /// they are about unless the kernel has SAs of them, and everybody else's hold.
    using Held = std::expected<Diagnostics, Refusal>;

    /// What an earlier process committed holds again. Fails with what is wrong with its file, and as enforce().
    [[nodiscard]] Held start(Databases& databases, std::span<const ChildPolicy> children = {});

    [[nodiscard]] Answer show(Databases& databases, Which which);
    [[nodiscard]] Answer test(Which which, const QuestionTexts& question);
    /// What a commit would change in the kernel.
    [[nodiscard]] Answer diff(Databases& databases);
    /// The candidate holds from now on. `confirm_within`: else it does not after that time. `children` get the places
    /// that it has for them. Fails with what is wrong with it, keys that are missing and what is too fine for the
    /// kernel included, and as enforce(): then everything is as it was.
    [[nodiscard]] Answer commit(Databases& databases, std::optional<std::chrono::seconds> confirm_within,
                                std::span<const ChildPolicy> children = {});
    /// Error: `nothing-to-confirm`.
    [[nodiscard]] Answer confirm();
    /// Whether the kernel holds what was committed.
    [[nodiscard]] Answer verify(Databases& databases);
    /// Error: `policies-one-sided` where a direction has no policy.
    [[nodiscard]] Answer enforce(Databases& databases, bool enabled, std::span<const ChildPolicy> children = {});
    /// Names, kinds and fingerprints, never values. Fails as NamedKeys::list().
    [[nodiscard]] Answer list_keys() const;

    /// Writes into the files of the working set. What comes of it must read as policies, else nothing is written.
    /// Fails as edit_policies() and read_policies(), and with `file-unwritable`.
    [[nodiscard]] Answer edit(const PolicyEdit& change) const;
    /// The committed set as TOML, for the hosts that it is about: where manual keys protect any local address, with
    /// the one by which this host reaches the other.
    [[nodiscard]] Answer exported() const;
    /// Takes another host's exported() policies into the working set, as policies.d/NAME.toml and turned round.
    /// Errors: `file-exists`, `file-unwritable`, `bad-name`, and those of read_policies().
    [[nodiscard]] Answer import(std::string_view text, const std::string& name) const;

    /// The committed SAs that use this key get it as it is now. Error: `key-not-used`.
    [[nodiscard]] Answer renew(Databases& databases, const std::string& key);

    /// The time by which a commit must be confirmed; nothing where none is to be.
    [[nodiscard]] std::optional<std::uint64_t> returns_at() const {
        return before_ ? before_->returns_at : std::nullopt;
    }
    /// Where that time has come, the policies before hold again; not enforced if those of now are not. Nothing: it
    /// has not come. Fails as enforce(), and has another time then.
    [[nodiscard]] std::expected<std::optional<Diagnostics>, Refusal> give_back(
        Databases& databases, std::span<const ChildPolicy> children = {});
    /// Where the policies that hold have IKE's children.
    [[nodiscard]] ListedChildren listed() const { return ListedChildren(committed_); }
    /// Counts what the committed policies discard, where they are enforced: then it says true. Takes long for many,
    /// so it is not a part of a commit: what is discarded before is not counted. Fails as DiscardCounts::load().
    [[nodiscard]] Result<bool> count_discards();
    /// SAs for the addresses that this host has now, and none that others have succeeded.
    [[nodiscard]] Held follow(Databases& databases);

   private:
    /// Somebody waits for the answer, and hears of keys that are wrong before anything changes; or what was
    /// committed once is to hold as far as it can.
    enum class Keys : std::uint8_t { all, those_there };

    /// Of a set that is enforced. Fails as kernel_share(), and with keys that are wrong.
    [[nodiscard]] std::expected<KernelShare, Refusal> share_of(const PolicySet& set, policy::Discards discards) const;
    [[nodiscard]] std::expected<KernelShare, Refusal> share_of(const CommittedPolicies& committed) const;
    struct Also {
        std::span<const ChildPolicy> children = {};  ///< which may be anywhere
        std::set<xfrm::SaId>* leaving = nullptr;     ///< as for enforce()
        std::string renewed_key = {};
    };
    [[nodiscard]] Held apply(Databases& databases, const CommittedPolicies& committed, Keys needed,
                             const Also& also) const;
    /// Writes it down, and has the kernel hold it; or neither.
    [[nodiscard]] Held change_to(Databases& databases, CommittedPolicies next, Keys needed,
                                 std::span<const ChildPolicy> children);
    [[nodiscard]] Result<void> keep_before(const std::optional<CommittedPolicies>& before) const;
    /// What a commit would do.
    struct Plan {
        CommittedPolicies next;
        PolicyChange change;
        KernelHoldings holdings;
        KernelShare share;
    };
    [[nodiscard]] std::expected<Plan, Refusal> plan(Databases& databases) const;
    [[nodiscard]] std::filesystem::path file() const { return places_.state / kCommittedFile; }
    [[nodiscard]] std::filesystem::path file_before() const { return places_.state / "policies-before.toml"; }
    [[nodiscard]] NamedKeys keys() const;

    Places places_;
    WallClock clock_;
    OwnAddresses own_addresses_;
    SourceTowards source_towards_;
    std::unique_ptr<DiscardCounts> discards_;
    CommittedPolicies committed_;
    bool counting_ = false;
    std::set<xfrm::SaId> leaving_;             ///< SAs that a commit has left for follow() to take out
    std::optional<CommittedPolicies> before_;  ///< until the commit after it is confirmed
};

}  // namespace keysluice::control
