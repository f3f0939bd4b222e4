#include "daemon/control/ike_service.hpp"

#include <fmt/format.h>
#include <linux/netlink.h>

#include <algorithm>
#include <set>
#include <utility>

#include "daemon/control/ike_kernel.hpp"
#include "daemon/control/ike_log.hpp"
#include "daemon/control/selectors.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice::control {
namespace {

ike::Settings settings_of(const IkeSettings& configured, std::uint32_t epoch) {
    ike::Settings settings;
    settings.epoch = epoch;
    settings.cookie_after = configured.cookie_after;
    settings.half_open_per_address = configured.half_open_per_address;
    settings.retransmission = {.first = configured.retransmit_timeout, .tries = configured.retransmit_tries};
    settings.port = static_cast<std::uint16_t>(configured.port);
    settings.nat_port = static_cast<std::uint16_t>(configured.nat_port);
    settings.addresses = addresses_for_peers();
    return settings;
}

}  // namespace

IkeService::IkeService(Loop& loop, const IkeConfiguration& configuration, Signers& signers, DescriptorStore& store,
                       std::unique_ptr<IkeState> state, std::uint32_t epoch)
    : loop_(loop),
      configuration_(configuration),
      store_(store),
      state_(std::move(state)),
      epoch_(epoch),
      endpoint_(settings_of(configuration.settings, epoch), random_),
      signers_(signers),
      errands_(loop),
      deadline_(loop, [this] { take(ike::TimePassed{}); }),
      retry_(loop, [this] { begin_connections(); }),
      farewell_(loop, [this] { finish(); }),
      orphans_(loop, [this] { kernel_->give_up(); }) {
    adopt_connections();
}

IkeService::~IkeService() = default;

Result<std::unique_ptr<IkeService>> IkeService::start(Loop& loop, const IkeConfiguration& configuration,
                                                      Kernel kernel, Signers& signers, Inheritance inheritance) {
    ListedChildren listed = std::move(inheritance.listed);
    std::unique_ptr<IkeService> service = inherit(loop, configuration, signers, std::move(inheritance));
    if (kernel == Kernel::null) {
        if (auto opened = service->open_sockets(false); !opened) {
            return pass_on(std::move(opened));
        }
        service->adopt_children({});
        service->go("; --null-kernel: nothing is installed, no packet is protected");
        return service;
    }
    // The kernel comes first: this loads what the sockets' bypass needs. What it holds of an earlier process is
    // touched last: with our ports bound, that process is gone.
    auto opened = service->open_kernel();
    if (!opened) {
        return pass_on(std::move(opened));
    }
    if (auto bound = service->open_sockets(true); !bound) {
        return pass_on(std::move(bound));
    }
    auto events = xfrm::Events::open();
    if (!events) {
        return pass_on(std::move(events));
    }
    auto links = netlink::LinkEvents::open();
    if (!links) {
        return pass_on(std::move(links));
    }
    auto routes = netlink::Socket::open(NETLINK_ROUTE);
    if (!routes) {
        return pass_on(std::move(routes));
    }
    auto interfaces = netlink::XfrmInterfaces::open();
    if (!interfaces) {
        return pass_on(std::move(interfaces));
    }
    service->interfaces_ = std::make_unique<Interfaces>(loop, *std::move(interfaces));
    auto paths = PathWatch::open(loop, [owner = service.get()] { owner->follow_routes(); });
    if (!paths) {
        return pass_on(std::move(paths));
    }
    service->paths_ = *std::move(paths);
    // Before the kernel is looked through, so that what changes meanwhile is heard.
    const auto hear = [owner = service.get()](const auto& event) { owner->hear(event); };
    service->events_ =
        std::make_unique<KernelEvents<xfrm::Events>>(loop, *std::move(events), "the kernel's IPsec events", hear);
    service->links_ = std::make_unique<KernelEvents<netlink::LinkEvents>>(
        loop, *std::move(links), "the kernel's events of network devices", hear);
    if (auto adopted = service->install_into(
            std::make_unique<KernelDatabases>(*std::move(opened), *std::move(routes)), std::move(listed));
        !adopted) {
        return pass_on(std::move(adopted));
    }
    service->go("");
    return service;
}

