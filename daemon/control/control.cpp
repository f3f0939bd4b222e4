#include "daemon/control/control.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/control/engine_count.hpp"
#include "daemon/control/ike_certificates.hpp"
#include "daemon/control/ike_kernel.hpp"
#include "daemon/control/listeners.hpp"
#include "daemon/control/metrics_server.hpp"
#include "daemon/control/owned_connections.hpp"
#include "daemon/control/policy_service.hpp"
#include "daemon/control/reloader.hpp"
#include "daemon/control/status_server.hpp"
#include "daemon/keeper/children.hpp"
#include "daemon/shared/accept_balance.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/scheduling.hpp"
#include "daemon/shared/service_manager.hpp"
#include "daemon/shared/signals.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice::control {

Control::Control(Loop& loop, Configuration configuration, OnFailed on_failed, IkeService::Kernel ike_kernel,
                 DescriptorStore store, OnReady on_ready, ListedChildren listed)
    : loop_(loop),
      configuration_(std::move(configuration)),
      on_failed_(std::move(on_failed)),
      on_ready_(std::move(on_ready)),
      kernel_(ktls::probe()),
      keeper_(loop, runtime_path(configuration_.daemon.runtime_directory, "keeper.sock"),
              {ProcessKind::control, 0, static_cast<std::uint32_t>(getpid())}, *this),
      ike_kernel_(ike_kernel),
      store_(std::move(store)),
      tickets_(loop, store_, [this] { return longest_session(); }),
      signers_(loop),
      changes_(loop),
      sessions_(
          loop, [this](ServiceId id) { return find_service(id); },
          [this](const Message& message) { return send_all(message); }),
      loading_(loop,
               [this](const Hello& process, const Message& message) {
                   const auto peer = std::ranges::find(peers_, process, &Peer::hello);
                   if (peer != peers_.end()) {
                       static_cast<void>(peer->channel->send(message));
                   }
               }),
      listed_(std::move(listed)) {
    set_services(services_of(configuration_));
    keeper_.connect();
    if (!configuration_.ike.connections.empty() || (ike_kernel_ == IkeService::Kernel::real && left_behind())) {
        start_ike();
    }
}

Control::~Control() = default;

void Control::start_ike() {
    signers_.use(signing_keys(configuration_.ike));
    SystemRandom random;
    auto state = IkeState::open(store_, configuration_.daemon.runtime_directory, random);
    auto started = IkeService::start(loop_, configuration_.ike, ike_kernel_, signers_,
                                     {.store = store_, .state = std::move(state), .listed = listed_});
    if (started) {
        ike_ = *std::move(started);
        ike_->tell(changes_);
        return;
    }
    const Error& error = started.error();
    ike_refused_ = error.sentence;
    log_error("IKE does not run: {} ({})", error.sentence, error.reason);
    // TLS services don't depend on it. Without them, nothing is left to do.
    if (configuration_.services.empty() && !configuration_.ike.connections.empty()) {
        loop_.defer(on_failed_);
    }
}

void Control::reload(Configuration fresh, Occasion occasion, Reloaded done) {
    warn_of_restart(fresh);
    configuration_.daemon.log_level = fresh.daemon.log_level;
    set_log_level(fresh.daemon.log_level);
    auto services = services_of(fresh);
    configuration_.ike.connections = std::move(fresh.ike.connections);
    log_info("the configuration was read anew: {} connections", configuration_.ike.connections.size());
    if (ike_) {
        signers_.use(signing_keys(configuration_.ike));
        ike_->reload(configuration_.ike.connections, occasion);
    } else if (!configuration_.ike.connections.empty()) {
        ike_refused_.clear();
        start_ike();
        follow(ListedChildren(listed_), {});
    }
    changes_.reloaded();
    switch (occasion) {
        case Occasion::reload:
            reload_services(std::move(services), std::move(done));
            return;
        case Occasion::change:
            done({});
            return;
    }
}

std::vector<ChildPolicy> Control::child_policies() const {
    return ike_ ? ike_->child_policies() : std::vector<ChildPolicy>();
}

void Control::follow(const ListedChildren& listed, std::span<const ChildPolicy> placed) {
    listed_ = listed;
    if (ike_) {
        ike_->follow(listed, placed);
    }
}

void Control::count(StatusServer::Counted then) {
    if (status_) {
        status_->count(std::move(then));
    } else {
        then({});
    }
}

void Control::stop(std::function<void()> done) {
    if (ike_) {
        ike_->stop(std::move(done));
    } else {
        done();
    }
}

