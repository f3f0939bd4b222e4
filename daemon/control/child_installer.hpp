#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/control/databases.hpp"
#include "daemon/control/kernel_thread.hpp"
#include "daemon/control/offloading.hpp"
#include "daemon/control/sa_counters.hpp"
#include "daemon/control/translate.hpp"
#include "daemon/shared/timer.hpp"
#include "ike/events.hpp"
#include "netlink/links.hpp"

namespace keysluice::control {

/// Brings CHILD SAs into the kernel and out of it, and tells IKE what the kernel says about them.
class ChildInstaller {
   public:
    class Owner {
       public:
        Owner() = default;
        Owner(const Owner&) = delete;
        Owner& operator=(const Owner&) = delete;
        virtual ~Owner() = default;
        /// May come from inside perform().
        virtual void on_kernel(ike::Event event) = 0;
        /// A packet met what trap() installed for this child.
        virtual void on_wanted(const ike::ChildSaSpec& child, const xfrm::Selector& packet) = 0;
        /// Something was carried out.
        virtual void on_progress() = 0;
    };

    ChildInstaller(Loop& loop, std::unique_ptr<Databases> databases, Owner& owner, ListedChildren listed = {});

    void perform(ike::InstallChild action);
    void perform(ike::InstallOutbound action);
    void perform(const ike::MoveChild& action);
    void perform(const ike::RemoveChild& action);
    void perform(const ike::RemoveOutbound& action);
    /// Makes packets for the child ask for it, instead of what it had before. `spec` has no SPIs yet.
    void trap(const ike::ChildSaSpec& spec);
    using ChildNames = Translator::ChildNames;
    /// Packets for other children no longer ask.
    void untrap_all_but(const ChildNames& kept);
    [[nodiscard]] std::vector<ChildPolicy> child_policies() const { return translator_.child_policies(); }
    /// As ChildPolicies::follow().
    void follow(const ListedChildren& listed, std::span<const ChildPolicy> placed);
    /// Takes everything out.
    void clear();

    // What an earlier process left in the kernel: first adopt() each CHILD SA, then settle() once.

    /// What the kernel has of this CHILD SA.
    enum class Presence : std::uint8_t { none, inbound_only, both };
    /// Takes it into account. What is there by half and should be `whole` is removed.
    [[nodiscard]] Presence adopt(const ike::ChildSaSpec& spec, bool whole, Inventory& found);
    /// What else is there of ours carries traffic until its successors stand, or until give_up().
    void settle(const Inventory& found);
    /// No successors came.
    void give_up();

    void hear(const xfrm::Event& event);
    /// With a device that goes down the kernel deletes the SAs that are with it, and says nothing. Such a CHILD SA is
    /// rekeyed at once, and again when the device is back on the way to the peer. For one that loses its feature the
    /// kernel goes on itself, until the feature is back; where less than a device will not do, the SAs are taken out,
    /// and it goes on as if the device were down.
    void hear(const netlink::LinkChange& change);
    /// Routes or addresses have changed. Where packets to a peer go by another device now, between the same addresses
    /// (a bond, VRRP), their SAs go along: keys and counters stay, and IKE does nothing. Where that device does less
    /// than is asked for, it goes on as if the feature were lost.
    void follow_routes();

    [[nodiscard]] bool idle() const { return kernel_.idle(); }
    /// Null where nothing is known: it was not installed, or no offload was asked for.
    [[nodiscard]] const OffloadState* offload(ike::EspSpi inbound) const;
    [[nodiscard]] SaCounters& counters() { return counters_; }

   private:
    /// A CHILD SA that asks for offload.
    struct Offloaded {
        ChildName name;
        IpAddress local;
        IpAddress remote;
        std::optional<ike::InstallChild> waiting;  ///< while the device is looked for
        std::optional<OffloadWish> wish;           ///< absent until then, and once it is given up
        OffloadState state;
        std::uint32_t device = 0;  ///< index of the one that has SAs of it, else 0
        bool gone = false;         ///< it is without SAs that its device had, and to be rekeyed
    };

