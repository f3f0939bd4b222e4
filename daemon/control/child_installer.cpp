#include "daemon/control/child_installer.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "daemon/control/translation.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice::control {
namespace {

std::string removal_of(const ike::ChildSaSpec& spec, ike::EspSpi spi) {
    return fmt::format("connection {}, child {}: removal of {:08x}", spec.connection, spec.child, spi.value);
}

bool spent(const xfrm::SaState& sa) {
    return (sa.soft.bytes != 0 && sa.bytes >= sa.soft.bytes) ||
           (sa.soft.packets != 0 && sa.packets >= sa.soft.packets);
}

}  // namespace

ChildInstaller::ChildInstaller(Loop& loop, std::unique_ptr<Databases> databases, Owner& owner, ListedChildren listed)
    : translator_(std::move(listed)),
      look_(loop, [this] { look_for_devices(); }),
      owner_(owner),
      kernel_(loop, std::move(databases)) {}

/// Before anything is added: what is removed may always wait.
Result<void> ChildInstaller::room() const {
    if (kernel_.full()) {
        return fail("kernel-busy", "too many changes of SAs wait for the kernel");
    }
    return {};
}

void ChildInstaller::perform(ike::InstallChild action) {
    if (action.spec.offload == ike::Offload::off || kernel_.full()) {
        install(std::move(action));
    } else {
        find_device(std::move(action));
    }
}

void ChildInstaller::find_device(ike::InstallChild action) {
    const ike::ChildSaSpec& spec = action.spec;
    kernel_.submit([this, inbound = spec.inbound, local = spec.local,
                    remote = spec.remote](Databases& databases) -> KernelThread::Then {
        return [this, inbound, device = databases.device_towards(local, remote)]() mutable {
            on_device(inbound, std::move(device));
        };
    });
    Offloaded& offloaded = offloaded_[spec.inbound];
    offloaded.name = {spec.connection, spec.child};
    offloaded.local = spec.local;
    offloaded.remote = spec.remote;
    offloaded.state.requested = spec.offload;
    offloaded.waiting = std::move(action);
}

void ChildInstaller::on_device(ike::EspSpi inbound, Result<netlink::Device> device) {
    const auto found = offloaded_.find(inbound);
    auto action = found == offloaded_.end() ? std::nullopt : std::exchange(found->second.waiting, {});
    if (!action) {
        owner_.on_progress();  // removed meanwhile
        return;
    }
    Offloaded& offloaded = found->second;
    const ike::Offload requested = offloaded.state.requested;
    if (device) {
        offloaded.wish = OffloadWish{.requested = requested, .device = *std::move(device)};
    } else if (requested == ike::Offload::automatic) {
        offloaded.state.reason = device.error().sentence;
    } else {
        refuse(inbound, {"offload-declined",
                         fmt::format("there is no network device to give the SA to: {}", device.error().sentence)});
        return;
    }
    install(*std::move(action));
}

void ChildInstaller::install(ike::InstallChild action) {
    const ike::EspSpi inbound = action.spec.inbound;
    auto free = room();
    auto transaction = free ? translator_.install(std::move(action), wish_of(inbound).transform(offload_of))
                            : Result<xfrm::Transaction>(pass_on(std::move(free)));
    if (!transaction) {
        refuse(inbound, std::move(transaction).error());
        return;
    }
    submit(*std::move(transaction), inbound, [this, inbound](Result<void> result) {
        if (result) {
            sweep(false);
            owner_.on_kernel(ike::ChildInstalled{.inbound = inbound, .result = {}});
            if (has_returned(inbound)) {
                owner_.on_kernel(ike::OffloadRegained{inbound});
            }
            return;
        }
        submit(translator_.refused(inbound, result.error()), "what a refused CHILD SA left behind");
        refuse(inbound, std::move(result).error());
    });
}

void ChildInstaller::refuse(ike::EspSpi inbound, Error error) {
    offloaded_.erase(inbound);
    owner_.on_kernel(ike::ChildInstalled{.inbound = inbound, .result = std::unexpected(std::move(error))});
}

