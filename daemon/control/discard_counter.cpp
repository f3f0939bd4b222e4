#include "daemon/control/discard_counter.hpp"

#include <linux/netlink.h>

#include <algorithm>
#include <utility>

#include "daemon/shared/system_random.hpp"
#include "netlink/route.hpp"
#include "policy/discard_rules.hpp"

namespace keysluice::control {

namespace nft = netlink::nft;

namespace {

constexpr std::string_view kWhat = "the table of nftables that counts discarded packets";
/// Behind all that filters: what others have dropped is no discard of ours.
constexpr std::int32_t kLast = 1000;
/// Before all that filters or translates addresses: XFRM has judged the packet as it is.
constexpr std::int32_t kFirst = -300;

xfrm::Aead random_key() {
    xfrm::Aead aead{.name = xfrm::algorithms::kAesGcm, .key = {}};
    SystemRandom{}.fill(aead.key.writable(policy::kDrainKey));
    return aead;
}

}  // namespace

Result<DiscardCounter> DiscardCounter::open(std::vector<std::uint16_t> own_ports) {
    auto nftables = netlink::Socket::open(NETLINK_NETFILTER);
    if (!nftables) {
        return pass_on(std::move(nftables));
    }
    auto kernel = xfrm::Kernel::open();
    if (!kernel) {
        return pass_on(std::move(kernel));
    }
    DiscardCounter counter(*std::move(nftables), *std::move(kernel), std::move(own_ports));
    if (auto made = counter.make_drain(); !made) {
        counter.discards_ = policy::Discards::blocked;
        counter.obstacle_ = std::move(made).error();
    }
    return counter;
}

/// Where there is no way to it, the kernel would drop before nftables sees the packet.
Result<void> DiscardCounter::make_drain() {
    const xfrm::Template drain = policy::drain();
    auto routes = netlink::Socket::open(NETLINK_ROUTE);
    if (!routes) {
        return pass_on(std::move(routes));
    }
    if (auto device = netlink::device_towards(*routes, drain.source, drain.destination); !device) {
        return pass_on(std::move(device));
    }
    xfrm::Transaction transaction;
    transaction.add(policy::drain_sa(random_key()));
    auto applied = kernel_.apply(transaction);
    if (!applied && applied.error().reason == "xfrm-exists") {
        return {};
    }
    return applied;
}

Result<DiscardCounter::Counts> DiscardCounter::look() {
    auto found = nft::counters(nftables_, policy::kTableName);
    if (!found) {
        return pass_on(std::move(found));
    }
    Counts counts;
    for (nft::Counter& each : *found) {
        counts.emplace(std::move(each.name), each.packets);
    }
    return counts;
}

/// Counters stay as they are, chains and rules are all made anew.
nft::Batch DiscardCounter::changes(const Counts& there, const std::vector<nft::Chain>& chains) const {
    nft::Batch batch(policy::kTableName);
    batch.table(ownership_)
        .base_chain(policy::kInputChain, nft::Hook::input, kLast)
        .base_chain(policy::kOutputChain, nft::Hook::postrouting, kFirst)
        .delete_rules();
    for (const nft::Chain& each : chains) {
        if (each.name != policy::kInputChain && each.name != policy::kOutputChain) {
            batch.delete_chain(each.name);
        }
    }
    for (const auto& [label, packets] : there) {
        if (!counted_.contains(label)) {
            batch.delete_counter(label);
        }
    }
    for (const auto& [label, packets] : counted_) {
        if (!there.contains(label)) {
            batch.counter(label, packets);
        }
    }
    for (const std::string& each : table_.chains) {
        batch.chain(each);
    }
    for (const nft::Rule& each : table_.rules) {
        batch.rule(each);
    }
    return batch;
}

template <typename Make>
Result<void> DiscardCounter::commit(Make make) {
    auto applied = nft::apply(nftables_, make(), kWhat);
    if (!applied && applied.error().reason == "netlink-not-supported" && ownership_ == nft::Ownership::socket) {
        ownership_ = nft::Ownership::anybody;
        applied = nft::apply(nftables_, make(), kWhat);
    }
    return applied;
}

Result<void> DiscardCounter::install(const Counts& there) {
    const auto chains = nft::chains(nftables_, policy::kTableName);
    if (!chains) {
        return std::unexpected(chains.error());
    }
    return commit([&] { return changes(there, *chains); });
}

Result<void> DiscardCounter::load(std::span<const policy::Policy> policies) {
    std::vector<std::optional<std::string>> labels(policies.size());
    std::ranges::transform(policies, labels.begin(), [](const policy::Policy& each) {
        return policy::counts_discards(each) ? std::optional(policy::discard_label(each)) : std::nullopt;
    });
    if (std::ranges::none_of(policies, policy::counts_discards)) {
        labels_ = std::move(labels);
        return remove();
    }
    auto there = look();
    if (!there) {
        return pass_on(std::move(there));
    }
    if (auto made = discards_ == policy::Discards::drained ? make_drain() : Result<void>(); !made) {
        return made;
    }
    Counts counted;
    for (const auto& label : labels) {
        if (label) {
            const auto before = there->find(*label);
            counted.emplace(*label, before == there->end() ? 0 : before->second);
        }
    }
    auto table = policy::discard_table(policies, own_ports_);
    std::swap(table_, table);
    std::swap(counted_, counted);
    if (auto installed = install(*there); !installed) {
        std::swap(table_, table);
        std::swap(counted_, counted);
        return installed;
    }
    labels_ = std::move(labels);
    return {};
}

Result<std::vector<std::uint64_t>> DiscardCounter::counts() {
    std::vector<std::uint64_t> counts(labels_.size());
    if (counted_.empty()) {
        return counts;
    }
    auto there = look();
    if (!there) {
        return pass_on(std::move(there));
    }
    if (there->empty()) {
        if (auto installed = install(*there); !installed) {
            return pass_on(std::move(installed));
        }
    }
    for (auto& [label, packets] : counted_) {
        const auto found = there->find(label);
        packets = found == there->end() ? packets : found->second;
    }
    std::ranges::transform(labels_, counts.begin(), [this](const std::optional<std::string>& label) {
        const auto found = label ? counted_.find(*label) : counted_.end();
        return found == counted_.end() ? 0 : found->second;
    });
    return counts;
}

Result<void> DiscardCounter::remove() {
    counted_.clear();
    table_ = {};
    auto deleted = commit([this] {
        nft::Batch batch(policy::kTableName);
        // Whether it is there or not.
        batch.table(ownership_).delete_table();
        return batch;
    });
    if (!deleted) {
        return deleted;
    }
    const xfrm::Sa sa = policy::drain_sa({});
    xfrm::Transaction transaction;
    transaction.remove(sa.id());
    return kernel_.apply(transaction);
}

}  // namespace keysluice::control