    /// From the first look for a device that has come back on; each pause is twice the one before.
    static constexpr Duration kFirstPause = std::chrono::milliseconds(250);
    static constexpr Duration kLongestPause = std::chrono::seconds(30);

    void on(const xfrm::Acquire& event);
    void on(const xfrm::Expire& event);
    void on(const xfrm::MappingChange& event);
    void on(const xfrm::Lost& event);
    void compare(const Translator::Account& expected, const std::vector<xfrm::SaState>& found);
    void compare(const std::vector<xfrm::PolicyId>& expected, const std::vector<xfrm::PolicyState>& found);
    /// With what the kernel has asked for, as its placeholders tell: it may not ask again.
    void catch_up(const std::vector<xfrm::SaState>& found);
    void on_wanted(xfrm::ReqId reqid, std::uint32_t sequence, const xfrm::Selector& packet);
    void find_device(ike::InstallChild action);
    void on_device(ike::EspSpi inbound, Result<netlink::Device> device);
    void install(ike::InstallChild action);
    /// What the CHILD SA still asks of a device.
    [[nodiscard]] std::optional<OffloadWish> wish_of(ike::EspSpi inbound) const;
    /// Whether its device went with SAs of it, which is known to IKE.
    [[nodiscard]] bool has_gone(ike::EspSpi inbound) const;
    /// A half of a CHILD SA, or both.
    void submit(xfrm::Transaction transaction, ike::EspSpi inbound, KernelThread::Done done);
    void refuse(ike::EspSpi inbound, Error error);
    void forgo_device(ike::EspSpi inbound);
    [[nodiscard]] Result<void> room() const;
    /// Changes of which nobody waits for the result.
    void submit(xfrm::Transaction transaction, std::string what);
    void sweep(bool all);

    using SasOfChild = std::pair<ike::EspSpi, std::vector<xfrm::SaId>>;
    [[nodiscard]] static std::uint32_t index_of(const Offloaded& offloaded);
    void look_for_sas(const std::optional<netlink::Device>& device);
    [[nodiscard]] std::vector<SasOfChild> with_device(const std::optional<netlink::Device>& device) const;
    void on_looked_for(const std::vector<SasOfChild>& missing);
    void lose(Offloaded& offloaded, const SasOfChild& sas, bool held_up, std::string why);
    void look_at_features(const std::optional<netlink::Device>& device);
    /// By the device's index.
    using Features = std::map<std::uint32_t, netlink::Feature>;
    void on_features(const Features& features);
    void on_feature(Offloaded& offloaded, const SasOfChild& sas, netlink::Feature feature);
    /// By inbound SPI, the device by which packets go now.
    using Ways = std::vector<std::pair<ike::EspSpi, netlink::Device>>;
    void on_ways(const Ways& ways);
    void rebind(ike::EspSpi inbound, const OffloadWish& wish);
    void on_rebound(ike::EspSpi inbound, const OffloadWish& wish, const OffloadState& state);
    [[nodiscard]] SasOfChild sas_of(ike::EspSpi inbound) const;
    void take_out(Offloaded& offloaded, const SasOfChild& sas, std::string why);
    void look_for_devices();
    /// By inbound SPI, the device to which packets go.
    using Found = std::vector<std::pair<ike::EspSpi, std::string>>;
    void on_devices(const Found& found);
    [[nodiscard]] bool has_returned(ike::EspSpi inbound);

    Translator translator_;
    std::map<ike::EspSpi, Offloaded> offloaded_;
    std::map<ChildName, std::string> lost_;  ///< the devices that they had
    Timer look_;
    Duration pause_ = kFirstPause;
    Owner& owner_;
    KernelThread kernel_;
    SaCounters counters_{kernel_};
};

}  // namespace keysluice::control