void ChildInstaller::perform(ike::InstallOutbound action) {
    const ike::EspSpi inbound = action.spec.inbound;
    auto free = room();
    auto transaction = free ? translator_.install(std::move(action), wish_of(inbound).transform(offload_of))
                            : Result<xfrm::Transaction>(pass_on(std::move(free)));
    if (!transaction) {
        owner_.on_kernel(ike::ChildLost{.inbound = inbound, .why = std::move(transaction).error()});
        return;
    }
    submit(*std::move(transaction), inbound, [this, inbound](Result<void> result) {
        if (!result) {
            submit(translator_.refused_outbound(inbound, result.error()), "what a refused outbound half left behind");
            owner_.on_kernel(ike::ChildLost{.inbound = inbound, .why = std::move(result).error()});
            return;
        }
        owner_.on_kernel(ike::OutboundInstalled{inbound});
    });
}

std::optional<OffloadWish> ChildInstaller::wish_of(ike::EspSpi inbound) const {
    const auto found = offloaded_.find(inbound);
    return found == offloaded_.end() ? std::nullopt : found->second.wish;
}

void ChildInstaller::submit(xfrm::Transaction transaction, ike::EspSpi inbound, KernelThread::Done done) {
    const auto wish = wish_of(inbound);
    if (!wish) {
        kernel_.submit(std::move(transaction), std::move(done));
        return;
    }
    kernel_.submit([this, wish = *wish, inbound, transaction = std::move(transaction),
                    done = std::move(done)](Databases& databases) mutable -> KernelThread::Then {
        return [this, inbound, wish, done = std::move(done),
                state = install_offloaded(databases, std::move(transaction), wish)]() mutable {
            if (const auto found = offloaded_.find(inbound); state && found != offloaded_.end()) {
                if (state->taken == ike::Offload::off) {
                    found->second.wish.reset();  // nor is the other half given to a device
                }
                found->second.state = *state;
                if (state->partly || state->taken != ike::Offload::off) {
                    found->second.device = wish.device.index;  // and stays, where it does not take the other half
                }
            }
            done(state ? Result<void>{} : pass_on(std::move(state)));
        };
    });
}

bool ChildInstaller::has_gone(ike::EspSpi inbound) const {
    const auto found = offloaded_.find(inbound);
    return found != offloaded_.end() && found->second.gone;
}

const OffloadState* ChildInstaller::offload(ike::EspSpi inbound) const {
    const auto found = offloaded_.find(inbound);
    return found == offloaded_.end() ? nullptr : &found->second.state;
}

void ChildInstaller::perform(const ike::MoveChild& action) {
    if (const auto found = offloaded_.find(action.to.inbound); found != offloaded_.end()) {
        if (std::optional<ike::InstallChild>& waiting = found->second.waiting) {
            waiting->spec = action.to;
            return;
        }
        found->second.local = action.to.local;
        found->second.remote = action.to.remote;
    }
    xfrm::Transaction transaction = translator_.move(action);
    if (transaction.empty()) {
        return;
    }
    const bool relocated = !transaction.relocations().empty();
    kernel_.submit(std::move(transaction), [this, relocated, inbound = action.to.inbound](Result<void> result) {
        // Where it was removed meanwhile, nobody misses it.
        if (!result && translator_.has(inbound)) {
            owner_.on_kernel(ike::ChildLost{.inbound = inbound, .why = std::move(result).error()});
        } else if (relocated) {
            forgo_device(inbound);
        }
        owner_.on_progress();
    });
}

/// The kernel does all of the work where the SAs are now: others are made, which the device there gets.
void ChildInstaller::forgo_device(ike::EspSpi inbound) {
    const auto found = offloaded_.find(inbound);
    if (found == offloaded_.end() || std::exchange(found->second.device, 0) == 0) {
        return;
    }
    found->second.wish.reset();
    found->second.state.taken = ike::Offload::off;
    found->second.state.in_force = ike::Offload::off;
    owner_.on_kernel(ike::ChildSpent{inbound});
}

