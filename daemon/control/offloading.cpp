#include "daemon/control/offloading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace keysluice::control {
namespace {

std::string_view what_of(const OffloadWish& wish) {
    return offload_of(wish).packet ? "whole ESP packets" : "ESP's cryptography";
}

std::vector<xfrm::SaId> sas_in(const xfrm::Transaction& transaction) {
    std::vector<xfrm::SaId> ids;
    for (const auto& addition : transaction.additions()) {
        if (const auto* sa = std::get_if<xfrm::Sa>(&addition)) {
            ids.push_back(sa->id());
        }
    }
    return ids;
}

/// Nobody uses them yet.
std::string take_back(Databases& databases, const std::vector<xfrm::SaId>& ids) {
    xfrm::Transaction removal;
    for (const xfrm::SaId& id : ids) {
        removal.remove(id);
    }
    const auto removed = databases.apply(removal);
    return removed ? "" : fmt::format("; undoing the rest failed: {}", removed.error().sentence);
}

/// How many of these SAs the device has, as it was asked to.
Result<std::size_t> count_taken(Databases& databases, const std::vector<xfrm::SaId>& ids, const OffloadWish& wish) {
    std::size_t count = 0;
    for (const xfrm::SaId& id : ids) {
        const auto state = databases.sa(id);
        if (!state) {
            return std::unexpected(state.error());
        }
        const std::optional<xfrm::Offload>& offload = state->offload;
        if (offload && offload->packet == offload_of(wish).packet) {
            ++count;
        }
    }
    return count;
}

/// What the kernel reports of these SAs.
OffloadState compare(Databases& databases, const std::vector<xfrm::SaId>& ids, const OffloadWish& wish) {
    OffloadState state{.requested = wish.requested, .device = wish.device.name, .reason = {}};
    const auto taken = count_taken(databases, ids, wish);
    if (!taken) {
        state.reason = taken.error().sentence;
    } else if (*taken == ids.size()) {
        state.taken = offload_of(wish).packet ? ike::Offload::packet : ike::Offload::crypto;
        const auto feature = databases.esp_feature(wish.device.index);
        if (!feature || does_esp(feature)) {
            state.in_force = state.taken;
        } else {
            state.reason =
                fmt::format("{}: the kernel took the SA and does it itself", lacking(*feature, wish.device.name));
        }
    } else {
        state.partly = *taken > 0;
        state.reason = fmt::format("{} does not take over {}: the kernel took the SA and does it itself",
                                   wish.device.name, what_of(wish));
    }
    return state;
}

/// Whether it may be for the device that the kernel refuses something.
bool concerns_device(const Error& error) {
    return error.reason == "netlink-refused" || error.reason == "netlink-not-supported" ||
           error.reason == "netlink-busy";
}

std::string refusal(const Error& error, const OffloadWish& wish) {
    return fmt::format("{} was to take over {}: {}", wish.device.name, what_of(wish), error.sentence);
}

Result<OffloadState> try_device(Databases& databases, xfrm::Transaction transaction, const OffloadWish& wish) {
    auto applied = databases.apply(transaction);
    if (applied) {
        return compare(databases, sas_in(transaction), wish);
    }
    if (!concerns_device(applied.error())) {
        return pass_on(std::move(applied));
    }
    transaction.forgo_offload();
    if (auto without = databases.apply(transaction); !without) {
        return pass_on(std::move(without));
    }
    return OffloadState{
        .requested = wish.requested, .device = wish.device.name, .reason = refusal(applied.error(), wish)};
}

Result<OffloadState> insist_on_device(Databases& databases, xfrm::Transaction transaction, const OffloadWish& wish) {
    // The SAs alone, before policies lead into them.
    const xfrm::Transaction sas = transaction.take_sas();
    const std::vector<xfrm::SaId> ids = sas_in(sas);
    if (auto added = databases.apply(sas); !added) {
        return concerns_device(added.error()) ? fail("offload-refused", refusal(added.error(), wish))
                                              : pass_on(std::move(added));
    }
    OffloadState state = compare(databases, ids, wish);
    if (state.in_force == ike::Offload::off) {
        return fail("offload-declined", state.reason + take_back(databases, ids));
    }
    if (auto rest = databases.apply(transaction); !rest) {
        Error error = std::move(rest).error();
        error.sentence += take_back(databases, ids);
        return std::unexpected(std::move(error));
    }
    return state;
}

}  // namespace

xfrm::Offload offload_of(const OffloadWish& wish) {
    return {.device = wish.device.index, .inbound = false, .packet = wish.requested == ike::Offload::packet};
}

bool does_esp(std::optional<netlink::Feature> feature) {
    return !feature || *feature == netlink::Feature::on;
}

std::string lacking(netlink::Feature feature, std::string_view device) {
    return feature == netlink::Feature::off ? fmt::format("{}'s feature {} is off", device, netlink::kEspFeature)
                                            : fmt::format("{} lacks the feature {}", device, netlink::kEspFeature);
}

std::optional<xfrm::Offload> found_in(const xfrm::SaState& inbound, const xfrm::SaState* outbound) {
    return inbound.offload || outbound == nullptr ? inbound.offload : outbound->offload;
}

OffloadState found_offload(ike::Offload requested, const xfrm::SaState& inbound, const xfrm::SaState* outbound) {
    OffloadState state{.requested = requested, .device = {}, .reason = {}};
    const bool both = inbound.offload && (outbound == nullptr || outbound->offload);
    const auto offload = found_in(inbound, outbound);
    if (!offload) {
        state.reason = "the kernel does it itself since an earlier process installed the SA";
        return state;
    }
    state.device = netlink::device_name(offload->device);
    if (both) {
        state.taken = offload->packet ? ike::Offload::packet : ike::Offload::crypto;
        state.in_force = state.taken;
    } else {
        state.partly = true;
        state.reason = fmt::format("{} has one half only since an earlier process installed it", state.device);
    }
    return state;
}

Result<OffloadState> install_offloaded(Databases& databases, xfrm::Transaction transaction, const OffloadWish& wish) {
    return wish.requested == ike::Offload::automatic ? try_device(databases, std::move(transaction), wish)
                                                     : insist_on_device(databases, std::move(transaction), wish);
}

Result<OffloadState> rebind_offloaded(Databases& databases, const xfrm::Transaction& transaction,
                                      const OffloadWish& wish) {
    if (auto applied = databases.apply(transaction); !applied) {
        return pass_on(std::move(applied));
    }
    std::vector<xfrm::SaId> ids;
    std::ranges::transform(transaction.rebindings(), std::back_inserter(ids), &xfrm::Rebinding::id);
    return compare(databases, ids, wish);
}

}  // namespace keysluice::control