Result<std::unique_ptr<IkeService>> IkeService::start(Loop& loop, const IkeConfiguration& configuration,
                                                      std::unique_ptr<Databases> databases, Signers& signers,
                                                      Inheritance inheritance) {
    ListedChildren listed = std::move(inheritance.listed);
    std::unique_ptr<IkeService> service = inherit(loop, configuration, signers, std::move(inheritance));
    if (auto bound = service->open_sockets(false); !bound) {
        return pass_on(std::move(bound));
    }
    if (auto adopted = service->install_into(std::move(databases), std::move(listed)); !adopted) {
        return pass_on(std::move(adopted));
    }
    service->go("");
    return service;
}

Result<xfrm::Kernel> IkeService::open_kernel() {
    auto kernel = xfrm::Kernel::open();
    if (!kernel) {
        return pass_on(std::move(kernel));
    }
    auto capabilities = probe_for_ike(*kernel, random_);
    if (!capabilities) {
        return pass_on(std::move(capabilities));
    }
    const EspFit found = fit_to(*capabilities);
    for (const xfrm::Missing& missing : capabilities->missing) {
        const bool named = found.left_out.contains(missing.algorithm);
        log_info("{}{} ({})", missing.sentence, named ? "; ESP proposals go without it" : "", missing.reason);
    }
    kernel_has_ = *std::move(capabilities);
    return kernel;
}

EspFit IkeService::fit_to(const xfrm::Capabilities& kernel) {
    EspFit found = fit(configuration_.connections, kernel);
    for (const RefusedChild& each : found.refused) {
        log_error("connection {}, child {}: refused: {} ({})", each.connection, each.child, each.why.sentence,
                  each.why.reason);
    }
    refused_ = found.refused;
    adopt_connections();
    return found;
}

Result<void> IkeService::open_sockets(bool into_kernel) {
    const IkeSockets::Ports ports{.port = static_cast<std::uint16_t>(configuration_.settings.port),
                                  .nat_port = static_cast<std::uint16_t>(configuration_.settings.nat_port)};
    auto sockets = IkeSockets::open(loop_, ports, into_kernel, store_, *this);
    if (!sockets) {
        return pass_on(std::move(sockets));
    }
    sockets_ = *std::move(sockets);
    return {};
}

Result<void> IkeService::install_into(std::unique_ptr<Databases> databases, ListedChildren listed) {
    auto found = look_for_ours(*databases);
    if (!found) {
        return pass_on(std::move(found));
    }
    ChildInstaller::Owner& owner = *this;
    kernel_ = std::make_unique<ChildInstaller>(loop_, std::move(databases), owner, std::move(listed));
    adopt_children(*std::move(found));
    orphans_.arm(now() + (configuration_.connections.empty() ? kStrayPatience : kOrphanPatience));
    return {};
}

void IkeService::go(std::string_view remark) {
    log_info("ready: IKE on UDP ports {} and {}, {} connections{}", configuration_.settings.port,
             configuration_.settings.nat_port, configuration_.connections.size(), remark);
    interfaces_touched_ = true;
    follow_interfaces();
    begin_connections();
}

// ---- what an earlier process left

std::unique_ptr<IkeService> IkeService::inherit(Loop& loop, const IkeConfiguration& configuration, Signers& signers,
                                                Inheritance inheritance) {
    const auto find_connection = [&](const std::string& name) {
        const auto found = std::ranges::find_if(configuration.connections,
                                                [&](const IkeConnection& each) { return each.rules->name == name; });
        return found == configuration.connections.end() ? nullptr : ike::ConnectionPtr(found->rules);
    };
    IkeState* const state = inheritance.state.get();
    IkeState::Inherited inherited = state == nullptr ? IkeState::Inherited{} : state->read(find_connection);
    std::unique_ptr<IkeService> service(new IkeService(loop, configuration, signers, inheritance.store,
                                                       std::move(inheritance.state), inherited.epoch));
    for (auto& sa : inherited.sas) {
        const ike::IkeSpi own = sa->own_spi();
        state->begin_adoption(own);
        std::vector<std::unique_ptr<ike::Sa>> one;
        one.push_back(std::move(sa));
        service->endpoint_.restore(std::move(one), {});
        state->end_adoption();
    }
    service->endpoint_.restored(inherited.gateways);
    return service;
}

