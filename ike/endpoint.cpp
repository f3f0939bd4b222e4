#include "ike/endpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ike/auth.hpp"
#include "ike/child_events.hpp"
#include "ike/child_install.hpp"
#include "ike/create_child.hpp"
#include "ike/delay.hpp"
#include "ike/eap_auth.hpp"
#include "ike/informational.hpp"
#include "ike/init.hpp"
#include "ike/liveness.hpp"
#include "ike/mobility.hpp"
#include "ike/peer_address.hpp"
#include "ike/receive.hpp"
#include "ike/rekey_ike.hpp"
#include "ike/twins.hpp"
#include "ike/wire/rules.hpp"

namespace keysluice::ike {
namespace {

bool is_request_for_new_sa(const wire::Header& header) {
    return header.exchange == wire::ExchangeType::ike_sa_init && !header.is_response && header.from_initiator &&
           header.responder_spi.value == 0 && header.message_id.value == 0;
}

bool alive(const Sa& sa) {
    return sa.state == State::init_sent || sa.state == State::auth_sent || sa.state == State::established ||
           (sa.initiator && (sa.state == State::signing || sa.state == State::verifying || sa.state == State::eap));
}

/// A responder's IKE SA that takes up room for somebody who has not proved who it is, even once it is dead.
bool unproven(const Sa& sa) {
    return !sa.initiator && sa.established_at == Instant{};
}

/// Of a request that belongs to no IKE SA yet.
void report_refusal(Context& context, const UdpEndpoint& peer, Error error) {
    context.actions.emplace_back(Report{.kind = Report::Kind::refused,
                                        .connection = {},
                                        .child = {},
                                        .peer = peer,
                                        .sa = {},
                                        .error = std::move(error)});
}

}  // namespace

Endpoint::Endpoint(Settings settings, Random& random) : settings_(std::move(settings)), random_(random) {}

Endpoint::~Endpoint() = default;

void Endpoint::configure(const std::vector<ConnectionPtr>& connections) {
    connections_.configure(connections);
    std::erase_if(given_, [this](const auto& each) { return connections_.find(each.first) == nullptr; });
    configure_gateways(connections);
    for (const auto& [name, wanted] : WantedByName(wanted_.all())) {
        const ConnectionPtr rules = connections_.find(name);
        if (!rules || !rules->keep_up) {
            wanted_.remove(name);
        }
    }
}

void Endpoint::restore(std::vector<std::unique_ptr<Sa>> sas, const WantedByName& wanted) {
    for (const auto& [name, each] : wanted) {
        wanted_.put(name, each);
    }
    for (auto& sa : sas) {
        for (const ChildSa& child : sa->children) {
            next_reqid_ = std::max(next_reqid_, child.spec.reqid.value + 1);
        }
        Sa& adopted = adopt(std::move(sa));
        if (unproven(adopted)) {
            count_half_open(adopted, adopted.remote);
        }
        for (const ChildSa& child : adopted.children) {
            owners_[child.spec.inbound] = adopted.own_spi();
        }
        for_offers(adopted, [&](const ChildOffer& offer) { offered_.insert(offer.inbound); });
        if (adopted.given) {
            given_[adopted.connection->name] = adopted.given->addresses;
        }
        deadlines_.set(adopted, ike::next_deadline(adopted, settings_));
    }
    heed_addresses(settings_.addresses);
    touched_.clear();
}

void Endpoint::restored(const GatewayUses& uses) {
    restore_reauthentications();
    restore_gateways(uses);
    touched_.clear();
}

Actions Endpoint::unconfirmed() const {
    Actions actions;
    for (const auto& [spi, sa] : sas_) {
        for (const ChildSa& child : sa->children) {
            if (auto action = ike::unconfirmed(child)) {
                actions.push_back(*std::move(action));
            }
        }
    }
    return actions;
}

Actions Endpoint::on(const Event& event, Instant now) {
    Actions actions;
    Context context{tools_, random_, *this, settings_, now, actions};
    context_ = &context;
    gateways_changed_ = false;
    std::visit([&](const auto& each) { handle(context, each); }, event);
    follow_reauthentications(context);
    follow_gateways(context);
    context_ = nullptr;
    for (const Action& action : actions) {
        if (const auto* removed = std::get_if<RemoveChild>(&action)) {
            owners_.erase(removed->spec.inbound);
        }
    }
    tidy(now);
    return actions;
}

Instant Endpoint::next_deadline() const {
    const Instant twins = twins_.empty() ? Instant::max() : twins_.begin()->first;
    const Instant looks = looks_.empty() ? Instant::max() : looks_.begin()->first;
    return std::min({deadlines_.next(), wanted_.next(), twins, looks});
}

const char* Endpoint::inconsistency() const {
    for (const auto& [spi, sa] : sas_) {
        if (const char* fault = ike::inconsistency(*sa)) {
            return fault;
        }
    }
    return nullptr;
}

// ---- Registry

IkeSpi Endpoint::new_ike_spi() {
    IkeSpi spi;
    while (spi.value == 0 || sas_.contains(spi)) {
        spi.value = random_.number<std::uint64_t>();
    }
    return spi;
}

EspSpi Endpoint::new_esp_spi() {
    // RFC 4303 section 2.1: "The set of SPI values in the range 1 through 255 is reserved".
    EspSpi spi;
    while (spi.value < 256 || owners_.contains(spi) || offered_.contains(spi)) {
        spi.value = random_.number<std::uint32_t>();
    }
    offered_.insert(spi);
    offered_before_.push_back(spi);
    return spi;
}

Sa* Endpoint::find(IkeSpi own) {
    const auto found = sas_.find(own);
    if (found == sas_.end()) {
        return nullptr;
    }
    touched_.push_back(own);
    for_offers(*found->second, [&](const ChildOffer& offer) { offered_before_.push_back(offer.inbound); });
    return found->second.get();
}

Sa& Endpoint::adopt(std::unique_ptr<Sa> sa) {
    Sa& adopted = *sa;
    touched_.push_back(adopted.own_spi());
    sas_[adopted.own_spi()] = std::move(sa);
    if (adopted.assigned) {
        for (const IpAddress& address : adopted.assigned->addresses) {
            leases_.hold(address, adopted.peer_id);
        }
    }
    if (index_.update(adopted)) {
        watch_twins(adopted);
    }
    return adopted;
}

bool Endpoint::knows_peer(const Sa& sa) {
    const auto others = index_.of_connection(sa.connection->name);
    const bool stands = std::ranges::any_of(others, [&](IkeSpi spi) {
        const Sa& other = *sas_.at(spi);
        return &other != &sa && other.state == State::established;
    });
    return stands || half_open_by_address_.contains(sa.remote.address);
}

void Endpoint::forget_others(const Sa& sa, Instant began_at) {
    for (const IkeSpi spi : index_.near_peer(sa.connection->name, sa.peer_id)) {
        const Sa& other = *sas_.at(spi);
        const bool same_ends = other.connection->name == sa.connection->name && same(other.peer_id, sa.peer_id);
        // RFC 7296 section 2.4: "the recipient MAY use this information to delete any other IKE SAs it has to the
        // same authenticated identity without waiting for a timeout." One that came about since, the peer knows.
        if (&other != &sa && same_ends && other.established_at <= began_at) {
            Sa& over = *find(spi);
            end(*context_, over);
            release_leases(over);  // the peer may ask for an address in the same message
        }
    }
}

std::vector<IpAddress> Endpoint::wishes(const Connection& connection) {
    std::vector<IpAddress> wishes = connection.virtual_addresses;
    const auto found = given_.find(connection.name);
    std::vector<IpAddress> given = found == given_.end() ? std::vector<IpAddress>{} : found->second;
    for (IpAddress& wish : wishes) {
        const auto known = std::ranges::find(given, wish.family(), &IpAddress::family);
        if (known != given.end() && wish.unspecified()) {
            wish = *known;
            given.erase(known);  // of several of a family, each is asked for once
        }
    }
    return wishes;
}

std::vector<IkeSpi> Endpoint::of_same_peer(const Sa& sa) const {
    std::vector<IkeSpi> spis = index_.near_peer(sa.connection->name, sa.peer_id);
    std::erase_if(spis, [&](IkeSpi spi) {
        const Sa& other = *sas_.at(spi);
        return &other == &sa || other.state != State::established || other.connection->name != sa.connection->name ||
               other.remote.address != sa.remote.address || !same(other.peer_id, sa.peer_id);
    });
    return spis;
}

Sa* Endpoint::twin_of(const Sa& sa) {
    const auto others = of_same_peer(sa);
    const auto found = std::ranges::find_if(others, [&](IkeSpi spi) { return stands_for(*sas_.at(spi), sa); });
    return found == others.end() ? nullptr : find(*found);
}

bool Endpoint::stands_beside(const Sa& sa, const ChildSa& child) {
    return std::ranges::any_of(of_same_peer(sa), [&](IkeSpi spi) {
        const Sa& other = *sas_.at(spi);
        return !other.mobility.leads && ike::twin_of(other, child) != nullptr;
    });
}

// ---- events

void Endpoint::handle(Context& context, const DatagramReceived& datagram) {
    context.came_by = Ends{datagram.local, datagram.remote};
    auto message = wire::parse(datagram.bytes);
    if (!message) {
        if (message.error().reason == "ike-version") {
            on_other_version(context, datagram, std::move(message).error());
        }
        return;  // the rest is from anybody, about nothing
    }
    const wire::Header& header = message->header;
    if (is_request_for_new_sa(header)) {
        on_init_request(context, *message, datagram);
        return;
    }
    if (Sa* sa = find(header.from_initiator ? header.responder_spi : header.initiator_spi)) {
        const bool same_pair =
            sa->peer_spi() == (header.from_initiator ? header.initiator_spi : header.responder_spi);
        if (same_pair || sa->state == State::init_sent) {
            on_message(context, *sa, *message, datagram);
        }
    }
}

void Endpoint::refuse(Context& context, const wire::Header& request, const DatagramReceived& datagram,
                      const Payloads& answer) {
    if (answer.empty()) {
        return;
    }
    wire::Header header = request;
    header.from_initiator = false;
    header.is_response = true;
    send_datagrams(context, datagram.local, datagram.remote, {wire::emit(header, answer)});
}

void Endpoint::on_other_version(Context& context, const DatagramReceived& datagram, Error error) {
    wire::Header header = wire::parse_header(datagram.bytes)->header;
    if (header.is_response) {
        return;
    }
    report_refusal(context, datagram.remote, std::move(error));
    // RFC 7296 section 2.5: "If an endpoint receives a message with a higher major version number, it MUST drop the
    // message and SHOULD send an unauthenticated Notify message of type INVALID_MAJOR_VERSION".
    if (header.major_version > wire::Header{}.major_version) {
        header.major_version = wire::Header{}.major_version;
        refuse(context, header, datagram, {notify(wire::NotifyType::invalid_major_version)});
    }
}

bool Endpoint::cookie_passes(Context& context, const wire::Outer& message, const DatagramReceived& datagram) {
    if (half_open_.size() < settings_.cookie_after) {
        return true;
    }
    const auto* nonce = ike::find<wire::NoncePayload>(message.payloads);
    if (nonce == nullptr) {
        return false;
    }
    const IkeSpi spi = message.header.initiator_spi;
    const auto* cookie = find_notify(message.payloads, wire::NotifyType::cookie);
    if (cookie != nullptr && cookies_.check(tools_, context.now, datagram.remote, spi, nonce->data, cookie->data)) {
        return true;
    }
    const auto fresh = cookies_.make(tools_, random_, context.now, datagram.remote, spi, nonce->data);
    refuse(context, message.header, datagram, {notify(wire::NotifyType::cookie, fresh)});
    return false;
}

void Endpoint::on_init_request(Context& context, const wire::Outer& message, const DatagramReceived& datagram) {
    const std::pair key{datagram.remote, message.header.initiator_spi};
    if (const auto known = half_open_.find(key); known != half_open_.end()) {
        on_message(context, *find(known->second), message, datagram);
        return;
    }
    if (message.encrypted || !wire::check(message.header, message.payloads, {}, false)) {
        return;
    }
    if (auto refusal = unsupported_critical(message.payloads)) {
        // RFC 7296 section 2.5: "If the critical flag is set and the payload type is unrecognized, the message MUST
        // be rejected".
        report_refusal(context, datagram.remote, critical_error(message.payloads));
        refuse(context, message.header, datagram, {*std::move(refusal)});
        return;
    }
    const auto from_address = half_open_by_address_.find(datagram.remote.address);
    const std::size_t same_address = from_address == half_open_by_address_.end() ? 0 : from_address->second;
    const bool crowded = settings_.half_open_per_address != 0 && same_address >= settings_.half_open_per_address;
    if (crowded || half_open_.size() >= settings_.half_open_most || !cookie_passes(context, message, datagram)) {
        return;
    }
    InitAnswer answer = ike::on_init_request(context, message, datagram.bytes, datagram.local, datagram.remote);
    if (answer.refusal) {
        report_refusal(context, datagram.remote, *std::move(answer.refusal));
    }
    if (!answer.sa) {
        refuse(context, message.header, datagram, answer.answer);
        return;
    }
    count_half_open(adopt(std::move(answer.sa)), datagram.remote);
}

void Endpoint::handle(Context& context, const TimePassed& /*event*/) {
    std::vector<IkeSpi> due;
    while (const Sa* sa = deadlines_.take_due(context.now)) {
        due.push_back(sa->own_spi());
    }
    for (const IkeSpi spi : due) {
        if (Sa* sa = find(spi); sa != nullptr && ike::next_deadline(*sa, settings_) <= context.now) {
            on_time(context, *sa);
            look_at_lifetime(context, *sa);
        }
    }
    while (!twins_.empty() && twins_.begin()->first <= context.now) {
        settle_twins(context, twins_.extract(twins_.begin()).value().second);
    }
    while (!looks_.empty() && looks_.begin()->first <= context.now) {
        look_for_better(context, looks_.extract(looks_.begin()).value().second);
    }
    pursue_wanted(context);
}

void Endpoint::watch_twins(const Sa& sa) {
    if (!of_same_peer(sa).empty() || has_twins(sa)) {
        twins_.emplace(sa.established_at + settings_.patience_with_twins, sa.own_spi());
    }
}

void Endpoint::settle_twins(Context& context, IkeSpi spi) {
    Sa* survivor = find(spi);
    if (survivor == nullptr || survivor->state != State::established) {
        return;
    }
    if (survivor->reauth.old || survivor->reauth.fresh) {
        twins_.emplace(context.now + look_again_after(settings_), spi);
        return;
    }
    auto others = of_same_peer(*survivor);
    // What comes in the place of another one is no twin of it.
    std::erase_if(others, [&](IkeSpi each) { return sas_.at(each)->reauth.old || sas_.at(each)->reauth.fresh; });
    for (IkeSpi& each : others) {
        if (Sa* other = find(each); outlives(*other, *survivor)) {
            each = survivor->own_spi();
            survivor = other;
        }
    }
    close_twins(context, *survivor);
    for (const IkeSpi each : others) {
        Sa& other = *find(each);
        if (!other.initiator || yield_to_twin(context, other, *survivor)) {
            continue;
        }
        const bool lacks = !stands_for(*survivor, other);
        twins_.emplace(context.now + (lacks ? survivor->connection->retry.most : look_again_after(settings_)), spi);
        for (const ChildSa& child : other.children) {
            if (ike::twin_of(*survivor, child) == nullptr) {
                complete(context, *survivor, child.spec.child);
            }
        }
    }
}

void Endpoint::pursue_wanted(Context& context) {
    for (const std::string& name : wanted_.due(context.now)) {
        const ConnectionPtr rules = connections_.find(name);
        Sa* const sa = standing(name);
        Wanted wanted = *wanted_.find(name);
        const bool lasts =
            sa != nullptr && sa->established_at != Instant{} && context.now - sa->established_at >= rules->retry.most;
        wanted.wait = lasts ? Duration::zero() : rules->retry.after(wanted.wait);
        wanted.look_at = context.now + (lasts ? rules->retry.most : wanted.wait);
        wanted_.put(name, wanted);
        if (sa != nullptr) {
            complete(context, *sa, {});
        } else if (GatewayUse* use = use_of(name)) {
            begin_round(context, *rules, *use);
        } else {
            begin(context, rules, {}, wanted.local, wanted.remote);
        }
    }
}

/// Asks for the children that the SA lacks.
void Endpoint::complete(Context& context, Sa& sa, const std::string& child,
                        const std::optional<PacketSelectors>& packet) {
    for (const ChildRule& rule : sa.connection->children) {
        if ((child.empty() || rule.name == child) && !has_child(sa, rule.name)) {
            ChildOffer offer = new_offer(context, sa, rule, nullptr, true);
            offer_for_packet(offer, rule, packet);
            sa.waiting.emplace_back(std::move(offer));
        }
    }
    start_next(context, sa);
}

void Endpoint::begin(Context& context, const ConnectionPtr& connection, const std::string& child,
                     const UdpEndpoint& local, const UdpEndpoint& remote,
                     const std::optional<PacketSelectors>& packet) {
    for (const ChildRule& rule : connection->children) {
        if (child.empty() || rule.name == child) {
            Sa& sa = adopt(initiate(context, connection, rule, local, remote));
            if (auto* offer = sa.negotiation ? &sa.negotiation->child : nullptr; offer != nullptr && *offer) {
                offer_for_packet(**offer, rule, packet);  // it goes out with IKE_AUTH
            }
            if (child.empty() && sa.state != State::dead) {
                complete(context, sa, child);
            }
            return;
        }
    }
}

/// Not the one with which a better gateway is tried, nor what the peer is about to put in the place of that.
Sa* Endpoint::standing(const std::string& connection) {
    const auto use = gateways_.find(connection);
    const IkeSpi tried = use == gateways_.end() ? IkeSpi{} : use->second.probe.value_or(IkeSpi{});
    for (const IkeSpi spi : index_.of_connection(connection)) {
        const Sa& sa = *sas_.at(spi);
        if (spi != tried && sa.predecessor != tried && alive(sa) && !comes_in_place(sa)) {
            return find(spi);
        }
    }
    return nullptr;
}

Sa* Endpoint::owner_of(EspSpi inbound) {
    const auto owner = owners_.find(inbound);
    Sa* sa = owner == owners_.end() ? nullptr : find(owner->second);
    return sa != nullptr && sa->find_child(inbound) != nullptr ? sa : nullptr;
}

void Endpoint::handle(Context& context, const Initiate& event) {
    const ConnectionPtr rules = connections_.find(event.connection);
    if (!rules) {
        return;
    }
    if (event.probe) {
        begin_probe(context, rules, event);
        return;
    }
    if (rules->keep_up) {
        Wanted wanted{event.local, event.remote, context.now + rules->retry.first, {}};
        if (const Wanted* known = wanted_.find(event.connection); known != nullptr && rules->gateways.several()) {
            wanted.look_at = known->look_at;  // the pauses are between rounds
            wanted.wait = known->wait;
        }
        wanted_.put(event.connection, wanted);
    }
    want(context, *rules, event.child, event.remote);
    if (Sa* sa = standing(event.connection)) {
        complete(context, *sa, event.child, event.packet);
    } else {
        begin(context, rules, event.child, event.local, event.remote, event.packet);
    }
}

void Endpoint::handle(Context& context, const Terminate& event) {
    if (!event.sa) {
        wanted_.remove(event.connection);
    }
    forget_gateways(event);
    for (const IkeSpi spi : index_.of_connection(event.connection)) {
        const Sa& sa = *sas_.at(spi);
        const bool meant = event.sa.value_or(spi) == spi;
        if (meant || (sa.reauth.old && sa.reauth.old == event.sa)) {
            close(context, *find(spi));
        }
    }
}

void Endpoint::handle(Context& context, const Rekey& event) {
    for (const IkeSpi spi : index_.of_connection(event.connection)) {
        Sa& sa = *find(spi);
        if (sa.state != State::established || event.sa.value_or(spi) != spi) {
            continue;
        }
        if (event.child.empty()) {
            sa.rekey_at = context.now;
        }
        for (ChildSa& child : sa.children) {
            if (child.state == ChildState::installed && child.spec.child == event.child) {
                child.rekey_at = context.now;
            }
        }
        on_time(context, sa);
    }
}

void Endpoint::handle(Context& context, const ChildInstalled& event) {
    if (Sa* sa = owner_of(event.inbound)) {
        on_child_installed(context, *sa, event.inbound, event.result);
        if (has_twins(*sa)) {
            twins_.emplace(context.now + settings_.patience_with_twins, sa->own_spi());
        }
    }
}

void Endpoint::handle(Context& /*context*/, const OutboundInstalled& event) {
    if (Sa* sa = owner_of(event.inbound)) {
        on_outbound_installed(*sa, event.inbound);
    }
}

void Endpoint::handle(Context& context, const ChildLost& event) {
    if (Sa* sa = owner_of(event.inbound); sa != nullptr && on_child_lost(context, *sa, event)) {
        complete(context, *sa, sa->find_child(event.inbound)->spec.child);
    }
}

void Endpoint::handle(Context& context, const ChildSpent& event) {
    if (Sa* sa = owner_of(event.inbound)) {
        on_child_spent(context, *sa, event.inbound);
    }
}

void Endpoint::handle(Context& context, const OffloadLost& event) {
    if (const Sa* sa = owner_of(event.inbound)) {
        report(context, *sa, Report::Kind::offload_lost, event.why, sa->find_child(event.inbound)->spec.child);
    }
}

void Endpoint::handle(Context& context, const OffloadRegained& event) {
    if (const Sa* sa = owner_of(event.inbound)) {
        report(context, *sa, Report::Kind::offload_regained, {}, sa->find_child(event.inbound)->spec.child);
    }
}

void Endpoint::handle(Context& context, const OffloadMoved& event) {
    if (const Sa* sa = owner_of(event.inbound)) {
        report(
            context, *sa, Report::Kind::offload_moved,
            {"route-changed", fmt::format("packets go by the network device {} now, and not by {}: it does its part "
                                          "of the same SAs",
                                          event.to, event.from)},
            sa->find_child(event.inbound)->spec.child);
        std::get<Report>(context.actions.back()).devices.emplace(event.from, event.to);
    }
}

void Endpoint::handle(Context& context, const PeerMoved& event) {
    if (Sa* sa = owner_of(event.inbound)) {
        learn_esp_address(context, *sa, event.remote);
        start_next(context, *sa);
    }
}

void Endpoint::heed_addresses(std::vector<IpAddress> own) {
    for (const auto& [name, given] : given_) {
        std::erase_if(own, [&](const IpAddress& each) { return std::ranges::find(given, each) != given.end(); });
    }
    settings_.addresses = std::move(own);
}

void Endpoint::handle(Context& context, const OwnAddresses& event) {
    heed_addresses(event.addresses);
    std::vector<IkeSpi> concerned;
    for (const auto& [spi, sa] : sas_) {
        if (heeds_addresses(context, *sa)) {
            concerned.push_back(spi);
        }
    }
    for (const IkeSpi spi : concerned) {
        Sa& sa = *find(spi);
        on_own_addresses(context, sa);
        start_next(context, sa);
    }
}

void Endpoint::handle(Context& context, const PathsFound& event) {
    Sa* const sa = find(event.sa);
    if (sa == nullptr) {
        return;
    }
    PathsFound outside = event;
    if (const auto given = given_.find(sa->connection->name); given != given_.end()) {
        std::erase_if(outside.paths, [&](const Path& each) {  // the tunnel is no way to its own end
            return std::ranges::find(given->second, each.local) != given->second.end();
        });
    }
    on_paths_found(context, *sa, outside);
    start_next(context, *sa);
    // Another one would begin from there.
    const Wanted* found = wanted_.find(sa->connection->name);
    const auto way = found == nullptr ? outside.paths.end()
                                      : std::ranges::find(outside.paths, found->remote.address, &Path::remote);
    if (way != outside.paths.end()) {
        Wanted wanted = *found;
        wanted.local.address = way->local;
        wanted_.put(sa->connection->name, wanted);
    }
}

void Endpoint::handle(Context& context, const Signed& event) {
    if (Sa* sa = find(event.sa)) {
        on_signed(context, *sa, event);
        start_next(context, *sa);
    }
}

void Endpoint::handle(Context& context, const PeerVerified& event) {
    if (Sa* sa = find(event.sa)) {
        on_peer_verified(context, *sa, event);
        start_next(context, *sa);
    }
}

void Endpoint::handle(Context& context, const TlsAnswered& event) {
    if (Sa* sa = find(event.sa)) {
        on_tls_answered(context, *sa, event);
        start_next(context, *sa);
    }
}

void Endpoint::handle(Context& context, const KeysExchanged& event) {
    if (Sa* sa = find(event.sa)) {
        on_keys_exchanged(context, *sa, event);
        start_next(context, *sa);
    }
}

void Endpoint::handle(Context& context, const TrafficCounted& event) {
    if (Sa* sa = find(event.sa)) {
        on_traffic(context, *sa, event);
    }
}

// ---- after each event

void Endpoint::count_half_open(Sa& sa, const UdpEndpoint& from) {
    sa.half_open_from = from;
    half_open_.emplace(std::pair{from, sa.initiator_spi}, sa.own_spi());
    ++half_open_by_address_[from.address];
}

void Endpoint::forget_half_open(Sa& sa) {
    const UdpEndpoint from = sa.half_open_from.value_or(sa.remote);
    half_open_.erase({from, sa.initiator_spi});
    const auto count = half_open_by_address_.find(from.address);
    if (count != half_open_by_address_.end() && --count->second == 0) {
        half_open_by_address_.erase(count);
    }
    sa.half_open_from.reset();
}

/// A connection that somebody wants has lost an IKE SA.
void Endpoint::look_soon(const std::string& connection, Instant now) {
    if (const Wanted* found = wanted_.find(connection)) {
        Wanted wanted = *found;
        const Duration first = connections_.find(connection)->retry.first;
        wanted.look_at = std::min(wanted.look_at, now + std::max(wanted.wait, first));
        wanted_.put(connection, wanted);
    }
}

void Endpoint::release_leases(Sa& sa) {
    if (sa.assigned) {
        for (const IpAddress& address : sa.assigned->addresses) {
            leases_.release(address);
        }
        sa.assigned.reset();
    }
}

void Endpoint::tidy(Instant now) {
    for (const EspSpi spi : std::exchange(offered_before_, {})) {
        offered_.erase(spi);
    }
    for (const IkeSpi spi : touched_) {
        const auto found = sas_.find(spi);
        if (found == sas_.end()) {
            continue;
        }
        Sa& sa = *found->second;
        const bool over = sa.state == State::dead && now >= sa.close_at;
        if (sa.half_open_from && (over || !unproven(sa))) {
            forget_half_open(sa);
        }
        if (sa.state == State::dead) {
            look_soon(sa.connection->name, now);
            release_leases(sa);
        }
        if (sa.given) {
            given_[sa.connection->name] = sa.given->addresses;
        }
        if (index_.update(sa)) {
            watch_twins(sa);
        }
        for (const ChildSa& child : sa.children) {
            owners_[child.spec.inbound] = spi;
        }
        for_offers(sa, [&](const ChildOffer& offer) { offered_.insert(offer.inbound); });
        if (over) {
            deadlines_.remove(sa);
            sas_.erase(found);
        } else {
            deadlines_.set(sa, ike::next_deadline(sa, settings_));
        }
    }
    changed_ = std::exchange(touched_, {});
}

}  // namespace keysluice::ike
