// ChildInstaller: network devices that go down with the SAs that they have, or lose the feature, and come back.

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
    if (!change.up) {
        look_for_sas(change.device);
    }
    look_at_features(change.device);
}

/// Behind what is being installed: the kernel may have deleted that too.
void ChildInstaller::look_for_sas(const std::optional<netlink::Device>& device) {
    std::vector<SasOfChild> looked_for = with_device(device);
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

/// Of the device that it is with, or may soon be; 0: none.
std::uint32_t ChildInstaller::index_of(const Offloaded& offloaded) {
    return offloaded.wish ? offloaded.wish->device.index : offloaded.device;
}

/// Those that are with the device, or may soon be; without a device, with any.
std::vector<ChildInstaller::SasOfChild> ChildInstaller::with_device(
    const std::optional<netlink::Device>& device) const {
    std::map<ike::EspSpi, std::vector<xfrm::SaId>> chosen;
    for (const auto& [inbound, each] : offloaded_) {
        if (const std::uint32_t index = index_of(each); index != 0 && (!device || device->index == index)) {
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
    for (const SasOfChild& sas : missing) {
        const auto found = offloaded_.find(sas.first);
        if (found == offloaded_.end() || found->second.device == 0 || !translator_.has(sas.first)) {
            continue;  // removed meanwhile, or known
        }
        Offloaded& offloaded = found->second;
        // Policies of whole packets went with the device.
        lose(offloaded, sas, offloaded.state.taken != ike::Offload::packet,
             fmt::format("{} is down or gone, and with it the kernel has deleted {}: a new CHILD SA is negotiated",
                         offloaded.state.device, xfrm::describe(sas.second.front())));
    }
}

/// The kernel no longer has the SAs that were with the device. Where nothing holds up what a successor is to protect,
/// the CHILD SA is closed; so is half of one, which can't be rekeyed.
void ChildInstaller::lose(Offloaded& offloaded, const SasOfChild& sas, bool held_up, std::string why) {
    const auto& [inbound, ids] = sas;
    lost_[offloaded.name] = offloaded.state.device;
    offloaded.state.in_force = offloaded.state.taken = ike::Offload::off;
    offloaded.state.reason = why;
    offloaded.state.partly = false;
    offloaded.device = 0;
    offloaded.gone = true;
    offloaded.wish.reset();
    pause_ = kFirstPause;
    look_.arm(now() + pause_);
    Error error{"offload-lost", std::move(why)};
    owner_.on_kernel(ike::OffloadLost{.inbound = inbound, .why = error});
    if (!held_up || ids.size() < 2) {
        owner_.on_kernel(ike::ChildLost{.inbound = inbound, .why = std::move(error)});
    } else {
        owner_.on_kernel(ike::ChildSpent{inbound});
    }
}

// ---- devices that lose their feature, with which the kernel leaves the SAs

/// Behind what is being installed: that may be with the device soon.
void ChildInstaller::look_at_features(const std::optional<netlink::Device>& device) {
    std::set<std::uint32_t> devices;
    for (const auto& [inbound, each] : offloaded_) {
        if (const std::uint32_t index = index_of(each); index != 0 && (!device || device->index == index)) {
            devices.insert(index);
        }
    }
    if (devices.empty()) {
        return;
    }
    kernel_.submit([this, devices = std::move(devices)](Databases& databases) -> KernelThread::Then {
        Features features;
        for (const std::uint32_t index : devices) {
            if (const auto feature = databases.esp_feature(index)) {
                features.emplace(index, *feature);
            }
        }
        return [this, features = std::move(features)] {
            on_features(features);
            owner_.on_progress();
        };
    });
}

void ChildInstaller::on_features(const Features& features) {
    for (const SasOfChild& sas : with_device({})) {
        const auto found = offloaded_.find(sas.first);
        if (found == offloaded_.end()) {
            continue;  // what is told of one may take others out
        }
        if (const auto feature = features.find(found->second.device); feature != features.end()) {
            on_feature(found->second, sas, feature->second);
        }
    }
}

void ChildInstaller::on_feature(Offloaded& offloaded, const SasOfChild& sas, netlink::Feature feature) {
    OffloadState& state = offloaded.state;
    const ike::Offload in_force = does_esp(feature) ? state.taken : ike::Offload::off;
    if (in_force == state.in_force) {
        return;
    }
    if (in_force != ike::Offload::off) {
        state.in_force = in_force;
        state.reason.clear();
        owner_.on_kernel(ike::OffloadRegained{sas.first});
    } else if (state.requested == ike::Offload::automatic) {
        state.in_force = in_force;
        state.reason = fmt::format("{}: the kernel does ESP's cryptography itself", lacking(feature, state.device));
        owner_.on_kernel(ike::OffloadLost{.inbound = sas.first, .why = {"offload-lost", state.reason}});
    } else {
        take_out(offloaded, sas, lacking(feature, state.device));
    }
}

/// The kernel would go on itself, and nobody wants that. Its policies hold up what a successor is to protect.
void ChildInstaller::take_out(Offloaded& offloaded, const SasOfChild& sas, std::string why) {
    xfrm::Transaction taken_out;
    for (const xfrm::SaId& id : sas.second) {
        taken_out.remove(id);
    }
    submit(std::move(taken_out), "SAs whose device no longer does its part");
    lose(offloaded, sas, true,
         fmt::format("{}, and no less than the device is asked for: {} is taken out of the kernel, and a new CHILD "
                     "SA is negotiated",
                     why, xfrm::describe(sas.second.front())));
}

// ---- devices that come back

void ChildInstaller::look_for_devices() {
    struct Question {
        ike::EspSpi inbound;
        IpAddress local;
        IpAddress remote;
    };
    std::vector<Question> questions;
    std::set<ChildName> wanted;
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
            const auto device = databases.device_towards(each.local, each.remote);
            if (device && does_esp(databases.esp_feature(device->index))) {
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