void IkeService::adopt_children(Inventory found) {
    std::vector<ike::IkeSpi> inherited;
    for (const auto& [spi, sa] : endpoint_.sas()) {
        inherited.push_back(spi);
    }
    for (const ike::IkeSpi spi : inherited) {
        const auto sa = endpoint_.sas().find(spi);
        if (sa == endpoint_.sas().end()) {
            continue;  // what was found out about another one ended it
        }
        state_->begin_adoption(spi);
        std::vector<ike::Event> events;
        for (const ike::ChildSa& child : sa->second->children) {
            if (auto event = look_for(child, found)) {
                events.push_back(*std::move(event));
            }
        }
        for (ike::Event& event : events) {
            take(std::move(event));
        }
        state_->end_adoption();
        state_->forgive(spi);
    }
    if (kernel_) {
        kernel_->settle(found);
    }
    perform(endpoint_.unconfirmed());
    // One that has come to its end answers repeated requests for a while, and is nobody's any more.
    const auto alive = std::ranges::count_if(inherited, [this](ike::IkeSpi spi) {
        const ike::Sa* const sa = find(spi);
        return sa != nullptr && sa->state != ike::State::dead;
    });
    if (alive > 0) {
        log_event(LogLevel::info, {.event = LogEvent::ike_taken_over},
                  "{} IKE SAs were taken over from the process before", alive);
    }
    if (!inherited.empty()) {
        take(ike::TimePassed{});
        take(ike::OwnAddresses{addresses_for_peers()});  // perhaps others than it had
    }
}

/// What the kernel has of it, as the IKE SA is to hear it.
std::optional<ike::Event> IkeService::look_for(const ike::ChildSa& child, Inventory& found) {
    using enum ike::ChildState;
    if (!kernel_) {
        return std::nullopt;
    }
    const bool whole = child.state == installing ? child.complete : child.state == installed && !child.outbound_keys;
    const auto presence = kernel_->adopt(child.spec, whole, found);
    const ike::EspSpi inbound = child.spec.inbound;
    switch (child.state) {
        case installing:
            if (presence != ChildInstaller::Presence::none) {
                return ike::ChildInstalled{.inbound = inbound, .result = {}};
            }
            return std::nullopt;
        case inbound_only:
        case installed:
            if (presence == ChildInstaller::Presence::none) {
                return ike::ChildLost{
                    .inbound = inbound,
                    .why = {"sa-missing",
                            fmt::format("the kernel no longer has the ESP SA {:08x}: it was deleted at a "
                                        "limit, or by another program, while keysluiced was away",
                                        inbound.value)}};
            }
            if (presence == ChildInstaller::Presence::both && child.outbound_keys) {
                return ike::OutboundInstalled{inbound};
            }
            return std::nullopt;
        case deleting:
        case lingering:
            return std::nullopt;
    }
    return std::nullopt;
}

// ---- connections

void IkeService::adopt_connections() {
    std::vector<ike::ConnectionPtr> connections;
    unreachable_.clear();
    wayless_.clear();
    for (const IkeConnection& connection : configuration_.connections) {
        connections.push_back(connection.rules);
        const bool rests = connection.start == IkeStart::on_load && down_.contains(connection.rules->name);
        if (connection.start != IkeStart::manual && !rests) {
            unreachable_.push_back(&connection);
        }
    }
    endpoint_.configure(connections);
}

void IkeService::reload(std::vector<IkeConnection> connections, Occasion occasion) {
    if (on_stopped_) {
        return;
    }
    if (occasion == Occasion::reload) {
        down_.clear();
    }
    configuration_.connections = std::move(connections);
    std::erase_if(down_, [this](const std::string& name) {
        return std::ranges::none_of(configuration_.connections,
                                    [&](const IkeConnection& each) { return each.rules->name == name; });
    });
    if (kernel_has_) {
        fit_to(*kernel_has_);
    } else {
        adopt_connections();
    }
    untrap_others();
    if (kernel_ && configuration_.connections.empty()) {
        orphans_.arm(now() + kStrayPatience);
    }
    interfaces_touched_ = true;
    follow_interfaces();
    begin_connections();
}

