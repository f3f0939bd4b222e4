#include "daemon/relay/relay.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/session_listing.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

/// So many messages may wait for the keeper before it is told more. Each may hold two descriptors.
constexpr std::size_t kAhead = 16;
/// Sessions that are ended on request before the others get their turn.
constexpr std::size_t kEndedAtOnce = 64;

Hello hello_from(std::uint16_t index) {
    return {.kind = ProcessKind::relay, .index = index, .pid = static_cast<std::uint32_t>(getpid())};
}

}  // namespace

Relay::Relay(Loop& loop, const std::string& runtime_directory, std::uint16_t index, OnReady on_ready)
    : loop_(loop),
      on_ready_(std::move(on_ready)),
      farewells_(loop),
      pipes_([this](const SplicePipe& pipe) {
          if (!telling_) {
              static_cast<void>(tell_pipe(pipe));
          }
      }),
      keeper_(loop, runtime_path(runtime_directory, "keeper.sock"), hello_from(index), *this),
      control_(loop, runtime_path(runtime_directory, "control.sock"), hello_from(index), *this) {
    // The keeper sends connections as soon as it is called: their services come first.
    control_.connect();
}

Relay::~Relay() = default;

void Relay::on_message(Uplink& uplink, Message message, Descriptors descriptors) {
    if (&uplink == &control_) {
        on_control_message(message, std::move(descriptors));
    } else {
        on_keeper_message(message, std::move(descriptors));
    }
}

void Relay::on_control_message(const Message& message, Descriptors descriptors) {
    if (const auto* service = std::get_if<Service>(&message)) {
        learn(*service);
    } else if (const auto* wanted = std::get_if<LoadService>(&message)) {
        // Of a service that is new here we must know before its first connection comes, by another channel.
        if (!services_.contains(wanted->id)) {
            learn({.id = wanted->id, .settings = wanted->settings});
        }
        static_cast<void>(
            control_.send(ServiceLoaded{.id = wanted->id, .reason = {}, .sentence = {}, .load = wanted->load}));
    } else if (std::holds_alternative<CountLimits>(message)) {
        take_limits(std::move(descriptors));
    } else if (std::holds_alternative<ServicesComplete>(message)) {
        count_anew();
        if (!std::exchange(keeper_called_, true)) {
            keeper_.connect();
        }
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
    }
}

void Relay::learn(const Service& offered) {
    auto settings = decode_service(offered.settings);
    if (!settings) {
        log_error("{} ({})", settings.error().sentence, settings.error().reason);
        return;
    }
    auto& service = services_[offered.id];
    if (!service || service->settings != *settings) {
        service = std::make_shared<RelayedService>(RelayedService{offered.id, std::move(*settings)});
    }
    service->closed = false;
}

void Relay::take_limits(Descriptors descriptors) {
    const auto used = limiter_.use(descriptors.empty() ? UniqueFd() : std::move(descriptors.front()));
    if (!used) {
        log_warning("limits are counted without this relay: {} ({})", used.error().sentence, used.error().reason);
    }
    count_anew();
}

CountedConnection Relay::counted(const Carried& connection) {
    const auto service = services_.find(connection.service);
    return limiter_.count(connection.service,
                          service == services_.end() ? Limits{} : service->second->settings.limits,
                          connection.origin);
}

void Relay::count_anew() {
    for (auto& [slot, held] : held_) {
        held.counted = counted(held.carried);
    }
}

void Relay::close_service(ServiceId id) {
    if (const auto service = services_.find(id); service != services_.end()) {
        service->second->closed = true;
    }
}

void Relay::forget_service(ServiceId id) {
    if (std::ranges::none_of(held_, [id](const auto& each) { return each.second.service->id == id; })) {
        services_.erase(id);
        counters_.forget(id);
    }
}

std::shared_ptr<RelayedService> Relay::service_of(const Adopt& adopted, bool connected) const {
    if (const auto found = services_.find(adopted.connection.service); found != services_.end()) {
        return found->second->closed ? nullptr : found->second;
    }
    // It was removed from the configuration before a relay, and then keysluiced, ended: what was connected goes on.
    return connected ? std::make_shared<RelayedService>(
                           RelayedService{.id = adopted.connection.service, .settings = {.name = "(removed)"}})
                     : nullptr;
}