StatusServer::Document Control::collect_status(std::vector<ProcessCounters> processes) const {
    const Hello ourselves{ProcessKind::control, 0, static_cast<std::uint32_t>(getpid())};
    processes.push_back({.process = ourselves, .counts = {}, .longest_round = loop_.take_longest_round()});
    std::optional<IkeView> ike;
    if (!configuration_.ike.connections.empty()) {
        const IkeView refused{.running = false, .reason = ike_refused_, .null_kernel = false, .sas = {}};
        ike = ike_ ? ike_->view() : refused;
    }
    ServicesView shown{.services = configuration_.services, .removed = {}, .reload_problems = reload_problems_};
    for (const auto& [id, service] : removed_.all()) {
        shown.removed.push_back(service);
    }
    return
        [capabilities = kernel_, shown = std::move(shown), processes = std::move(processes), ike = std::move(ike)] {
            auto all = shown.services;
            all.insert(all.end(), shown.removed.begin(), shown.removed.end());
            return to_json(shown, processes, look_at_kernel(capabilities, all), ike ? &*ike : nullptr);
        };
}

void Control::on_connected(Uplink& /*uplink*/) {
    note_arrival("keeper", 0);
    static_cast<void>(keeper_.send(Engines{static_cast<std::uint16_t>(configuration_.daemon.engines)}));
    // A keeper that came back empty is told again what to hold.
    for (const auto& [name, socket] : listeners_) {
        Descriptors copy;
        copy.push_back(duplicate_fd(socket));
        static_cast<void>(keeper_.send(Listener{name}, std::move(copy)));
    }
}

void Control::on_message(Uplink& /*uplink*/, Message message, Descriptors descriptors) {
    if (const auto* listener = std::get_if<Listener>(&message); listener != nullptr && descriptors.size() == 1) {
        listeners_.try_emplace(listener->name, std::move(descriptors[0]));
    } else if (std::holds_alternative<ListenersComplete>(message) && !door_) {
        start_serving();
    }
}

void Control::start_serving() {
    const std::string& directory = configuration_.daemon.runtime_directory;
    auto door = ChannelListener::bind(runtime_path(directory, "control.sock"));
    auto status = DocumentServer::bind(runtime_path(directory, "status.sock"));
    if (!door || !status) {
        const Error& error = !door ? door.error() : status.error();
        log_error("{} ({})", error.sentence, error.reason);
        on_failed_();
        return;
    }
    if (!bind_missing()) {
        on_failed_();
        return;
    }
    forget_unused();
    share_unix_sockets();
    renew_limits();
    door_ = std::make_unique<ChannelListener>(loop_, std::move(*door), [this](UniqueFd accepted) {
        Peer& peer = peers_.emplace_back();
        peer.channel = std::make_unique<Channel>(loop_, std::move(accepted), *this);
    });
    status_ = std::make_unique<StatusServer>(
        loop_, std::move(*status), [this](std::uint32_t token) { return send_all(AskCounters{token}); },
        [this](std::vector<ProcessCounters> processes) { return collect_status(std::move(processes)); });
    removal_.arm(now() + kRemovalTick);
    on_ready_();
}

std::string Control::status() const {
    if (!door_) {
        return "waiting for the keeper";
    }
    std::string text =
        fmt::format("{} TLS services on {} engines", configuration_.services.size(), configuration_.daemon.engines);
    if (ike_) {
        const IkeService::Load load = ike_->load();
        text +=
            fmt::format("; {} IKE SAs ({} half-open), {} CHILD SAs", load.ike_sas, load.half_open, load.child_sas);
    } else if (!ike_refused_.empty()) {
        text += fmt::format("; IKE does not run: {}", ike_refused_);
    }
    return text;
}

bool Control::bind_missing() {
    bool bound = true;
    for (std::size_t index = 0; index < configuration_.services.size(); ++index) {
        bound = bind_service(index) && bound;
    }
    return bound;
}

bool Control::bind_service(std::size_t index) {
    const TlsService& service = configuration_.services[index];
    for (std::size_t i = 0; i < service.listen.size(); ++i) {
        const Endpoint& endpoint = service.listen[i];
        Result<void> bound;
        if (!listeners_.contains(listener_name(endpoint, 0))) {
            bound = check_address_is_free(endpoint);
        }
        if (bound) {
            bound = bind_endpoint(endpoint);
        }
        if (!bound) {
            log_error("{}: {} ({})", to_string(configuration_.sources[index].listen[i]), bound.error().sentence,
                      bound.error().reason);
            return false;
        }
    }
    return true;
}

void Control::share_unix_sockets() {
    for (std::size_t index = 0; index < configuration_.services.size(); ++index) {
        if (!std::ranges::any_of(configuration_.services[index].listen, is_shared_by_engines)) {
            continue;
        }
        UniqueFd& place = balances_[service_id(configuration_.services[index].name)];
        if (place) {
            continue;
        }
        auto balance = AcceptBalance::create(configuration_.daemon.engines);
        if (balance) {
            place = std::move(*balance);
        } else {
            log_warning("unix sockets are not spread evenly over the engines: {} ({})", balance.error().sentence,
                        balance.error().reason);
        }
    }
}

