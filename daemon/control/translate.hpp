#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/instant.hpp"
#include "daemon/control/inventory.hpp"
#include "daemon/control/listed_children.hpp"
#include "ike/actions.hpp"
#include "xfrm/transaction.hpp"

namespace keysluice::control {

/// Turns what IKE wants into what the kernel does, and keeps account of what is there: two CHILD SAs of the same
/// traffic, a rekeying's or those of two ends that began at once, share their policies, which go with the last.
///
/// It is a pure value: a transaction that it gives out is taken for carried out, in the order of the calls. Say
/// refused() where the kernel did not.
class Translator {
   public:
    Translator() = default;
    /// What stands in a list waits for the first follow(): the kernel may not hold the list yet.
    explicit Translator(ListedChildren listed) : listed_(std::move(listed)), waits_(true) {}

    using Offload = std::optional<xfrm::Offload>;
    /// `offload`: what a device is asked to take over; `inbound` has no meaning here. Fails as kernel_selectors()
    /// does, and then nothing has changed.
    [[nodiscard]] Result<xfrm::Transaction> install(ike::InstallChild action, const Offload& offload = {});
    [[nodiscard]] Result<xfrm::Transaction> install(ike::InstallOutbound action, const Offload& offload = {});
    /// Empty where nothing is there any more: what was removed need not be moved. The policies that lead into the SAs
    /// follow them; a trap follows where it is set anew.
    [[nodiscard]] xfrm::Transaction move(const ike::MoveChild& action);
    /// Empty where nothing is there any more. As install() takes `offload`.
    [[nodiscard]] xfrm::Transaction rebind(ike::EspSpi inbound, const xfrm::Offload& offload) const;
    /// Empty where nothing is there any more.
    [[nodiscard]] xfrm::Transaction remove(const ike::RemoveChild& action);
    [[nodiscard]] xfrm::Transaction remove(const ike::RemoveOutbound& action);

    /// The kernel refused what was to be installed for this CHILD SA: its account is closed. What the kernel needs to
    /// be told about it comes back.
    [[nodiscard]] xfrm::Transaction refused(ike::EspSpi inbound, const Error& why);
    /// The same for an outbound half that was to be installed later; the inbound one stays.
    [[nodiscard]] xfrm::Transaction refused_outbound(ike::EspSpi inbound, const Error& why);

    /// Whose SA it is: the inbound SPI of a CHILD SA, or 0.
    [[nodiscard]] ike::EspSpi child_of(const xfrm::SaId& id) const;
    [[nodiscard]] bool has(ike::EspSpi inbound) const { return children_.contains(inbound); }
    /// All SAs, as child_of() answers.
    using Account = std::vector<std::pair<xfrm::SaId, ike::EspSpi>>;
    [[nodiscard]] Account account() const;
    [[nodiscard]] std::vector<xfrm::PolicyId> policies() const;
    /// The policies that the kernel has lost, as far as somebody still wants them.
    [[nodiscard]] xfrm::Transaction put_back(const std::vector<xfrm::PolicyId>& lost) const;

    /// Makes packets for a child ask for it (xfrm::Acquire). `spec` has no SPIs yet. Fails as kernel_selectors()
    /// does.
    [[nodiscard]] Result<xfrm::Transaction> trap(const ike::ChildSaSpec& spec);
    using ChildNames = std::set<ChildName>;
    /// Packets for other children no longer ask.
    [[nodiscard]] xfrm::Transaction untrap_all_but(const ChildNames& kept);
    /// Whom a packet asked for that met a policy with this number: what trap() was given, or null. The next outbound
    /// SA of that child answers it, whatever was negotiated (a NAT's ports, fewer selectors) and so its number is:
    /// until one does, the kernel keeps a placeholder and does not ask again.
    [[nodiscard]] const ike::ChildSaSpec* wanted(xfrm::ReqId reqid, std::uint32_t acquire_sequence);

    /// Every one that somebody wants: those of traps first, then the CHILD SAs' in the order in which they came.
    [[nodiscard]] std::vector<ChildPolicy> child_policies() const;
    /// The policies have the places that these give them. Of `placed` the kernel may hold what nobody wants any more.
    [[nodiscard]] xfrm::Transaction follow(const ListedChildren& listed, std::span<const ChildPolicy> placed);

    /// Takes out everything, traps too.
    [[nodiscard]] xfrm::Transaction clear();

    // What an earlier process left in the kernel: first adopt() each CHILD SA, then settle() once.

    /// The CHILD SA is there: its inbound SA, and `outbound` or not. Fails as kernel_selectors() does.
    [[nodiscard]] Result<void> adopt(const ike::ChildSaSpec& spec, const xfrm::SaState& inbound,
                                     const xfrm::SaState* outbound);
    /// Takes what else there is of ours into account: it carries traffic until its successors stand. Policies that
    /// are not as they should be are mended.
    [[nodiscard]] xfrm::Transaction settle(const Inventory& found);
    /// Of that, takes out what has successors, and `all` the rest.
    [[nodiscard]] xfrm::Transaction sweep(bool all);
    /// How many SAs are left of it.
    [[nodiscard]] std::size_t orphans() const;