void Relay::list(const AskSessions& ask) {
    struct Candidate {
        TlsSessionId id;
        Slot slot;
    };
    std::vector<Candidate> candidates;
    for (const auto& [slot, held] : held_) {
        if (asks_for(ask, held.id, held.service->id)) {
            candidates.push_back({held.id, slot});
        }
    }
    static_cast<void>(control_.send(answer_to(
        ask, std::move(candidates), [this](const Candidate& candidate) { return describe(candidate.slot); })));
}

ListedSession Relay::describe(Slot slot) const {
    const Held& held = held_.at(slot);
    const int tls = held.session ? held.session->tls().get() : held.tls.get();
    return {.id = held.id,
            .service = held.service->id,
            .since = held.carried.since,
            .tls13 = held.carried.tls13,
            .suite = {},
            .local = describe_local(tls),
            .remote = describe_peer(tls),
            .backend = held.session ? describe_peer(held.session->plain().get()) : "",
            .why = std::string(held.carried.plaintext ? kPlaintextRelayed : "")};
}

void Relay::end_sessions(const EndSessions& end) {
    const std::size_t before = ending_.size();
    for (const auto& [slot, held] : held_) {
        if (asks_for(end, held.id, held.service->id)) {
            ending_.emplace_back(slot, held.id);
        }
    }
    const std::size_t count = ending_.size() - before;
    static_cast<void>(control_.send(SessionsEnded{.token = end.token, .count = static_cast<std::uint32_t>(count)}));
    if (before == 0 && count > 0) {
        loop_.defer([this] { end_some(); });
    }
}

void Relay::end_some() {
    static const Error kClosed{"closed-on-request", "an administrator has closed this session"};
    for (std::size_t i = 0; i < kEndedAtOnce && !ending_.empty(); ++i) {
        const auto [slot, id] = ending_.back();
        ending_.pop_back();
        const auto found = held_.find(slot);
        if (found == held_.end() || found->second.id != id) {
            continue;
        }
        if (found->second.session) {
            found->second.session->cut_off(kClosed);
        } else {
            reset_on_close(found->second.tls.get());
            failed(found->second, found->second.client(), kClosed);
            drop(slot);
        }
    }
    if (!ending_.empty()) {
        loop_.defer([this] { end_some(); });
    }
}

void Relay::failed(const Held& held, int client, const Error& error) {
    const TlsService& settings = held.service->settings;
    const std::string peer = describe_peer(client);
    counters_.add(held.service->id, fmt::format("{}{}", counter::kFailed, error.reason));
    log_peer_failure(fmt::format("{}: {}", settings.name, peer), error);
    failures_.add(
        {.service = held.service->id, .peer = peer, .reason = std::string(error.reason), .sentence = error.sentence});
}

void Relay::on_keeper_message(const Message& message, Descriptors descriptors) {
    if (std::holds_alternative<Table>(message)) {
        inherit_table(std::move(descriptors));
    } else if (std::holds_alternative<AskHeld>(message)) {
        tell_all();
    } else if (const auto* pipe = std::get_if<Pipe>(&message)) {
        inherit_pipe(pipe->pipe, std::move(descriptors));
    } else if (const auto* adopted = std::get_if<Adopt>(&message)) {
        adopt(*adopted, std::move(descriptors));
    }
}

void Relay::inherit_table(Descriptors descriptors) {
    if (has_table_) {
        // Only the channel broke. Connections here live in our table, whatever another one says.
        if (descriptors.size() != 1 || !table_.is(descriptors[0])) {
            log_error("the keeper has another relay's table for this number: are there two of us?");
            loop_.stop();
        }
        return;
    }
    auto table = descriptors.size() == 1 ? ConnectionTable::open(std::move(descriptors[0]))
                                         : fail("message-malformed", "the keeper sent no table");
    if (!table) {
        log_error("{} ({})", table.error().sentence, table.error().reason);
        loop_.stop();
        return;
    }
    table_ = std::move(*table);
    if (!table_.keeps_secrets()) {
        log_warning(
            "connections can't change their keys: the limit of locked memory is too low for their secrets "
            "(LimitMEMLOCK=, ulimit -l)");
    }
    has_table_ = true;
    on_ready_();
}