std::vector<ChildPolicy> IkeService::child_policies() const {
    return kernel_ ? kernel_->child_policies() : std::vector<ChildPolicy>();
}

void IkeService::follow(const ListedChildren& listed, std::span<const ChildPolicy> placed) {
    if (kernel_) {
        kernel_->follow(listed, placed);
    }
}

void IkeService::begin_connections() {
    const auto waiting = std::exchange(unreachable_, {});
    for (const IkeConnection* connection : waiting) {
        if (!begin(*connection)) {
            unreachable_.push_back(connection);
        }
    }
    if (!unreachable_.empty()) {
        retry_.arm(now() + kNoRoutePause);
    }
}

Result<IkeService::Ends> IkeService::ends_of(const ike::Connection& rules) const {
    if (!rules.remote) {
        return fail("no-route", "the peer may be anybody");
    }
    const UdpEndpoint usual{*rules.remote, static_cast<std::uint16_t>(configuration_.settings.port)};
    return ends_towards(rules, rules.gateways.all.empty() ? usual : rules.gateways.all.front());
}

Result<IkeService::Ends> IkeService::ends_towards(const ike::Connection& rules, const UdpEndpoint& remote) {
    auto local = rules.local ? Result<IpAddress>(*rules.local) : local_address_towards(remote.address);
    if (!local) {
        return pass_on(std::move(local));
    }
    return Ends{.local = *local, .remote = remote};
}

bool IkeService::begin(const IkeConnection& connection) {
    const ike::Connection& rules = *connection.rules;
    if (rules.gateways.several()) {
        return begin_with_gateways(connection);
    }
    const auto ends = ends_of(rules);
    if (!ends) {
        log_peer_failure(fmt::format("connection {}", rules.name), ends.error());
        return false;
    }
    if (connection.start == IkeStart::on_load) {
        initiate(rules.name, {}, *ends);
    } else if (kernel_) {
        trap(rules, *ends);
    }
    return true;
}

/// IKE SAs that stand go another way themselves, where they can. What is to be up and is not, and packets that ask
/// for a child, begin from the address that the routes say.
void IkeService::follow_routes() {
    if (on_stopped_) {
        return;
    }
    take(ike::OwnAddresses{addresses_for_peers()});
    if (kernel_) {
        kernel_->follow_routes();
    }
    for (const IkeConnection& connection : configuration_.connections) {
        if (!connection.rules->local && connection.start != IkeStart::manual) {
            follow_routes(connection);
        }
    }
}

void IkeService::follow_routes(const IkeConnection& connection) {
    const ike::Connection& rules = *connection.rules;
    const auto gateway = endpoint_.next_gateway(rules.name);
    const auto ends = gateway ? ends_towards_any(rules, *gateway) : ends_of(rules);
    if (!ends) {
        wayless_.insert(rules.name);
        return;
    }
    const bool regained = wayless_.erase(rules.name) > 0;
    const auto wanted = endpoint_.wanted().find(rules.name);
    if (wanted != endpoint_.wanted().end() && (regained || wanted->second.local.address != ends->local)) {
        initiate(rules.name, {}, *ends);
    }
    if (kernel_ && is_trapped(connection)) {
        trap(rules, *ends);
    }
}

void IkeService::initiate(const std::string& connection, const std::string& child, const Ends& ends,
                          const std::optional<ike::PacketSelectors>& packet, bool probe) {
    const IkeSettings& settings = configuration_.settings;
    // What comes from the other port has a non-ESP marker in front.
    const std::uint32_t port = ends.remote.port == settings.nat_port ? settings.nat_port : settings.port;
    take(ike::Initiate{.connection = connection,
                       .child = child,
                       .local = {ends.local, static_cast<std::uint16_t>(port)},
                       .remote = ends.remote,
                       .packet = packet,
                       .probe = probe});
}