   private:
    /// What two CHILD SAs must have in common to be served by the same policies.
    using Kind = std::tuple<std::string, std::string, ike::Mode, IpAddress, IpAddress,
                            std::optional<std::pair<std::uint16_t, std::uint16_t>>, ike::TrafficSelectors,
                            ike::TrafficSelectors, std::uint32_t>;
    /// One side's wish for a policy. The kernel has one for each selector: the last of the list, which is ordered by
    /// priority and, within the same, by time.
    struct Claim {
        xfrm::Policy policy;
        unsigned holders = 0;
    };
    /// As they are where no list has the child.
    using Policies = std::vector<ChildPolicy>;
    /// The policies of the outbound half that another CHILD SA gave up in the same transaction.
    struct Replaced {
        ike::EspSpi owner;
        Policies policies;
    };
    /// What CHILD SAs of one kind have in common. Where one of them moves, all of them do.
    struct Shared {
        Kind kind;
        xfrm::ReqId reqid;
        unsigned holders = 0;
    };
    using SharedPtr = std::shared_ptr<Shared>;
    struct Child {
        SharedPtr shared;
        std::uint64_t arrival = 0;  ///< each later one has a higher number
        xfrm::SaId inbound;
        Policies inbound_policies;
        std::optional<xfrm::SaId> outbound;
        Policies outbound_policies;
        std::optional<Replaced> replaced;
    };

    struct Trap {
        ike::ChildSaSpec spec;
        SharedPtr shared;
        Policies policies;
        std::uint32_t acquire_sequence = 0;  ///< of the last packet that nothing has answered
    };
    [[nodiscard]] std::uint32_t take_acquire_sequence(const ike::ChildSaSpec& spec);
    void drop(xfrm::Transaction& transaction, const Trap& trap);
    /// What nobody negotiated in this process, by number.
    struct Orphans {
        std::vector<xfrm::SaId> sas;
        std::vector<xfrm::Policy> policies;
    };
    [[nodiscard]] bool succeeded(const Orphans& orphans) const;
    [[nodiscard]] bool is_known(const xfrm::Policy& policy) const;

    /// Of two policies for the same packets.
    [[nodiscard]] static bool alike(const xfrm::Policy& a, const xfrm::Policy& b);
    [[nodiscard]] static Kind kind_of(const ike::ChildSaSpec& spec);
    /// `number`: where it has one already.
    [[nodiscard]] SharedPtr hold(const Kind& kind, xfrm::ReqId number = {});
    void let_go(const SharedPtr& shared);
    void unlist(const Shared& shared);
    void claim(xfrm::Transaction& transaction, const Policies& policies);
    void claim(xfrm::Transaction& transaction, const xfrm::Policy& placed);
    void claim_anew(const Policies& all);
    void release(xfrm::Transaction& transaction, const Policies& policies);
    void release(xfrm::Transaction& transaction, const xfrm::Policy& placed);
    void put_inbound(xfrm::Transaction& transaction, Child& child, const ike::ChildSaSpec& spec,
                     const std::vector<xfrm::Selector>& selectors, const Offload& offload);
    void put_outbound(xfrm::Transaction& transaction, Child& child, const ike::ChildSaSpec& spec,
                      const std::vector<xfrm::Selector>& selectors, const Offload& offload);
    void drop_outbound(xfrm::Transaction& transaction, Child& child);
    static void move_ports(xfrm::Transaction& transaction, const Child& child, const ike::MoveChild& action);
    [[nodiscard]] static Policies moved(Policies policies, const ike::ChildSaSpec& to, xfrm::ReqId reqid);
    void move_policies(xfrm::Transaction& transaction, Policies& policies, const ike::ChildSaSpec& to,
                       xfrm::ReqId reqid);
    void replace_outbound(xfrm::Transaction& transaction, Child& child, const IpAddress& remote,
                          std::optional<ike::EspSpi> old);
    void give_back(const Replaced& replaced);
    /// Moves what the kernel was to have of the outbound half to `sas` and `policies`.
    void forget_outbound(Child& child, std::vector<xfrm::SaId>& sas, Policies& policies);
    [[nodiscard]] xfrm::Transaction mend(const std::vector<xfrm::SaId>& sas, const Policies& policies,
                                         const Error& why);

    [[nodiscard]] bool waits(const xfrm::Policy& placed) const;

    ListedChildren listed_;
    bool waits_ = false;
    std::set<xfrm::PolicyId> waiting_;       ///< for follow(): wanted ones, and such that are not wanted any more
    std::map<ike::EspSpi, Child> children_;  ///< by inbound SPI
    std::uint64_t arrivals_ = 0;
    std::map<xfrm::SaId, ike::EspSpi> by_outbound_;
    std::map<Kind, SharedPtr> shared_;
    std::map<xfrm::PolicyId, std::vector<Claim>> claims_;
    std::map<ChildName, Trap> traps_;
    std::map<xfrm::ReqId, ChildName> traps_by_number_;
    std::map<xfrm::ReqId, Orphans> orphans_;
    std::set<std::uint32_t> numbers_;
    std::uint32_t last_number_ = 0;
};

}  // namespace keysluice::control