std::string Relay::status() const {
    if (!keeper_called_) {
        return "waiting for keysluiced";
    }
    if (!has_table_) {
        return "waiting for the keeper";
    }
    return fmt::format("{} connections are carried by the kernel", held_.size());
}

void Relay::inherit_pipe(PipeId id, Descriptors ends) {
    SplicePipe* pipe = ends.size() == 2 ? pipes_.inherit(id, std::move(ends[0]), std::move(ends[1])) : nullptr;
    if (pipe == nullptr) {
        return;
    }
    // A pipe that no connection names is empty: the table names it before the first byte and until the last one.
    const auto noted = static_cast<std::uint16_t>(id.value + 1);
    const bool in_use = std::ranges::any_of(table_.entries(), [noted](const TableEntry& entry) {
        return entry.used != 0 && (entry.pipe_to_plain == noted || entry.pipe_to_tls == noted);
    });
    if (!in_use) {
        pipes_.give_back(pipe);
    }
}

bool Relay::tell_pipe(const SplicePipe& pipe) {
    Descriptors ends;
    ends.push_back(duplicate_fd(pipe.read_end));
    ends.push_back(duplicate_fd(pipe.write_end));
    return keeper_.send(Pipe{pipe.id}, std::move(ends));
}

void Relay::tell_all() {
    Telling& telling = telling_.emplace(Telling{.pipes = 0, .slots = {}});
    if (has_table_) {
        Descriptors file;
        file.push_back(duplicate_fd(table_.file()));
        static_cast<void>(keeper_.send(Table{}, std::move(file)));
        for (const auto& [slot, held] : held_) {
            telling.slots.push_back(slot);
        }
    }
    tell_rest();
}

void Relay::tell_rest() {
    while (telling_ && keeper_.queued() < kAhead) {
        if (!tell_next(*telling_)) {
            return;  // no descriptor is left for a duplicate: the end of a connection brings some
        }
    }
}

bool Relay::tell_next(Telling& telling) {
    if (telling.pipes < pipes_.size()) {
        if (!tell_pipe(*pipes_.find({telling.pipes}))) {
            return false;
        }
        ++telling.pipes;
        return true;
    }
    if (telling.slots.empty()) {
        telling_.reset();
        return keeper_.send(HeldComplete{});
    }
    const Slot slot = telling.slots.back();
    const auto found = held_.find(slot);
    if (found != held_.end()) {
        const Held& held = found->second;
        Descriptors sockets;
        sockets.push_back(duplicate_fd(held.session ? held.session->tls() : held.tls));
        if (held.session) {
            sockets.push_back(duplicate_fd(held.session->plain()));
        }
        if (!keeper_.send(Adopt{slot, held.carried}, std::move(sockets))) {
            return false;
        }
    }
    telling.slots.pop_back();
    return true;
}

void Relay::on_drained(Uplink& uplink) {
    if (&uplink == &keeper_) {
        tell_rest();
    }
}

void Relay::adopt(const Adopt& adopted, Descriptors descriptors) {
    if (held_.contains(adopted.slot)) {
        return;  // the keeper tells everything again when only the channel broke
    }
    auto service = service_of(adopted, descriptors.size() > 1);
    const bool complete = table_.holds(adopted.slot) && !descriptors.empty();
    if (!complete || !service) {
        if (!complete || !services_.contains(adopted.connection.service)) {
            log_error("a connection of service {:x} can't be taken over: {}", adopted.connection.service.value,
                      descriptors.empty() ? "its socket is missing" : "its service or place is not known here");
        }
        for (const UniqueFd& socket : descriptors) {
            reset_on_close(socket.get());
        }
        released_.push_back(adopted.slot);
        send_releases();
        return;
    }
    Held& held = held_[adopted.slot];
    held.service = std::move(service);
    held.carried = adopted.connection;
    held.counted = counted(held.carried);
    held.tls = std::move(descriptors[0]);
    held.id = session_id_of(held.tls.get());
    count_active(held, 1);
    if (descriptors.size() > 1) {
        begin(adopted.slot, std::move(descriptors[1]));
    } else {
        connect_backend(adopted.slot);
    }
}

