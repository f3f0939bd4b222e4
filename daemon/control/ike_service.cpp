#include "daemon/control/ike_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/control/ike_kernel.hpp"
#include "daemon/control/ike_log.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice::control {
namespace {

ike::Settings settings_of(const IkeSettings& configured) {
    ike::Settings settings;
    settings.cookie_after = configured.cookie_after;
    settings.half_open_per_address = configured.half_open_per_address;
    settings.port = static_cast<std::uint16_t>(configured.port);
    settings.nat_port = static_cast<std::uint16_t>(configured.nat_port);
    return settings;
}

}  // namespace

IkeService::IkeService(Loop& loop, const IkeConfiguration& configuration)
    : configuration_(configuration),
      endpoint_(settings_of(configuration.settings), random_),
      deadline_(loop, [this] { take(ike::TimePassed{}); }),
      retry_(loop, [this] { begin_connections(); }),
      farewell_(loop, [this] { finish(); }) {
    std::vector<ike::ConnectionPtr> connections;
    for (const IkeConnection& connection : configuration_.connections) {
        connections.push_back(connection.rules);
        if (connection.start != IkeStart::manual) {
            unreachable_.push_back(&connection);
        }
    }
    endpoint_.configure(connections);
}

IkeService::~IkeService() = default;

Result<std::unique_ptr<IkeService>> IkeService::start(Loop& loop, const IkeConfiguration& configuration,
                                                      Kernel kernel) {
    std::unique_ptr<IkeService> service(new IkeService(loop, configuration));
    const IkeSockets::Ports ports{.port = static_cast<std::uint16_t>(configuration.settings.port),
                                  .nat_port = static_cast<std::uint16_t>(configuration.settings.nat_port)};
    // The kernel comes first: this loads what the sockets' bypass needs. What it holds of an earlier process is
    // touched last: with our ports bound, that process is gone.
    std::shared_ptr<xfrm::Kernel> opened;
    if (kernel == Kernel::real) {
        auto result = service->open_kernel();
        if (!result) {
            return pass_on(std::move(result));
        }
        opened = *std::move(result);
    }
    auto sockets = IkeSockets::open(loop, ports, kernel == Kernel::real, *service);
    if (!sockets) {
        return pass_on(std::move(sockets));
    }
    service->sockets_ = *std::move(sockets);
    if (opened) {
        if (auto swept = sweep(*opened); !swept) {
            return pass_on(std::move(swept));
        }
        auto events = xfrm::Events::open();
        if (!events) {
            return pass_on(std::move(events));
        }
        service->events_ = std::make_unique<KernelEvents>(loop, *std::move(events), *service);
        service->kernel_ = std::make_unique<KernelThread>(
            loop, [opened](const xfrm::Transaction& transaction) { return opened->apply(transaction); });
    }
    log_info("ready: IKE on UDP ports {} and {}, {} connections{}", ports.port, ports.nat_port,
             configuration.connections.size(),
             kernel == Kernel::null ? "; --null-kernel: nothing is installed, no packet is protected" : "");
    service->begin_connections();
    return service;
}

Result<std::shared_ptr<xfrm::Kernel>> IkeService::open_kernel() {
    auto kernel = xfrm::Kernel::open();
    if (!kernel) {
        return pass_on(std::move(kernel));
    }
    const auto capabilities = probe_for_ike(*kernel, random_);
    if (!capabilities) {
        return std::unexpected(capabilities.error());
    }
    for (const Error& missing : capabilities->missing) {
        log_info("{} ({})", missing.sentence, missing.reason);
    }
    return std::make_shared<xfrm::Kernel>(*std::move(kernel));
}

// ---- connections

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

Result<IkeService::Ends> IkeService::ends_of(const ike::Connection& rules) {
    if (!rules.remote) {
        return fail("no-route", "the peer may be anybody");
    }
    auto local = rules.local ? Result<IpAddress>(*rules.local) : local_address_towards(*rules.remote);
    if (!local) {
        return pass_on(std::move(local));
    }
    return Ends{.local = *local, .remote = *rules.remote};
}

