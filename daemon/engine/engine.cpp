#include "daemon/engine/engine.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "daemon/engine/service_context.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/session_listing.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

/// A connection in the userspace record layer has two descriptors.
constexpr std::size_t kDescriptorsPerConnection = 2;

std::size_t capacity_for(std::size_t descriptor_limit) {
    const std::size_t usable = descriptor_limit > kReservedDescriptors ? descriptor_limit - kReservedDescriptors : 2;
    return std::max<std::size_t>(usable / kDescriptorsPerConnection, 1);
}

/// Of what was accepted: only applications call a packet socket.
bool is_submitter(const Accepted& accepted) {
    int type = 0;
    socklen_t size = sizeof(type);
    return accepted.peer.family() == AF_UNIX &&
           getsockopt(accepted.socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

bool is_submit(const Endpoint& endpoint) {
    return std::holds_alternative<SubmitEndpoint>(endpoint);
}

std::vector<Endpoint> submit_endpoints(const TlsService& service) {
    std::vector<Endpoint> found;
    std::ranges::copy_if(service.listen, std::back_inserter(found), is_submit);
    return found;
}

/// Whether the service has nothing for a connection that the kernel can't carry.
bool needs_kernel(const TlsService& service) {
    return service.deliver == Deliver::handoff || std::ranges::all_of(service.listen, is_submit);
}

bool is_unix_socket(int fd) {
    int family = AF_UNSPEC;
    socklen_t size = sizeof(family);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX;
}

}  // namespace

Engine::Engine(Loop& loop, const std::string& runtime_directory, std::uint16_t index, std::size_t descriptor_limit,
               OnReady on_ready)
    : loop_(loop),
      index_(index),
      capacity_(capacity_for(descriptor_limit)),
      on_ready_(std::move(on_ready)),
      kernel_(ktls::probe()),
      farewells_(loop),
      late_tickets_(loop),
      keeper_(loop, runtime_path(runtime_directory, "keeper.sock"),
              {ProcessKind::engine, index, static_cast<std::uint32_t>(getpid())}, *this),
      control_(loop, runtime_path(runtime_directory, "control.sock"),
               {ProcessKind::engine, index, static_cast<std::uint32_t>(getpid())}, *this),
      drain_timer_(loop) {
    keeper_.connect();
    control_.connect();
}

Engine::~Engine() {
    loop_.disarm(drain_timer_);
}

void Engine::on_connected(Uplink& uplink) {
    if (&uplink != &keeper_) {
        told_.emplace();
        handshakes_.clear();
        return;
    }
    if (draining_) {
        static_cast<void>(keeper_.send(Draining{}));
    }
    handovers_.tell_again();
}

void Engine::on_message(Uplink& uplink, Message message, Descriptors descriptors) {
    if (&uplink == &keeper_) {
        if (const auto* taken = std::get_if<Taken>(&message)) {
            handovers_.on_taken(*taken);
            end_if_drained();
        }
        return;
    }
    on_control_message(message, std::move(descriptors));
}

void Engine::on_control_message(const Message& message, Descriptors descriptors) {
    if (const auto* service = std::get_if<Service>(&message)) {
        serve(*service, std::move(descriptors));
    } else if (std::holds_alternative<Tickets>(message)) {
        take_tickets(std::move(descriptors));
    } else if (std::holds_alternative<CountLimits>(message)) {
        take_limits(std::move(descriptors));
    } else if (const auto* wanted = std::get_if<LoadService>(&message)) {
        load_service(*wanted);
    } else if (std::holds_alternative<ServicesComplete>(message)) {
        on_all_told();
    } else if (const auto* ask = std::get_if<AskCounters>(&message)) {
        for (const Counters& counters : counters_.answer_to(ask->token)) {
            static_cast<void>(control_.send(counters));
        }
    } else if (const auto* sessions = std::get_if<AskSessions>(&message)) {
        list(*sessions);
    } else if (const auto* end = std::get_if<EndSessions>(&message)) {
        end_sessions(*end);
    } else if (const auto* closed = std::get_if<CloseService>(&message)) {
        close_service(closed->id);
    } else if (const auto* forgotten = std::get_if<ForgetService>(&message)) {
        forget_service(forgotten->id);
    } else if (const auto* ticket = std::get_if<TicketReceived>(&message)) {
        late_tickets_.on_ticket(*ticket);
    } else if (const auto* key = std::get_if<SigningKey>(&message)) {
        const UniqueFd given = descriptors.empty() ? UniqueFd() : std::move(descriptors.front());
        static_cast<void>(control_.send(signer_.load(*key, given)));
    } else if (std::holds_alternative<SigningKeysComplete>(message)) {
        signer_.forget_others();
    } else if (const auto* unsigned_yet = std::get_if<SignatureWanted>(&message)) {
        static_cast<void>(control_.send(signer_.sign(*unsigned_yet)));
    } else if (const auto* turn = std::get_if<TlsTurnHeard>(&message)) {
        static_cast<void>(control_.send(handshakes_.hear(*turn, now())));
    } else if (const auto* over = std::get_if<TlsHandshakeOver>(&message)) {
        handshakes_.forget(over->handshake);
    }
}

void Engine::take_tickets(Descriptors descriptors) {
    const auto used = tickets_->use(descriptors.empty() ? UniqueFd() : std::move(descriptors.front()));
    if (!used) {
        log_warning("no session is resumed: {} ({})", used.error().sentence, used.error().reason);
    }
}

void Engine::take_limits(Descriptors descriptors) {
    const auto used = limiter_.use(descriptors.empty() ? UniqueFd() : std::move(descriptors.front()));
    if (!used) {
        log_warning("limits are counted without this engine: {} ({})", used.error().sentence, used.error().reason);
    }
    count_anew();
}

Limits Engine::limits_of(ServiceId service) const {
    const auto offer = offers_.find(service);
    return offer != offers_.end() && offer->second.service ? offer->second.service->settings.limits : Limits{};
}

void Engine::count_anew() {
    for (const auto& connection : connections_) {
        connection->count_anew(limits_of(connection->service()));
    }
    handovers_.count_anew([this](const Carried& connection) {
        return limiter_.count(connection.service, limits_of(connection.service), connection.origin);
    });
}

std::shared_ptr<AcceptBalance> Engine::take_balance(const Service& offered, Descriptors& descriptors) const {
    if (!offered.balanced || descriptors.empty()) {
        return nullptr;
    }
    auto balance = AcceptBalance::open(std::move(descriptors.front()), index_);
    descriptors.erase(descriptors.begin());
    if (!balance) {
        log_warning("unix sockets are not spread evenly over the engines: {} ({})", balance.error().sentence,
                    balance.error().reason);
        return nullptr;
    }
    return std::make_shared<AcceptBalance>(std::move(*balance));
}

void Engine::load_service(const LoadService& wanted) {
    if (std::exchange(load_, wanted.load) != wanted.load) {
        loaded_.clear();
    }
    ServiceLoaded answer{.id = wanted.id, .reason = {}, .sentence = {}, .load = wanted.load};
    const auto offer = offers_.find(wanted.id);
    const bool same = offer != offers_.end() && offer->second.service && offer->second.encoded == wanted.settings &&
                      offer->second.service->files.still_true();
    if (!same && !draining_) {
        if (auto service = load(wanted.id, wanted.settings)) {
            loaded_[wanted.id] = {.service = std::move(*service), .encoded = wanted.settings};
            answer.fresh = true;
        } else {
            answer.reason = service.error().reason;
            answer.sentence = service.error().sentence;
        }
    }
    static_cast<void>(control_.send(answer));
}

void Engine::serve(const Service& offered, Descriptors listeners) {
    if (told_) {
        told_->insert(offered.id);
    }
    Offer& offer = offers_[offered.id];
    const auto balance = take_balance(offered, listeners);
    auto loaded = offered.load == load_ ? loaded_.extract(offered.id) : decltype(loaded_)::node_type{};
    const bool is_loaded = loaded && loaded.mapped().encoded == offered.settings;
    if (draining_ || (!is_loaded && offer.service && offer.encoded == offered.settings)) {
        // keysluiced came back and tells again what we know; only what the engines count together is new.
        std::ranges::for_each(offer.acceptors, [&](const auto& acceptor) { acceptor->share(balance); });
        return;
    }
    auto service = is_loaded ? std::move(loaded.mapped().service) : load(offered.id, offered.settings);
    ServiceLoaded answer{.id = offered.id, .reason = {}, .sentence = {}};
    if (!service) {
        answer.reason = service.error().reason;
        answer.sentence = service.error().sentence;
        static_cast<void>(control_.send(answer));
        return;
    }
    stop_accepting(offer);
    if (offer.service && submit_endpoints(offer.service->settings) != submit_endpoints((*service)->settings)) {
        finish_submitters(offered.id);  // whoever may go on comes again
    }
    offer.service = *service;
    relays_plaintext_ = relays_plaintext_ || offer.service->settings.plaintext == Plaintext::relay;
    offer.encoded = offered.settings;
    for (UniqueFd& listener : listeners) {
        const bool shared = is_unix_socket(listener.get());
        auto acceptor = std::make_unique<Acceptor>(loop_, *this, std::move(listener), shared ? balance : nullptr);
        by_acceptor_[acceptor.get()] = *service;
        offer.acceptors.push_back(std::move(acceptor));
    }
    static_cast<void>(control_.send(answer));
}

void Engine::stop_accepting(Offer& offer) {
    for (const auto& acceptor : offer.acceptors) {
        by_acceptor_.erase(acceptor.get());
    }
    offer.acceptors.clear();
}

void Engine::close_service(ServiceId id) {
    if (const auto found = offers_.find(id); found != offers_.end()) {
        finish_submitters(id);
        stop_accepting(found->second);
        found->second.encoded.clear();  // it is new to us when it comes again
    }
}

void Engine::forget_service(ServiceId id) {
    if (std::ranges::none_of(connections_, [id](const auto& each) { return each->service() == id; })) {
        close_service(id);
        offers_.erase(id);
        counters_.forget(id);
    }
}

void Engine::on_all_told() {
    if (told_) {
        // keysluiced began anew, and does not know of these any more.
        for (const auto& [id, offer] : offers_) {
            if (!told_->contains(id)) {
                close_service(id);
            }
        }
        told_.reset();
    }
    loaded_.clear();
    count_anew();
    if (!std::exchange(ready_, true)) {
        on_ready_();
    }
}

void Engine::list(const AskSessions& ask) {
    struct Candidate {
        TlsSessionId id;
        const Connection* connection;
    };
    std::vector<Candidate> candidates;
    for (const auto& connection : connections_) {
        if (asks_for(ask, connection->session(), connection->service())) {
            candidates.push_back({connection->session(), connection.get()});
        }
    }
    static_cast<void>(control_.send(answer_to(
        ask, std::move(candidates), [](const Candidate& candidate) { return candidate.connection->listed(); })));
}

void Engine::end_sessions(const EndSessions& end) {
    std::uint32_t count = 0;
    for (auto next = connections_.begin(); next != connections_.end();) {
        Connection& connection = **next++;  // it leaves the list
        if (asks_for(end, connection.session(), connection.service())) {
            count += connection.session() == TlsSessionId{} ? 0U : 1U;
            connection.cut_off({"closed-on-request", "an administrator has closed this session"});
        }
    }
    static_cast<void>(control_.send(SessionsEnded{.token = end.token, .count = count}));
}

Result<std::shared_ptr<ServedService>> Engine::load(ServiceId id, const std::vector<std::uint8_t>& encoded) {
    auto settings = decode_service(encoded);
    if (!settings) {
        return pass_on(std::move(settings));
    }
    auto service = std::make_shared<ServedService>();
    service->id = id;
    service->settings = std::move(*settings);
    if (service->settings.offload == Offload::require && !kernel_.carries_any()) {
        return fail("offload-required",
                    fmt::format("service {} says offload = \"require\", but {}", service->settings.name,
                                kernel_.absent ? kernel_.absent->sentence : "the kernel takes no keys"));
    }
    if (needs_kernel(service->settings) && !kernel_.carries_any()) {
        return fail("handoff-needs-kernel",
                    fmt::format("service {} gives sockets to applications, but {}", service->settings.name,
                                kernel_.absent ? kernel_.absent->sentence : "the kernel takes no keys"));
    }
    const bool export_keys = kernel_.carries_any() && service->settings.offload != Offload::off;
    const auto time = std::chrono::system_clock::now();
    service->files = FileStamps(service->settings, time);  // first: who writes meanwhile is found out later
    auto context = make_context(service->settings, export_keys, time, tickets_);
    if (!context) {
        return pass_on(std::move(context));
    }
    service->context = std::make_unique<const tls::Context>(std::move(*context));
    return service;
}

std::size_t Engine::in_use() const {
    std::size_t count = connections_.size() + submitters_.size();
    for (const auto& each : submitters_) {
        count += each->unsent();
    }
    return count;
}

bool Engine::has_room() {
    return in_use() < capacity_ &&
           ((!kernel_.carries_any() && !relays_plaintext_) || (keeper_.connected() && handovers_.has_room()));
}

void Engine::on_accepted(Acceptor& acceptor, Accepted accepted) {
    const auto& service = by_acceptor_.at(&acceptor);
    if (is_submitter(accepted)) {
        admit_submitter(service, std::move(accepted.socket));
    } else {
        begin(service, std::move(accepted));
    }
}

void Engine::begin(const std::shared_ptr<ServedService>& service, Accepted accepted,
                   std::shared_ptr<Submitter> submitter, const std::string& submission) {
    counters_.add(service->id, counter::kAccepted);
    auto& connection = connections_.emplace_front(
        std::make_unique<Connection>(*this, service, std::move(accepted), std::move(submitter), submission));
    connection->self = connections_.begin();
    connection->start();
}

void Engine::on_exhausted(Acceptor& acceptor, int error) {
    const auto& service = by_acceptor_.at(&acceptor);
    counters_.add(service->id, "paused");
    if (error != 0 || connections_.size() >= capacity_) {
        log_peer_failure(
            service->settings.name,
            {"descriptors-exhausted",
             fmt::format("accepting pauses with {} connections in this engine, which has descriptors for "
                         "{}{}{}; raise LimitNOFILE",
                         connections_.size(), capacity_, error == 0 ? "" : ": ",
                         error == 0 ? "" : std::strerror(error))});
        return;
    }
    log_peer_failure(service->settings.name,
                     {"keeper-busy",
                      "accepting pauses until the keeper takes connections again: its relay has no place "
                      "left, or it is being started"});
}

std::string Engine::status() const {
    if (!ready_) {
        return "waiting for keysluiced";
    }
    return fmt::format("{}{} services; {} connections accepted, {} handed to the kernel, {} are here",
                       draining_ ? "draining; " : "", offers_.size(), counters_.sum(counter::kAccepted),
                       counters_.sum(counter::kEstablishedKernel), connections_.size());
}

bool Engine::hand_over(const Carried& connection, std::shared_ptr<const TrafficSecrets> secrets,
                       std::vector<UniqueFd> sockets) {
    return handovers_.give(connection, std::move(secrets), std::move(sockets),
                           limiter_.count(connection.service, limits_of(connection.service), connection.origin));
}

void Engine::ended(Connection& connection) {
    auto owned = std::move(*connection.self);
    connections_.erase(owned->self);
    loop_.bury(std::move(owned));
    end_if_drained();
}

void Engine::end_if_drained() {
    if (draining_ && !busy()) {
        loop_.stop();
    }
}

void Engine::drain(std::chrono::milliseconds longest) {
    if (std::exchange(draining_, true)) {
        return;
    }
    std::chrono::milliseconds timeout{0};
    for (auto& [id, offer] : offers_) {
        offer.acceptors.clear();
        timeout = std::max(timeout, offer.service ? offer.service->settings.drain_timeout : timeout);
    }
    finish_submitters();
    longest = std::min(longest, timeout);
    static_cast<void>(keeper_.send(Draining{}));
    log_info("draining: {} connections are still here, for at most {} s", connections_.size(),
             longest.count() / 1000);
    loop_.arm(drain_timer_, now() + longest);
    end_if_drained();
}

}  // namespace keysluice