void Control::forget_unused() {
    std::map<std::string, UniqueFd> used;
    for (const TlsService& service : configuration_.services) {
        for (const Endpoint& endpoint : service.listen) {
            const auto engines = static_cast<std::uint16_t>(configuration_.daemon.engines);
            for (std::uint16_t engine = 0; engine < engines; ++engine) {
                if (auto node = listeners_.extract(listener_name(endpoint, engine))) {
                    used.insert(std::move(node));
                }
            }
        }
    }
    for (const auto& [name, socket] : listeners_) {
        log_info("no longer listening on {}", name);
        static_cast<void>(keeper_.send(ForgetListener{name}));
    }
    listeners_ = std::move(used);
}

void Control::on_message(Channel& channel, Message message, Descriptors /*descriptors*/) {
    const auto peer = std::ranges::find_if(peers_, [&](const Peer& one) { return one.channel.get() == &channel; });
    if (const auto* hello = std::get_if<Hello>(&message); hello != nullptr && !peer->known) {
        if (!users_.may_be(channel.peer_uid(), hello->kind)) {
            log_error("a process of user {} says that it is an {}: it is not listened to", channel.peer_uid(),
                      name_of(hello->kind));
            return;
        }
        const std::string name = fmt::format("{} {}", name_of(hello->kind), hello->index);
        if (hello->kind == ProcessKind::relay && seen_.contains(name)) {
            renew_limits();  // not earlier: what its predecessor had lives on in the keeper
        }
        peer->hello = *hello;
        peer->known = true;
        note_arrival(name, hello->pid);
        tell_services(*peer);
    } else if (!peer->known) {
        return;
    } else if (const auto* key = std::get_if<SigningKeyLoaded>(&message)) {
        signers_.on_message(channel, *key);
    } else if (auto* made = std::get_if<SignatureMade>(&message)) {
        signers_.on_message(channel, std::move(*made));
    } else if (auto* turn = std::get_if<TlsTurnAnswered>(&message)) {
        signers_.on_message(channel, std::move(*turn));
    } else if (const auto* loaded = std::get_if<ServiceLoaded>(&message)) {
        on_loaded(*peer, *loaded);
    } else {
        on_answer(*peer, std::move(message));
    }
}

void Control::note_arrival(const std::string& name, std::uint32_t pid) {
    const auto [seen, is_first] = seen_.try_emplace(name, pid);
    // One whose channel broke calls again, and is the same.
    if (is_first || (pid != 0 && std::exchange(seen->second, pid) == pid)) {
        return;
    }
    changes_.service("failover", name,
                     {.service = {},
                      .peer = {},
                      .reason = {},
                      .sentence = fmt::format("a successor has taken over from the {}", name)});
}

void Control::tell_services(Peer& peer) {
    tell_tickets(peer);
    tell_limits(peer);
    for (std::size_t index = 0; index < configuration_.services.size(); ++index) {
        tell_service(peer, index);
    }
    if (peer.hello.kind == ProcessKind::engine) {
        signers_.joined(*peer.channel);
    } else {
        for (const auto& [id, service] : removed_.all()) {
            static_cast<void>(peer.channel->send(Service{.id = id, .settings = encode(service)}));
        }
    }
    static_cast<void>(peer.channel->send(ServicesComplete{}));
}

void Control::on_loaded(const Peer& peer, const ServiceLoaded& loaded) {
    if (loaded.load != 0) {
        loading_.on_loaded(peer.hello, loaded);
        return;
    }
    const auto index = index_of(loaded.id);
    if (!index) {
        return;
    }
    const TlsService& service = configuration_.services[*index];
    if (!loaded.reason.empty()) {
        log_error("{}: service {}: engine {} can't serve it: {} ({})",
                  to_string(configuration_.sources[*index].section), service.name, peer.hello.index, loaded.sentence,
                  loaded.reason);
        // Before anything was served, a person is waiting for the answer; later the others go on.
        if (loaded_.empty()) {
            on_failed_();
        }
        return;
    }
    loaded_.emplace(peer.hello.index, loaded.id);
    if (!said_ready_ && loaded_.size() == configuration_.services.size() * configuration_.daemon.engines) {
        said_ready_ = true;
        log_info("ready: {} services, {} engines; {}", configuration_.services.size(), configuration_.daemon.engines,
                 kernel_.carries_any() ? "the kernel carries the records"
                                       : fmt::format("records stay in userspace: {}",
                                                     kernel_.absent ? kernel_.absent->sentence : "it takes no keys"));
    }
}

