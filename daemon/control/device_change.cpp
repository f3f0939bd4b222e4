// ChildInstaller: packets that go by another network device than before, between the same addresses.

#include <fmt/format.h>

#include <utility>

#include "daemon/control/child_installer.hpp"
#include "daemon/shared/clock.hpp"

namespace keysluice::control {

void ChildInstaller::follow_routes() {
    if (!lost_.empty()) {
        pause_ = kFirstPause;
        look_.arm(now() + pause_);
    }
    struct Question {
        ike::EspSpi inbound;
        std::uint32_t device;
        IpAddress local;
        IpAddress remote;
    };
    std::vector<Question> questions;
    for (const auto& [inbound, each] : offloaded_) {
        if (each.device != 0) {
            questions.push_back(
                {.inbound = inbound, .device = each.device, .local = each.local, .remote = each.remote});
        }
    }
    if (questions.empty()) {
        return;
    }
    kernel_.submit([this, questions = std::move(questions)](Databases& databases) -> KernelThread::Then {
        Ways ways;
        for (const Question& each : questions) {
            auto device = databases.device_towards(each.local, each.remote);
            if (device && device->index != each.device) {
                ways.emplace_back(each.inbound, *std::move(device));
            }
        }
        return [this, ways = std::move(ways)] {
            on_ways(ways);
            owner_.on_progress();
        };
    });
}

void ChildInstaller::on_ways(const Ways& ways) {
    for (const auto& [inbound, device] : ways) {
        const auto found = offloaded_.find(inbound);
        if (found == offloaded_.end() || found->second.device == 0 || found->second.device == device.index ||
            !translator_.has(inbound)) {
            continue;  // removed meanwhile, or known
        }
        if (found->second.state.taken == ike::Offload::packet) {
            // Policies of whole packets are with the device, too.
            lose(found->second, sas_of(inbound), false,
                 fmt::format("packets go by {} now, and {} has the policies: a new CHILD SA is negotiated",
                             device.name, found->second.state.device));
        } else {
            rebind(inbound, {.requested = found->second.state.requested, .device = device});
        }
    }
}

ChildInstaller::SasOfChild ChildInstaller::sas_of(ike::EspSpi inbound) const {
    SasOfChild sas{inbound, {}};
    for (const auto& [id, child] : translator_.account()) {
        if (child == inbound) {
            sas.second.push_back(id);
        }
    }
    return sas;
}

void ChildInstaller::rebind(ike::EspSpi inbound, const OffloadWish& wish) {
    kernel_.submit([this, inbound, wish, transaction = translator_.rebind(inbound, offload_of(wish))](
                       Databases& databases) -> KernelThread::Then {
        return [this, inbound, wish, state = rebind_offloaded(databases, transaction, wish)] {
            if (state) {
                on_rebound(inbound, wish, *state);
            } else if (state.error().reason == "xfrm-missing") {
                on_looked_for({sas_of(inbound)});  // its device is down or gone, and this came first
            } else if (translator_.has(inbound)) {
                owner_.on_kernel(ike::ChildLost{.inbound = inbound, .why = state.error()});
            }
            owner_.on_progress();
        };
    });
}

void ChildInstaller::on_rebound(ike::EspSpi inbound, const OffloadWish& wish, const OffloadState& state) {
    const auto found = offloaded_.find(inbound);
    if (found == offloaded_.end() || !translator_.has(inbound)) {
        return;
    }
    Offloaded& offloaded = found->second;
    const std::string before = std::exchange(offloaded.state, state).device;
    const bool taken = state.partly || state.taken != ike::Offload::off;
    offloaded.device = taken ? wish.device.index : 0;
    if (state.in_force != ike::Offload::off) {
        if (offloaded.wish) {
            offloaded.wish = wish;  // of the other half
        }
        owner_.on_kernel(ike::OffloadMoved{.inbound = inbound, .from = before, .to = wish.device.name});
        return;
    }
    const std::string why =
        fmt::format("packets go by {} now, and not by {}: {}", wish.device.name, before, state.reason);
    if (state.requested == ike::Offload::automatic) {
        offloaded.wish.reset();
        lost_[offloaded.name] = before;
        pause_ = kFirstPause;
        look_.arm(now() + pause_);
        owner_.on_kernel(ike::OffloadLost{.inbound = inbound, .why = {"offload-lost", why}});
    } else {
        take_out(offloaded, sas_of(inbound), why);
    }
}

}  // namespace keysluice::control
