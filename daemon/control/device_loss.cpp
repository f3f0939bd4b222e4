// ChildInstaller: network devices that go down with the SAs that they have, and come back.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "daemon/control/child_installer.hpp"
#include "daemon/shared/clock.hpp"

namespace keysluice::control {
namespace {

bool has(Databases& databases, const xfrm::SaId& id) {
    const auto sa = databases.sa(id);
    return sa || sa.error().reason != "xfrm-missing";
}

}  // namespace

void ChildInstaller::hear(const netlink::LinkChange& change) {
    const bool lost_this = std::ranges::any_of(
        lost_, [&](const auto& each) { return !change.device || each.second == change.device->name; });
    if (lost_this) {
        pause_ = kFirstPause;
        look_.arm(now() + pause_);
    }
    if (change.up) {
        return;
    }
    // Behind what is being installed: the kernel may have deleted that too.
    std::vector<SasOfChild> looked_for = with_device(change.device);
    if (looked_for.empty()) {
        return;
    }
    kernel_.submit([this, looked_for = std::move(looked_for)](Databases& databases) -> KernelThread::Then {
        std::vector<SasOfChild> missing;
        for (const SasOfChild& each : looked_for) {
            if (!std::ranges::all_of(each.second, [&](const xfrm::SaId& id) { return has(databases, id); })) {
                missing.push_back(each);
            }
        }
        return [this, missing = std::move(missing)] {
            on_looked_for(missing);
            owner_.on_progress();
        };
    });
}

/// Those that are with the device, or may soon be; without a device, with any.
std::vector<ChildInstaller::SasOfChild> ChildInstaller::with_device(
    const std::optional<netlink::Device>& device) const {
    std::map<ike::EspSpi, std::vector<xfrm::SaId>> chosen;
    for (const auto& [inbound, each] : offloaded_) {
        const std::uint32_t index = each.wish ? each.wish->device.index : each.device;
        if (index != 0 && (!device || device->index == index)) {
            chosen.try_emplace(inbound);
        }
    }
    if (chosen.empty()) {
        return {};
    }
    for (const auto& [id, inbound] : translator_.account()) {
        if (const auto found = chosen.find(inbound); found != chosen.end()) {
            found->second.push_back(id);
        }
    }
    return {chosen.begin(), chosen.end()};
}

void ChildInstaller::on_looked_for(const std::vector<SasOfChild>& missing) {
    for (const auto& [inbound, ids] : missing) {
        const auto found = offloaded_.find(inbound);
        if (found == offloaded_.end() || found->second.device == 0 || !translator_.has(inbound)) {
            continue;  // removed meanwhile, or known
        }
        Offloaded& offloaded = found->second;
        Error why{
            "offload-lost",
            fmt::format("{} is down or gone, and with it the kernel has deleted {}: a new CHILD SA is negotiated",
                        offloaded.state.device, xfrm::describe(ids.front()))};
        const bool packet = offloaded.state.in_force == ike::Offload::packet;
        lost_[offloaded.name] = offloaded.state.device;
        offloaded.state.in_force = ike::Offload::off;
        offloaded.state.reason = why.sentence;
        offloaded.device = 0;
        offloaded.wish.reset();
        owner_.on_kernel(ike::OffloadLost{.inbound = inbound, .why = why});
        // The policies of whole packets went with the device, so nothing holds up what a successor is to protect; and
        // half a CHILD SA can't be rekeyed.
        if (packet || ids.size() < 2) {
            owner_.on_kernel(ike::ChildLost{.inbound = inbound, .why = std::move(why)});
        } else {
            owner_.on_kernel(ike::ChildSpent{inbound});
        }
    }
    if (!missing.empty() && !lost_.empty()) {
        pause_ = kFirstPause;
        look_.arm(now() + pause_);
    }
}

void ChildInstaller::look_for_devices() {
    struct Question {
        ike::EspSpi inbound;
        IpAddress local;
        IpAddress remote;
    };
    std::vector<Question> questions;
    std::set<Translator::ChildName> wanted;
    for (const auto& [inbound, each] : offloaded_) {
        if (lost_.contains(each.name)) {
            wanted.insert(each.name);
            questions.push_back({.inbound = inbound, .local = each.local, .remote = each.remote});
        }
    }
    std::erase_if(lost_, [&](const auto& each) { return !wanted.contains(each.first); });
    if (questions.empty()) {
        return;
    }
    kernel_.submit([this, questions = std::move(questions)](Databases& databases) -> KernelThread::Then {
        Found found;
        for (const Question& each : questions) {
            if (const auto device = databases.device_towards(each.local, each.remote)) {
                found.emplace_back(each.inbound, device->name);
            }
        }
        return [this, found = std::move(found)] {
            on_devices(found);
            owner_.on_progress();
        };
    });
    pause_ = std::min(2 * pause_, kLongestPause);
    look_.arm(now() + pause_);
}

void ChildInstaller::on_devices(const Found& found) {
    for (const auto& [inbound, device] : found) {
        const auto offloaded = offloaded_.find(inbound);
        if (offloaded == offloaded_.end() || offloaded->second.waiting) {
            continue;
        }
        const auto lost = lost_.find(offloaded->second.name);
        if (lost != lost_.end() && lost->second == device) {
            owner_.on_kernel(ike::ChildSpent{inbound});
        }
    }
}

/// Whether a CHILD SA that was just installed has the device that one before it had lost. Where the same device does
/// not take it any more, nobody waits for it either.
bool ChildInstaller::has_returned(ike::EspSpi inbound) {
    const auto offloaded = offloaded_.find(inbound);
    const auto lost = offloaded == offloaded_.end() ? lost_.end() : lost_.find(offloaded->second.name);
    if (lost == lost_.end()) {
        return false;
    }
    const OffloadState& state = offloaded->second.state;
    const bool has_it = state.in_force != ike::Offload::off;
    if (has_it || state.device == lost->second) {
        lost_.erase(lost);
    }
    return has_it;
}

}  // namespace keysluice::control