bool IkeService::begin(const IkeConnection& connection) {
    const ike::Connection& rules = *connection.rules;
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

void IkeService::initiate(const std::string& connection, const std::string& child, const Ends& ends) {
    const auto port = static_cast<std::uint16_t>(configuration_.settings.port);
    take(ike::Initiate{
        .connection = connection, .child = child, .local = {ends.local, port}, .remote = {ends.remote, port}});
}

void IkeService::trap(const ike::Connection& rules, const Ends& ends) {
    for (const ike::ChildRule& child : rules.children) {
        ike::ChildSaSpec spec;
        spec.connection = rules.name;
        spec.child = child.name;
        spec.mode = child.mode;
        spec.local = ends.local;
        spec.remote = ends.remote;
        spec.local_selectors =
            child.local.empty() ? ike::TrafficSelectors{ike::selector_of(ends.local)} : child.local;
        spec.remote_selectors =
            child.remote.empty() ? ike::TrafficSelectors{ike::selector_of(ends.remote)} : child.remote;
        const std::string what = fmt::format("connection {}, child {}: start on traffic", rules.name, child.name);
        if (auto transaction = translator_.trap(spec)) {
            submit(*std::move(transaction), what);
        } else {
            log_error("{}: {} ({})", what, transaction.error().sentence, transaction.error().reason);
        }
    }
}

// ---- what the kernel tells

IkeService::KernelEvents::KernelEvents(Loop& loop, xfrm::Events events, IkeService& owner)
    : loop_(loop), events_(std::move(events)), owner_(owner) {
    loop_.add(events_.fd(), EPOLLIN, *this);
}

IkeService::KernelEvents::~KernelEvents() {
    loop_.remove(events_.fd(), *this);
}

void IkeService::on_kernel_events() {
    for (int i = 0; i < kEventsPerTurn; ++i) {
        const auto next = events_->next();
        if (!next) {
            log_peer_failure("the kernel's IPsec events", next.error());
            continue;
        }
        const std::optional<xfrm::Event>& event = *next;
        if (!event) {
            return;
        }
        std::visit([this](const auto& each) { on_kernel_event(each); }, *event);
    }
}

void IkeService::on_kernel_event(const xfrm::Acquire& event) {
    const ike::ChildSaSpec* spec =
        event.templates.empty() ? nullptr : translator_.trapped(event.templates.front().reqid);
    if (spec == nullptr || on_stopped_) {
        return;
    }
    log_info("connection {}, child {}: wanted by a packet from {} to {}", spec->connection, spec->child,
             event.packet.source.address.text(), event.packet.destination.address.text());
    initiate(spec->connection, spec->child, {.local = spec->local, .remote = spec->remote});
}

void IkeService::on_kernel_event(const xfrm::Expire& event) {
    const ike::EspSpi inbound = translator_.child_of(event.id);
    if (inbound.value == 0) {
        return;
    }
    if (!event.hard) {
        take(ike::ChildSpent{inbound});
        return;
    }
    take(ike::ChildLost{.inbound = inbound,
                        .why = {"sa-expired", fmt::format("the kernel has deleted {} at its limit, after {} bytes in "
                                                          "{} packets: it was not rekeyed in time",
                                                          xfrm::describe(event.id), event.bytes, event.packets)}});
}

void IkeService::on_kernel_event(const xfrm::Lost& /*event*/) {
    log_warning("the kernel dropped IPsec events: a packet that asked for a connection has to ask again");
}

// ---- events in

void IkeService::on_datagram(const UdpEndpoint& local, const UdpEndpoint& remote, Bytes bytes) {
    take(ike::DatagramReceived{.local = local, .remote = remote, .bytes = bytes});
}

void IkeService::take(const ike::Event& event) {
    perform(endpoint_.on(event, now()));
    while (!answers_.empty()) {
        const ike::Event answer = std::move(answers_.front());
        answers_.pop_front();
        perform(endpoint_.on(answer, now()));
    }
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

Duration IkeService::rekey_time(const ike::ChildSaSpec& spec) const {
    for (const IkeConnection& connection : configuration_.connections) {
        const ike::ChildRule* rule = connection.rules->child(spec.child);
        if (connection.rules->name == spec.connection && rule != nullptr) {
            return rule->rekey_time;
        }
    }
    return ike::ChildRule{}.rekey_time;
}

void IkeService::perform(ike::InstallChild action) {
    const ike::EspSpi inbound = action.spec.inbound;
    const auto answer = [this, inbound](Result<void> result) {
        answers_.emplace_back(ike::ChildInstalled{.inbound = inbound, .result = std::move(result)});
    };
    if (!kernel_) {
        answer({});
        return;
    }
    if (auto room = kernel_->room(); !room) {
        answer(std::move(room));
        return;
    }
    const Duration time = rekey_time(action.spec);
    auto transaction = translator_.install(std::move(action), time);
    if (!transaction) {
        answer(pass_on(std::move(transaction)));
        return;
    }
    kernel_->submit(*std::move(transaction), [this, inbound](Result<void> result) {
        if (!result) {
            submit(translator_.refused(inbound, result.error()), "what a refused CHILD SA left behind");
        }
        take(ike::ChildInstalled{.inbound = inbound, .result = std::move(result)});
    });
}

void IkeService::perform(ike::InstallOutbound action) {
    if (!kernel_) {
        return;
    }
    const ike::EspSpi inbound = action.spec.inbound;
    if (auto room = kernel_->room(); !room) {
        answers_.emplace_back(ike::ChildLost{.inbound = inbound, .why = std::move(room).error()});
        return;
    }
    const Duration time = rekey_time(action.spec);
    auto transaction = translator_.install(std::move(action), time);
    if (!transaction) {
        answers_.emplace_back(ike::ChildLost{.inbound = inbound, .why = std::move(transaction).error()});
        return;
    }
    kernel_->submit(*std::move(transaction), [this, inbound](Result<void> result) {
        if (!result) {
            submit(translator_.refused_outbound(inbound, result.error()), "what a refused outbound half left behind");
            take(ike::ChildLost{.inbound = inbound, .why = std::move(result).error()});
        }
    });
}

void IkeService::perform(const ike::RemoveChild& action) {
    if (kernel_) {
        submit(translator_.remove(action),
               fmt::format("connection {}, child {}: removal of {:08x}", action.spec.connection, action.spec.child,
                           action.spec.inbound.value));
    }
}

void IkeService::perform(const ike::RemoveOutbound& action) {
    if (kernel_) {
        submit(translator_.remove(action),
               fmt::format("connection {}, child {}: removal of {:08x}", action.spec.connection, action.spec.child,
                           action.spec.outbound.value));
    }
}

void IkeService::perform(const ike::Report& report) {
    const auto sa = endpoint_.sas().find(report.sa);
    log_report(report, sa == endpoint_.sas().end() ? nullptr : sa->second.get());
}

void IkeService::submit(xfrm::Transaction transaction, std::string what) {
    if (transaction.additions().empty() && transaction.removals().empty()) {
        return;
    }
    kernel_->submit(std::move(transaction), [this, what = std::move(what)](const Result<void>& result) {
        if (!result) {
            log_error("{}: {} ({})", what, result.error().sentence, result.error().reason);
        }
        check_farewell();
    });
}

// ---- the end

void IkeService::stop(std::function<void()> done) {
    on_stopped_ = std::move(done);
    unreachable_.clear();
    retry_.disarm();
    farewell_.arm(now() + kFarewell);
    for (const IkeConnection& connection : configuration_.connections) {
        take(ike::Terminate{connection.rules->name});
    }
    check_farewell();
}

void IkeService::check_farewell() {
    const bool over = std::ranges::all_of(endpoint_.sas(), [](const auto& each) {
        return each.second->state == ike::State::dead || each.second->state == ike::State::half_open;
    });
    if (on_stopped_ && over && (!kernel_ || kernel_->idle())) {
        finish();
    }
}

void IkeService::finish() {
    farewell_.disarm();
    deadline_.disarm();
    if (kernel_) {
        submit(translator_.clear(), "removal of what is left");
    }
    if (auto done = std::exchange(on_stopped_, {})) {
        done();
    }
}

IkeView IkeService::view() const {
    IkeView view{.running = true, .reason = {}, .null_kernel = kernel_ == nullptr, .sas = {}};
    for (const auto& [spi, sa] : endpoint_.sas()) {
        if (sa->state != ike::State::dead) {
            view.sas.push_back(look_at(*sa, now()));
        }
    }
    std::ranges::sort(view.sas, {}, [](const IkeSaView& each) {
        return std::tie(each.connection, each.remote, each.initiator_spi);
    });
    return view;
}

}  // namespace keysluice::control
