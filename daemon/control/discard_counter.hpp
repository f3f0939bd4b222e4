#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "netlink/nftables.hpp"
#include "netlink/socket.hpp"
#include "policy/discard_tree.hpp"
#include "policy/kernel_entries.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::control {

/// Has the kernel count, for each policy, the packets that it discards (docs/decisions/0016). For one thread: every
/// call blocks while the kernel works.
///
/// The counts stand in a table of nftables, by direction and name of the policy. So they go on through every load()
/// that leaves the policy's name, and through a restart of this program. They begin anew when the machine does, when
/// the policy was not loaded for a time, and where the table was deleted while this program did not run.
class DiscardCounter {
   public:
    /// Of the network namespace in which it is called. `own_ports`: UDP ports of sockets that no policy holds for.
    [[nodiscard]] static Result<DiscardCounter> open(std::vector<std::uint16_t> own_ports);

    /// What the kernel is to be given for these policies: `blocked` where it has no ESP or no IPv6. Then nothing that
    /// goes out is counted.
    [[nodiscard]] policy::Discards discards() const { return discards_; }
    /// Why it is `blocked`.
    [[nodiscard]] const std::optional<Error>& obstacle() const { return obstacle_; }

    /// Counts for these policies from now on, all or nothing. Before the kernel is given them, so that nothing that
    /// goes out is missed; of what comes in, a packet in between is counted by the new ones already.
    [[nodiscard]] Result<void> load(std::span<const policy::Policy> policies);
    /// For each policy by its place; 0 for those that can't discard. A table that was deleted is made again, with
    /// what was counted when it was looked at last.
    [[nodiscard]] Result<std::vector<std::uint64_t>> counts();
    /// Takes everything out of the kernel. Policies that lead to the drain go on dropping.
    [[nodiscard]] Result<void> remove();

   private:
    using Counts = std::map<std::string, std::uint64_t, std::less<>>;

    DiscardCounter(netlink::Socket nftables, xfrm::Kernel kernel, std::vector<std::uint16_t> own_ports)
        : nftables_(std::move(nftables)), kernel_(std::move(kernel)), own_ports_(std::move(own_ports)) {}

    [[nodiscard]] Result<void> make_drain();
    [[nodiscard]] Result<Counts> look();
    /// Older kernels know no owners of tables.
    template <typename Make>
    [[nodiscard]] Result<void> commit(Make make);
    [[nodiscard]] Result<void> install(const Counts& there);
    [[nodiscard]] netlink::nft::Batch changes(const Counts& there,
                                              const std::vector<netlink::nft::Chain>& chains) const;

    netlink::Socket nftables_;
    xfrm::Kernel kernel_;
    std::vector<std::uint16_t> own_ports_;
    policy::Discards discards_ = policy::Discards::drained;
    std::optional<Error> obstacle_;
    netlink::nft::Ownership ownership_ = netlink::nft::Ownership::socket;
    std::vector<std::optional<std::string>> labels_;  ///< by place
    policy::DiscardTable table_;
    Counts counted_;  ///< when it was looked last, of those that are loaded
};

}  // namespace keysluice::control