void IkeService::trap(const ike::Connection& rules, const Ends& ends) {
    for (const ike::ChildRule& child : rules.children) {
        ike::ChildSaSpec spec;
        spec.connection = rules.name;
        spec.child = child.name;
        spec.mode = child.mode;
        spec.local = ends.local;
        spec.remote = ends.remote.address;
        spec.several_gateways = rules.gateways.several();
        spec.interface_id = rules.interface.id;
        // Who will get its address from the peer has another one before.
        spec.local_selectors = !child.local.empty()              ? child.local
                               : rules.virtual_addresses.empty() ? ike::TrafficSelectors{ike::selector_of(ends.local)}
                                                                 : ike::any_of(rules.virtual_addresses);
        spec.remote_selectors =
            child.remote.empty() ? ike::TrafficSelectors{ike::selector_of(ends.remote.address)} : child.remote;
        kernel_->trap(spec);
    }
}

// ---- what the kernel tells

void IkeService::hear(const xfrm::Event& event) {
    kernel_->hear(event);
}

void IkeService::hear(const netlink::LinkChange& change) {
    kernel_->hear(change);
    if (interfaces_) {
        interfaces_->hear(change);
    }
}

void IkeService::on_wanted(const ike::ChildSaSpec& child, const xfrm::Selector& packet) {
    if (on_stopped_) {
        return;
    }
    log_info("connection {}, child {}: wanted by a packet from {} to {}", child.connection, child.child,
             packet.source.address.text(), packet.destination.address.text());
    const ike::ConnectionPtr rules = endpoint_.connection(child.connection);
    if (!rules) {
        return;
    }
    if (const auto gateway = endpoint_.next_gateway(child.connection)) {
        if (!rules->keep_up) {  // otherwise it is under way, or pauses
            seek(*rules, child.child, *gateway, packet_selectors(packet));
        }
        return;
    }
    const bool usual = rules->gateways.all.empty();
    const auto port = static_cast<std::uint16_t>(configuration_.settings.port);
    initiate(child.connection, child.child,
             {.local = child.local, .remote = {child.remote, usual ? port : rules->gateways.all.front().port}},
             packet_selectors(packet));
}

// ---- events in

void IkeService::on_datagram(const UdpEndpoint& local, const UdpEndpoint& remote, Bytes bytes) {
    take(ike::DatagramReceived{.local = local, .remote = remote, .bytes = bytes});
}

void IkeService::take(ike::Event event) {
    waiting_.push_back(std::move(event));
    if (taking_) {
        return;
    }
    taking_ = true;
    while (!waiting_.empty()) {
        const ike::Event next = std::move(waiting_.front());
        waiting_.pop_front();
        ike::Actions actions = endpoint_.on(next, now());
        if (state_) {
            state_->save(endpoint_, epoch_);
        }
        interfaces_touched_ |=
            interfaces_ && !interfaces_->none() && std::ranges::any_of(endpoint_.changed(), [this](ike::IkeSpi spi) {
                const auto sa = endpoint_.sas().find(spi);
                // Peers with addresses of a pool change nothing: see wanted_interfaces().
                return sa != endpoint_.sas().end() && sa->second->connection->interface.id != 0 &&
                       sa->second->connection->pools.empty();
            });
        perform(std::move(actions));
    }
    taking_ = false;
    follow_interfaces();
    const Instant next = endpoint_.next_deadline();
    next == Instant::max() ? deadline_.disarm() : deadline_.arm(next);
    check_farewell();
}

// ---- actions out

void IkeService::perform(ike::Actions actions) {
    for (ike::Action& action : actions) {
        std::visit([this](auto& each) { perform(std::move(each)); }, action);
    }
}

void IkeService::perform(const ike::SendDatagram& action) {
    if (const auto sent = sockets_->send(action); !sent) {
        log_peer_failure("IKE", sent.error());
    }
}

void IkeService::perform(ike::InstallChild action) {
    if (kernel_) {
        kernel_->perform(std::move(action));
    } else {
        take(ike::ChildInstalled{.inbound = action.spec.inbound, .result = {}});
    }
}

void IkeService::perform(ike::InstallOutbound action) {
    if (kernel_) {
        kernel_->perform(std::move(action));
    } else {
        take(ike::OutboundInstalled{action.spec.inbound});
    }
}