void Control::on_closed(Channel& channel, std::string_view why) {
    const auto peer = std::ranges::find_if(peers_, [&](const Peer& one) { return one.channel.get() == &channel; });
    if (peer->known) {
        log_debug("{} {} left: {}", name_of(peer->hello.kind), peer->hello.index, why);
    }
    signers_.left(*peer->channel);
    if (peer->known) {
        sessions_.left(peer->hello);
        loading_.left(peer->hello);
    }
    const bool counted = peer->known && peer->hello.kind == ProcessKind::engine;
    loop_.bury(std::move(peer->channel));
    peers_.erase(peer);
    if (counted) {
        renew_limits();
    }
}

namespace {

/// UDP ports of IKE's sockets, for which no policy holds.
std::vector<std::uint16_t> ports_of(const IkeConfiguration& ike) {
    if (ike.connections.empty()) {
        return {};
    }
    return {static_cast<std::uint16_t>(ike.settings.port), static_cast<std::uint16_t>(ike.settings.nat_port)};
}

/// Connections of programs on the bus that the process before had come into the configuration as they were, if they
/// can.
AddedTexts take_over(const OwnedConnections& owned, const ConfigurationFile& file, Configuration& configuration) {
    AddedTexts added = owned.inherited();
    if (added.empty()) {
        return added;
    }
    auto complete = Reloader::read_now(file.path, file.credentials, added);
    if (complete) {
        configuration.ike = std::move(complete->ike);
        return added;
    }
    const auto* const wrong = std::get_if<Diagnostics>(&complete.error());
    const std::string why = wrong != nullptr ? to_string(wrong->front()) : std::get<Error>(complete.error()).sentence;
    log_warning("{} connections of programs on the bus are not taken over from the process before: {}", added.size(),
                why);
    return {};
}

}  // namespace

int serve(Configuration configuration, const ConfigurationFile& file, IkeService::Kernel ike_kernel,
          const Publish& publish) {
    open_log("keysluiced", configuration.daemon.log_level);
    prctl(PR_SET_DUMPABLE, 0);
    DescriptorStore store = DescriptorStore::from_environment();
    open_journal();
    OwnedConnections owned(store);
    AddedTexts added = take_over(owned, file, configuration);
    Loop loop;
    int status = 0;
    const auto fail_for_good = [&] {
        status = kExitConfiguration;
        loop.stop();
    };
    const std::string directory = configuration.daemon.runtime_directory;
    const std::string bus = configuration.daemon.bus;
    const std::string state_directory = configuration.daemon.state_directory;
    const auto ike_ports = ports_of(configuration.ike);
    std::string reload_problem;
    bool ready = false;
    ServiceManager manager(loop, ManagerContact::from_environment());
    Control control(
        loop, std::move(configuration), fail_for_good, ike_kernel, std::move(store),
        [&] {
            announce_engines(directory, control.engines());
            ready = true;
            manager.ready();
        },
        listed_children(state_directory));
    manager.show([&] {
        return control.status() + (reload_problem.empty() ? "" : "; wrong at the last reload: " + reload_problem);
    });
    const auto reloaded = [&](const Diagnostics& wrong) {
        reload_problem = wrong.empty() ? "" : to_string(wrong.front());
        control.note_reload(wrong);
        if (ready) {
            manager.ready();
        }
    };
    Reloader reloader(loop, file.path, file.credentials,
                      [&](Configuration fresh, Occasion occasion, Reloader::Used used) {
                          control.reload(std::move(fresh), occasion, std::move(used));
                      },
                      reloaded,
                      {.added = std::move(added),
                       .save = [&owned](const AddedTexts& all) { owned.save(all); },
                       .peers = known_peers(control.configuration().ike)});
    PolicyService policies(loop, {file.path, file.credentials, state_directory}, kernel_databases(), ike_ports,
                           control.changes(), control);
    FrontDesk desk(loop, control, reloader, policies);
    std::unique_ptr<MetricsServer> metrics;
    if (auto socket = bind_metrics(directory)) {
        metrics = std::make_unique<MetricsServer>(loop, desk, *std::move(socket), KEYSLUICE_VERSION);
    } else {
        log_warning("no metrics: {} ({})", socket.error().sentence, socket.error().reason);
    }
    const auto publication = bus == "none" ? nullptr : publish(loop, desk, bus);
    Signals signals(loop, {SIGTERM, SIGINT, SIGHUP}, [&](int signal) {
        if (signal == SIGHUP) {
            if (ready) {
                manager.reloading();
            }
            reloader.reload();
            return;
        }
        manager.stopping();
        if (signal == SIGTERM && control.outlived()) {
            loop.stop();
        } else {
            control.stop([&loop] { loop.stop(); });
        }
    });
    run_soon();  // peers of IKE wait for this thread
    loop.run();
    return status;
}

}  // namespace keysluice::control