void Relay::connect_backend(Slot slot) {
    Held& held = held_.at(slot);
    const TlsService& settings = held.service->settings;
    held.connector =
        std::make_unique<Connector>(loop_, settings.connect, held.service->next_target++, settings.connect_timeout,
                                    [this, slot](Result<UniqueFd> backend) { on_backend(slot, std::move(backend)); });
    held.connector->start();
}

void Relay::on_backend(Slot slot, Result<UniqueFd> backend) {
    Held& held = held_.at(slot);
    loop_.bury(std::move(held.connector));
    if (backend) {
        Descriptors copy;
        copy.push_back(duplicate_fd(backend->get()));
        static_cast<void>(keeper_.send(Attach{slot}, std::move(copy)));
        begin(slot, std::move(*backend));
        return;
    }
    failed(held, held.client(), backend.error());
    if (held.carried.plaintext) {
        reset_on_close(held.tls.get());
    } else {
        const auto alert = ktls::encode_alert(ktls::AlertDescription::internal_error);
        static_cast<void>(ktls::send_control(held.tls.get(), ktls::ContentType::alert, alert));
        farewells_.add(std::move(held.tls));
    }
    drop(slot);
}

void Relay::begin(Slot slot, UniqueFd plain) {
    Held& held = held_.at(slot);
    held.session = std::make_unique<Session>(
        *this, Session::Place{slot, table_.at(slot), table_.secrets(slot)},
        held.carried.tls13 ? ktls::Version::tls13 : ktls::Version::tls12, std::move(held.tls), std::move(plain),
        held.service->settings.close_timeout, held.service->settings.rekey_after, held.service->settings.limits);
    held.session->start();
}

void Relay::on_ticket(Session& session, Bytes message) {
    Held& held = held_.at(session.slot());
    const TlsService& settings = held.service->settings;
    const bool kept = settings.mode == Mode::client && settings.session_lifetime.count() > 0;
    // One for each connection is enough to resume the next one, and a server may send any number.
    if (kept && message.size() <= kLongestTicket && !std::exchange(held.gave_ticket, true)) {
        static_cast<void>(
            control_.send(TicketReceived{.session = held.id, .message = {message.begin(), message.end()}}));
    }
}

void Relay::come_back(Session& session) {
    if (coming_back_.empty()) {
        loop_.defer([this] {
            for (const Slot slot : std::exchange(coming_back_, {})) {
                const auto found = held_.find(slot);
                if (found != held_.end() && found->second.session) {
                    found->second.session->resume();
                }
            }
        });
    }
    coming_back_.push_back(session.slot());
}

void Relay::on_ended(Session& session, const Error* error, UniqueFd farewell) {
    const Slot slot = session.slot();
    const Held& held = held_.at(slot);
    if (error != nullptr) {
        failed(held, farewell ? farewell.get() : held.client(), *error);
    }
    if (farewell) {
        farewells_.add(std::move(farewell));
    }
    drop(slot);
}

void Relay::count_active(const Held& held, int more) {
    counters_.add(held.service->id, held.carried.plaintext ? counter::kActivePlaintext : counter::kActiveKernel,
                  more);
}

void Relay::drop(Slot slot) {
    const auto found = held_.find(slot);
    count_active(found->second, -1);
    loop_.bury(std::move(found->second.session));
    held_.erase(found);
    table_.end(slot);
    released_.push_back(slot);
    if (released_.size() == 1) {
        loop_.defer([this] { send_releases(); });
    } else if (released_.size() == kMaximumListed) {
        send_releases();
    }
}

void Relay::send_releases() {
    static_cast<void>(keeper_.send(Release{std::exchange(released_, {})}));
    tell_rest();
}

}  // namespace keysluice