void IkeService::perform(ike::Sign action) {
    signers_.sign(action.key_id, action.scheme, std::move(action.octets),
                  [this, sa = action.sa, epoch = action.epoch](Result<ike::wire::Octets> signature) {
                      take(ike::Signed{.sa = sa, .epoch = epoch, .signature = std::move(signature)});
                  });
}

void IkeService::perform(ike::VerifyPeer action) {
    errands_.run(std::move(action), [this](ike::Event answer) { take(std::move(answer)); });
}

void IkeService::perform(ike::ExchangeKeys action) {
    errands_.run(std::move(action), [this](ike::Event answer) { take(std::move(answer)); });
}

void IkeService::perform(const ike::FindPaths& action) {
    take(ike::PathsFound{.sa = action.sa, .paths = find_paths(action)});
}

void IkeService::perform(const ike::StateChanged& action) {
    if (action.from == ike::State::eap) {
        signers_.handshakes().forget(action.sa.value);
    }
    const auto sa = endpoint_.sas().find(action.sa);
    if (changes_ != nullptr && sa != endpoint_.sas().end()) {
        changes_->touch(*sa->second);
    }
}

void IkeService::perform(const ike::Report& report) {
    const auto found = endpoint_.sas().find(report.sa);
    const ike::Sa* sa = found == endpoint_.sas().end() ? nullptr : found->second.get();
    log_report(report, sa);
    if (report.kind == ike::Report::Kind::gateway_changed) {
        const IkeConnection* const connection = find_connection(report.connection);
        if (connection != nullptr && is_trapped(*connection)) {
            trap_gateways(*connection->rules);
        }
    }
    if (changes_ != nullptr) {
        changes_->add(report, sa);
    }
}

// ---- the end

void IkeService::stop(std::function<void()> done) {
    on_stopped_ = std::move(done);
    unreachable_.clear();
    retry_.disarm();
    farewell_.arm(now() + kFarewell);
    std::set<std::string> names;  // also of connections that are no longer configured
    for (const IkeConnection& connection : configuration_.connections) {
        names.insert(connection.rules->name);
    }
    for (const auto& [spi, sa] : endpoint_.sas()) {
        names.insert(sa->connection->name);
    }
    for (const std::string& name : names) {
        take(ike::Terminate{name});
    }
    check_farewell();
}

void IkeService::follow_interfaces() {
    if (interfaces_ && std::exchange(interfaces_touched_, false)) {
        interfaces_->follow(wanted_interfaces(configuration_.connections, endpoint_));
    }
}

void IkeService::check_farewell() {
    if (on_stopped_ && endpoint_.idle() && (!kernel_ || kernel_->idle())) {
        finish();
    }
}

void IkeService::finish() {
    farewell_.disarm();
    deadline_.disarm();
    if (kernel_) {
        kernel_->clear();
    }
    if (interfaces_) {
        interfaces_->clear();
    }
    if (state_) {
        state_->destroy();
        state_.reset();
    }
    if (auto done = std::exchange(on_stopped_, {})) {
        done();
    }
}

const OffloadState* IkeService::offload_of(const ChildView& child) const {
    return kernel_ ? kernel_->offload(ike::EspSpi{child.inbound}) : nullptr;
}

IkeService::Load IkeService::load() const {
    return {
        .ike_sas = endpoint_.sas().size(), .half_open = endpoint_.half_open(), .child_sas = endpoint_.child_sas()};
}

IkeSaView IkeService::view(const ike::Sa& sa) const {
    IkeSaView view = look_at(sa, now());
    for (ChildView& child : view.children) {
        if (const OffloadState* offload = offload_of(child); offload != nullptr) {
            child.offload = *offload;
        }
    }
    return view;
}

IkeView IkeService::view() const {
    IkeView view{.running = true,
                 .reason = {},
                 .null_kernel = kernel_ == nullptr,
                 .kernel = kernel_has_,
                 .refused = refused_,
                 .sas = {}};
    view.sas.reserve(endpoint_.sas().size());
    for (const auto& [spi, sa] : endpoint_.sas()) {
        if (sa->state != ike::State::dead) {
            view.sas.push_back(this->view(*sa));
        }
    }
    return view;
}

}  // namespace keysluice::control