void ChildInstaller::perform(const ike::RemoveChild& action) {
    offloaded_.erase(action.spec.inbound);
    submit(translator_.remove(action), removal_of(action.spec, action.spec.inbound));
}

void ChildInstaller::perform(const ike::RemoveOutbound& action) {
    submit(translator_.remove(action), removal_of(action.spec, action.spec.outbound));
}

void ChildInstaller::trap(const ike::ChildSaSpec& spec) {
    const std::string what = fmt::format("connection {}, child {}: start on traffic", spec.connection, spec.child);
    if (auto transaction = translator_.trap(spec)) {
        submit(*std::move(transaction), what);
        sweep(false);  // else that of an earlier process would come back when this one goes
    } else {
        log_error("{}: {} ({})", what, transaction.error().sentence, transaction.error().reason);
    }
}

void ChildInstaller::untrap_all_but(const ChildNames& kept) {
    submit(translator_.untrap_all_but(kept), "children that no longer start on traffic");
}

void ChildInstaller::follow(const ListedChildren& listed, std::span<const ChildPolicy> placed) {
    submit(translator_.follow(listed, placed), "policies of children in the list of policies");
}

void ChildInstaller::clear() {
    offloaded_.clear();
    lost_.clear();
    submit(translator_.clear(), "removal of what is left");
}

// ---- what an earlier process left

ChildInstaller::Presence ChildInstaller::adopt(const ike::ChildSaSpec& spec, bool whole, Inventory& found) {
    const xfrm::SaState* const inbound = found.find(inbound_id(spec));
    const xfrm::SaState* const outbound = found.find(outbound_id(spec));
    const bool enough = inbound != nullptr && (outbound != nullptr || !whole);
    if (!enough || !translator_.adopt(spec, *inbound, outbound)) {
        xfrm::Transaction halves;
        for (const xfrm::SaId& id : {inbound_id(spec), outbound_id(spec)}) {
            if (found.sas.erase(id) > 0) {
                halves.remove(id);
            }
        }
        submit(std::move(halves), "half of a CHILD SA");
        return Presence::none;
    }
    if (spec.offload != ike::Offload::off) {
        const auto offload = found_in(*inbound, outbound);
        offloaded_[spec.inbound] = {.name = {spec.connection, spec.child},
                                    .local = spec.local,
                                    .remote = spec.remote,
                                    .waiting = {},
                                    .wish = {},
                                    .state = found_offload(spec.offload, *inbound, outbound),
                                    .device = offload ? offload->device : 0};
    }
    return outbound == nullptr ? Presence::inbound_only : Presence::both;
}

void ChildInstaller::settle(const Inventory& found) {
    submit(translator_.settle(found), "policies that are not as they should be");
    look_at_features({});
    if (const std::size_t count = translator_.orphans(); count > 0) {
        log_warning(
            "the kernel has {} SAs whose negotiation is lost: they carry traffic until others stand in their "
            "place",
            count);
    }
}

void ChildInstaller::sweep(bool all) {
    submit(translator_.sweep(all), "SAs of an earlier process");
}

void ChildInstaller::give_up() {
    if (const std::size_t count = translator_.orphans(); count > 0) {
        log_warning("{} SAs of an earlier process are removed: nothing has come in their place", count);
    }
    sweep(true);
}

void ChildInstaller::submit(xfrm::Transaction transaction, std::string what) {
    if (transaction.empty()) {
        return;
    }
    kernel_.submit(std::move(transaction), [this, what = std::move(what)](const Result<void>& result) {
        if (!result) {
            log_error("{}: {} ({})", what, result.error().sentence, result.error().reason);
        }
        owner_.on_progress();
    });
}

// ---- what the kernel tells

void ChildInstaller::hear(const xfrm::Event& event) {
    std::visit([this](const auto& each) { on(each); }, event);
}

void ChildInstaller::on(const xfrm::Acquire& event) {
    if (!event.templates.empty()) {
        on_wanted(event.templates.front().reqid, event.sequence, event.packet);
    }
}

void ChildInstaller::on_wanted(xfrm::ReqId reqid, std::uint32_t sequence, const xfrm::Selector& packet) {
    if (const ike::ChildSaSpec* const spec = translator_.wanted(reqid, sequence); spec != nullptr) {
        owner_.on_wanted(*spec, packet);
    }
}

void ChildInstaller::on(const xfrm::Expire& event) {
    const ike::EspSpi inbound = translator_.child_of(event.id);
    if (inbound.value == 0) {
        return;
    }
    if (!event.hard) {
        owner_.on_kernel(ike::ChildSpent{inbound});
        return;
    }
    owner_.on_kernel(ike::ChildLost{
        .inbound = inbound,
        .why = {"sa-expired", fmt::format("the kernel has deleted {} at its limit, after {} bytes in {} packets: it "
                                          "was not rekeyed in time",
                                          xfrm::describe(event.id), event.bytes, event.packets)}});
}

void ChildInstaller::on(const xfrm::MappingChange& event) {
    if (const ike::EspSpi inbound = translator_.child_of(event.id); inbound.value != 0) {
        owner_.on_kernel(ike::PeerMoved{.inbound = inbound, .remote = event.after});
    }
}

void ChildInstaller::on(const xfrm::Lost& /*event*/) {
    log_warning("the kernel dropped IPsec events: its SAs and policies are looked through");
    kernel_.submit([this, sas = translator_.account(),
                    policies = translator_.policies()](Databases& databases) -> KernelThread::Then {
        return [this, sas, policies, found_sas = databases.sas(), found_policies = databases.policies()] {
            if (found_sas && found_policies) {
                compare(sas, *found_sas);
                compare(policies, *found_policies);
                catch_up(*found_sas);
            } else {
                const Error& error = !found_sas ? found_sas.error() : found_policies.error();
                log_error("SAs and policies can't be looked through: {} ({})", error.sentence, error.reason);
            }
            owner_.on_progress();
        };
    });
}

/// `expected` is from before the dump; what has gone since is known.
void ChildInstaller::compare(const Translator::Account& expected, const std::vector<xfrm::SaState>& found) {
    std::map<xfrm::SaId, const xfrm::SaState*> there;
    for (const xfrm::SaState& sa : found) {
        there.emplace(sa.id, &sa);
    }
    for (const auto& [id, inbound] : expected) {
        if (translator_.child_of(id) != inbound || has_gone(inbound)) {
            continue;
        }
        const auto sa = there.find(id);
        if (sa == there.end()) {
            owner_.on_kernel(ike::ChildLost{
                .inbound = inbound,
                .why = {"sa-missing", fmt::format("the kernel no longer has {}: it was deleted at a limit, or by "
                                                  "another program",
                                                  xfrm::describe(id))}});
        } else if (spent(*sa->second)) {
            owner_.on_kernel(ike::ChildSpent{inbound});
        }
    }
}

void ChildInstaller::compare(const std::vector<xfrm::PolicyId>& expected,
                             const std::vector<xfrm::PolicyState>& found) {
    std::set<xfrm::PolicyId> there;
    for (const xfrm::PolicyState& each : found) {
        there.insert(each.policy.id());
    }
    std::vector<xfrm::PolicyId> lost;
    for (const xfrm::PolicyId& id : expected) {
        if (!there.contains(id)) {
            log_warning("the kernel no longer has {}, which another program must have deleted: it is put back",
                        xfrm::describe(id));
            lost.push_back(id);
        }
    }
    submit(translator_.put_back(lost), "policies that were lost");
}

void ChildInstaller::catch_up(const std::vector<xfrm::SaState>& found) {
    for (const xfrm::SaState& sa : found) {
        if (sa.id.spi.value == 0 && sa.selector) {
            on_wanted(sa.reqid, sa.acquire_sequence, *sa.selector);
        }
    }
}

}  // namespace keysluice::control
