#include "ike/mobility.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "ike/create_child.hpp"
#include "ike/informational.hpp"
#include "ike/init.hpp"
#include "ike/nat_detection.hpp"

namespace keysluice::ike {
namespace {

using wire::NotifyType;

/// So many sendings of a request without an answer, and the path is doubted.
constexpr unsigned kDoubtedAfter = 2;
/// Of addresses that a peer is told, and that we believe.
constexpr std::size_t kMostAddresses = 8;
constexpr std::size_t kCookieSize = 16;  // section 4.2.5: "between 8 and 64 octets in length (inclusive)"

template <typename Kind>
bool waits_for(const Sa& sa) {
    return std::ranges::any_of(sa.waiting, [](const Task& task) { return std::holds_alternative<Kind>(task); });
}

template <typename Kind>
void ask_next(Sa& sa) {
    if (!waits_for<Kind>(sa)) {
        sa.waiting.emplace_front(Kind{});
    }
}

bool has(const Payloads& payloads, NotifyType type) {
    return find_notify(payloads, type) != nullptr;
}

void announce_ends(Payloads& payloads, const Sa& sa, const Ends& ends) {
    announce_addresses(payloads, sa.initiator_spi, sa.responder_spi, ends.local, ends.remote);
}

// ---- additional addresses

bool is_own(const Context& context, const IpAddress& address) {
    const auto& own = context.settings.addresses;
    return std::ranges::find(own, address) != own.end();
}

/// Where the peer gets by the tunnel alone: its packets to the tunnel's end would have to go through the tunnel.
bool is_behind(const Sa& sa, const IpAddress& address) {
    const auto protects = [&](const IpAddress& each) {
        return std::ranges::any_of(sa.connection->children,
                                   [&](const ChildRule& child) { return covers(child.local, {selector_of(each)}); });
    };
    return protects(address) && !protects(sa.local.address);
}

/// Ours beside the one in use. A connection that is bound to one address has no others.
std::vector<IpAddress> other_addresses(const Context& context, const Sa& sa) {
    std::vector<IpAddress> others;
    if (!sa.connection->local) {
        std::ranges::copy_if(context.settings.addresses, std::back_inserter(others),
                             [&](const IpAddress& each) { return each != sa.local.address && !is_behind(sa, each); });
    }
    others.resize(std::min(others.size(), kMostAddresses));
    return others;
}

void announce_others(const Context& context, Sa& sa, Payloads& payloads) {
    sa.mobility.announced = other_addresses(context, sa);
    for (const IpAddress& each : sa.mobility.announced) {
        const bool v4 = each.family() == Family::ipv4;
        payloads.emplace_back(
            notify(v4 ? NotifyType::additional_ip4_address : NotifyType::additional_ip6_address, each.octets()));
    }
}

/// The peer's list, where the message has one. Section 3.6: "The new list of addresses replaces the old information",
/// and is "based on the IP header and the ADDITIONAL_IP4_ADDRESS, […] notifications": there is a way back to `sender`
/// after packets have gone to another one.
std::optional<std::vector<IpAddress>> addresses_in(const Payloads& payloads, const IpAddress& sender) {
    std::vector<IpAddress> found{sender};
    bool told = false;
    for (const wire::Payload& payload : payloads) {
        const auto* notified = std::get_if<wire::NotifyPayload>(&payload);
        if (notified == nullptr) {
            continue;
        }
        const bool v4 = notified->type == NotifyType::additional_ip4_address;
        const bool v6 = notified->type == NotifyType::additional_ip6_address;
        told |= v4 || v6 || notified->type == NotifyType::no_additional_addresses;
        const auto address = v4 || v6 ? IpAddress::from_octets(notified->data) : std::nullopt;
        if (address && (address->family() == Family::ipv4) == v4 && found.size() <= kMostAddresses) {
            found.push_back(*address);
        }
    }
    return told ? std::optional(std::move(found)) : std::nullopt;
}

void ask_for_paths(Context& context, const Sa& sa) {
    FindPaths question{.sa = sa.own_spi(), .local = sa.connection->local, .remotes = {sa.remote.address}};
    std::ranges::copy_if(sa.mobility.peer_addresses, std::back_inserter(question.remotes),
                         [&](const IpAddress& each) { return each != sa.remote.address; });
    context.actions.emplace_back(std::move(question));
}

// ---- NAT

void note_nat(Context& context, Sa& sa, const Payloads& payloads, const Ends& ends) {
    const auto* seen = find_notify(payloads, NotifyType::nat_detection_destination_ip);
    if (seen == nullptr || !has(payloads, NotifyType::nat_detection_source_ip)) {
        return;
    }
    const NatFound found = find_nat(payloads, sa.initiator_spi, sa.responder_spi, ends.local, ends.remote);
    const bool before = sa.nat_here || sa.nat_there;
    sa.nat_here = found.here;
    sa.nat_there = found.there;
    if (const bool now = found.here || found.there; now != before) {
        go(context, sa, sa.ends(), Report::Kind::path_changed, now ? "nat-appeared" : "nat-gone");
    }
}

/// How the peer sees us, for the next comparison. It need not say.
void remember_sight(Sa& sa, const Payloads& payloads) {
    crypto::Sha1& seen_as = sa.mobility.seen_as.emplace();
    const auto* seen = find_notify(payloads, NotifyType::nat_detection_destination_ip);
    if (seen != nullptr && seen->data.size() == seen_as.size()) {
        std::ranges::copy(seen->data, seen_as.begin());
    }
}

/// Section 3.8: "If the values do not match, the IP address and/or port seen by the responder has changed, and the
/// initiator SHOULD send UPDATE_SA_ADDRESSES".
bool sees_us_elsewhere(const Sa& sa, const Payloads& payloads) {
    const auto* seen = find_notify(payloads, NotifyType::nat_detection_destination_ip);
    if (seen == nullptr) {
        return false;
    }
    if (sa.mobility.seen_as) {
        return !std::ranges::equal(seen->data, *sa.mobility.seen_as);
    }
    const NatFound found = find_nat(payloads, sa.initiator_spi, sa.responder_spi, sa.local, sa.remote);
    return found.here || found.here != sa.nat_here || found.there != sa.nat_there;
}

// ---- who leads

/// Goes by other addresses, and tells the peer where it can be told.
void take_path(Context& context, Sa& sa, const Ends& ends, const char* reason) {
    go(context, sa, ends, Report::Kind::path_changed, reason);
    move_children(context, sa);
    const bool replaced = sa.state == State::replaced;  // the peer is to delete it, and has to know where
    if (sa.mobility.agreed && (sa.state == State::established || replaced)) {
        ask_next<UpdateAddresses>(sa);
    } else if (sa.state == State::established) {
        ask_next<Liveness>(sa);  // behind a NAT: the peer learns of it as RFC 7296 section 2.23 says
    }
}

void use_path(Context& context, Sa& sa, const Path& path, const char* reason) {
    take_path(context, sa, {{path.local, sa.local.port}, {path.remote, sa.remote.port}}, reason);
    if (sa.state == State::init_sent) {
        send_init_from_here(context, sa);
    } else if (sa.window.outstanding) {
        // Section 3.5: "If there are outstanding IKEv2 requests […], continues retransmitting them using the
        // addresses in the IKE_SA (the new addresses)."
        send_anew(context, sa);
    }
}

/// Where to go by what this host says; nothing where the present path is as good as any.
std::optional<Path> better_path(const Sa& sa) {
    std::vector<Path> usable;
    std::ranges::copy_if(sa.mobility.paths, std::back_inserter(usable), [&](const Path& each) {
        return std::ranges::find(sa.mobility.refused, each) == sa.mobility.refused.end();
    });
    const auto same_peer = std::ranges::find(usable, sa.remote.address, &Path::remote);
    if (same_peer != usable.end()) {
        return same_peer->local == sa.local.address ? std::nullopt : std::optional(*same_peer);
    }
    return usable.empty() || !sa.mobility.agreed ? std::nullopt : std::optional(usable.front());
}

/// The peer made this IKE SA by a rekeying. Perhaps our answer to that went from where we are no longer: until the
/// peer has it, it asks again there, and does not know this IKE SA.
void answer_rekeying_again(Context& context, const Sa& sa) {
    const Sa* before = sa.predecessor ? context.registry.find(*sa.predecessor) : nullptr;
    if (before != nullptr && before->state == State::replaced && before->window.given) {
        send_datagrams(context, sa.local, sa.remote, before->window.given->datagrams);
    }
}

/// The peer can't be told where we are now, nor see it (RFC 7296 section 2.23).
bool is_lost(const Context& context, const Sa& sa) {
    return sa.state == State::established && !sa.mobility.agreed && !sa.nat_here &&
           !is_own(context, sa.local.address) && better_path(sa);
}

/// The peer does not want us to come this way.
void on_refused_path(Context& context, Sa& sa) {
    const Path refused = sa.ends().path();
    sa.mobility.refused.push_back(refused);
    const auto next = std::ranges::find_if(sa.mobility.paths, [&](const Path& each) {
        return std::ranges::find(sa.mobility.refused, each) == sa.mobility.refused.end();
    });
    if (next != sa.mobility.paths.end()) {
        use_path(context, sa, *next, "path-refused");
        return;
    }
    report(context, sa, Report::Kind::failed,
           {"path-refused", fmt::format("{} does not accept that packets go between {} and {}, and there is no other "
                                        "way to it: the IKE SA is closed; see the peer's rules about addresses",
                                        peer_text(sa), refused.local.text(), refused.remote.text())});
    close(context, sa);
}

// ---- who follows

/// Section 3.5: "Checks that the (source IP address, destination IP address) pair in the IP header is acceptable
/// according to local policy." What a connection says of the peer's address is where it begins.
bool acceptable(const Sa& sa, const Ends& ends) {
    return sa.connection->local.value_or(ends.local.address) == ends.local.address;
}

/// Section 3.9: "The exchange responder MUST verify that the contents of the NO_NATS_ALLOWED notification match the
/// addresses in the IP header." Source address, destination address, source port, destination port (section 4.2.6).
bool is_from(const wire::NotifyPayload& no_nats, const Ends& came_by) {
    Writer expected;
    expected.raw(came_by.remote.address.octets()).raw(came_by.local.address.octets());
    expected.be(came_by.remote.port).be(came_by.local.port);
    return std::ranges::equal(no_nats.data, expected.view());
}

bool has_moved(const Sa& sa) {
    return std::ranges::any_of(sa.children,
                               [&](const ChildSa& child) { return child.spec.remote != sa.remote.address; });
}

void on_update_request(Context& context, Sa& sa, const Payloads& payloads, const Ends& came_by) {
    if (sa.ends() != came_by) {
        go(context, sa, came_by, Report::Kind::path_changed, "peer-asked");
        if (sa.window.outstanding) {
            send_anew(context, sa);
        }
    }
    note_nat(context, sa, payloads, came_by);
    if (sa.state != State::established) {
        return;
    }
    // Section 3.7: "By default, the return routability check SHOULD be done before updating the IPsec SAs": somebody
    // with keys could otherwise aim the traffic of its tunnel at a third party.
    if (has_moved(sa)) {
        ask_next<CheckPath>(sa);
    } else {
        move_children(context, sa);
    }
}

void on_peer_addresses(Context& context, Sa& sa, std::vector<IpAddress> addresses, const Ends& came_by) {
    sa.mobility.peer_addresses = std::move(addresses);
    if (!sa.mobility.leads) {
        return;  // section 3.4: "The responder normally does not use the set of initiator addresses for anything"
    }
    const bool gone =
        sa.remote.address != came_by.remote.address &&
        std::ranges::find(sa.mobility.peer_addresses, sa.remote.address) == sa.mobility.peer_addresses.end();
    if (gone) {
        use_path(context, sa, came_by.path(), "peer-asked");
    }
    ask_for_paths(context, sa);
}

/// Section 3.5: "If the source address that the responder is currently using becomes unavailable […], the responder
/// is allowed to update the IPsec SAs to use some other address".
void leave_lost_address(Context& context, Sa& sa) {
    const auto path = better_path(sa);
    if (!path || !sa.mobility.agreed || sa.state != State::established || is_own(context, sa.local.address)) {
        return;
    }
    go(context, sa, {{path->local, sa.local.port}, {path->remote, sa.remote.port}}, Report::Kind::path_changed,
       "address-changed");
    move_children(context, sa);
    if (sa.window.outstanding) {
        send_anew(context, sa);
    }
    ask_next<AnnounceAddresses>(sa);
}

// ---- CHILD SAs

/// The same between these ends.
ChildSaSpec moved_to(const Sa& sa, const ChildSa& child, const Ends& ends) {
    const bool in_udp = sa.nat_here || sa.nat_there;
    ChildSaSpec moved = child.spec;
    moved.local = ends.local.address;
    moved.remote = ends.remote.address;
    moved.udp_ports = in_udp ? std::optional(std::pair(ends.local.port, ends.remote.port)) : std::nullopt;
    return moved;
}

bool is_elsewhere(const ChildSaSpec& moved, const ChildSaSpec& before) {
    return moved.local != before.local || moved.remote != before.remote || moved.udp_ports != before.udp_ports;
}

/// Other ports alone are nothing to the selectors of transport mode.
bool is_bound(const ChildSaSpec& moved, const ChildSaSpec& before) {
    const bool elsewhere = moved.local != before.local || moved.remote != before.remote ||
                           moved.udp_ports.has_value() != before.udp_ports.has_value();
    return before.offload == Offload::packet || (before.mode == Mode::transport && elsewhere);
}

void move(Context& context, ChildSa& child, ChildSaSpec to) {
    context.actions.emplace_back(MoveChild{.from = child.spec, .to = to});
    child.spec = std::move(to);
}

/// In transport mode the selectors have the addresses in them, and what a device does whole packets of it has taken
/// with its addresses: there is a new CHILD SA instead.
void replace(Context& context, Sa& sa, ChildSa& child) {
    if (sa.state != State::established || child.state != ChildState::installed) {
        return;
    }
    if (child.spec.mode == Mode::tunnel) {
        rekey_child(context, sa, child);
        return;
    }
    child.state = ChildState::deleting;
    if (const ChildRule* rule = sa.connection->child(child.spec.child)) {
        sa.waiting.emplace_back(new_offer(context, sa, *rule, nullptr, true));
    }
    sa.waiting.emplace_back(DeleteChildren{{child.spec.inbound}});
}

}  // namespace

void go(Context& context, Sa& sa, const Ends& ends, Report::Kind kind, const char* reason) {
    const Ends before = sa.ends();
    sa.local = ends.local;
    sa.remote = ends.remote;
    report(context, sa, kind,
           {reason, fmt::format("packets go between {} and {}; before, between {} and {}", ends.local.text(),
                                ends.remote.text(), before.local.text(), before.remote.text())});
    auto& told = std::get<Report>(context.actions.back());
    told.before = before;
    told.after = ends;
}

void move_children(Context& context, Sa& sa) {
    for (ChildSa& child : sa.children) {
        ChildSaSpec moved = moved_to(sa, child, sa.ends());
        if (!is_elsewhere(moved, child.spec)) {
            continue;
        }
        if (is_bound(moved, child.spec)) {
            replace(context, sa, child);
        } else {
            move(context, child, std::move(moved));
        }
    }
}

void move_esp(Context& context, Sa& sa, const UdpEndpoint& remote) {
    if (waits_for<CheckPath>(sa) || (sa.current && std::holds_alternative<CheckPath>(*sa.current))) {
        return;  // the CHILD SAs follow once the peer is heard there
    }
    const Ends ends{sa.local, remote};
    std::optional<Ends> before;
    for (ChildSa& child : sa.children) {
        ChildSaSpec moved = moved_to(sa, child, ends);
        if (is_elsewhere(moved, child.spec) && !is_bound(moved, child.spec)) {
            const std::uint16_t port = child.spec.udp_ports ? child.spec.udp_ports->second : remote.port;
            before = Ends{sa.local, {child.spec.remote, port}};
            move(context, child, std::move(moved));
        }
    }
    if (before) {
        report(
            context, sa, Report::Kind::moved,
            {"nat-rebound", fmt::format("packets of ESP go to {}; before, to {}; where messages go, the peer is to "
                                        "say (MOBIKE)",
                                        remote.text(), before->remote.text())});
        auto& told = std::get<Report>(context.actions.back());
        told.before = before;
        told.after = ends;
    }
}

// ---- IKE_AUTH

void offer_mobility(Context& context, Sa& sa, Payloads& payloads) {
    if (!sa.connection->mobike || (!sa.initiator && !sa.mobility.agreed)) {
        return;
    }
    payloads.emplace_back(notify(NotifyType::mobike_supported));
    announce_others(context, sa, payloads);
}

void agree_on_mobility(Context& context, Sa& sa, const Payloads& payloads) {
    sa.mobility.agreed = sa.connection->mobike && has(payloads, NotifyType::mobike_supported);
    if (!sa.mobility.agreed) {
        return;
    }
    const IpAddress& sender = sa.remote.address;
    sa.mobility.peer_addresses = addresses_in(payloads, sender).value_or(std::vector{sender});
    if (sa.mobility.leads) {
        ask_for_paths(context, sa);
    }
}

// ---- exchanges of ours

void start_informational(Context& context, Sa& sa, UpdateAddresses& task) {
    task.ends = sa.ends();
    answer_rekeying_again(context, sa);
    Payloads payloads{notify(NotifyType::update_sa_addresses)};
    announce_ends(payloads, sa, task.ends);
    if (other_addresses(context, sa) != sa.mobility.announced) {
        announce_others(context, sa, payloads);
        if (sa.mobility.announced.empty()) {
            payloads.emplace_back(notify(NotifyType::no_additional_addresses));
        }
    }
    send_request(context, sa, wire::ExchangeType::informational, payloads);
}

void start_informational(Context& context, Sa& sa, CheckPath& task) {
    task.ends = sa.ends();
    task.cookie.resize(kCookieSize);
    context.random.fill(task.cookie);
    send_request(context, sa, wire::ExchangeType::informational, {notify(NotifyType::cookie2, task.cookie)});
}

void start_informational(Context& context, Sa& sa, const AnnounceAddresses& /*task*/) {
    Payloads payloads;
    announce_others(context, sa, payloads);
    if (payloads.empty()) {
        payloads.emplace_back(notify(NotifyType::no_additional_addresses));
    }
    send_request(context, sa, wire::ExchangeType::informational, payloads);
}

void start_informational(Context& context, Sa& sa, const Liveness& /*task*/) {
    Payloads payloads;
    if (sa.mobility.agreed && sa.mobility.leads) {
        announce_ends(payloads, sa, sa.ends());
    }
    send_request(context, sa, wire::ExchangeType::informational, payloads);
}

void on_update_response(Context& context, Sa& sa, const UpdateAddresses& task, const Incoming& message) {
    // Section 3.5: "If an address change has occurred after the request was first sent, no MOBIKE processing is done
    // for the reply message because a new UPDATE_SA_ADDRESSES is going to be sent".
    if (task.ends != sa.ends() || sa.state != State::established) {
        return;
    }
    if (has(message.payloads, NotifyType::unacceptable_addresses)) {
        on_refused_path(context, sa);
        return;
    }
    note_nat(context, sa, message.payloads, sa.ends());
    remember_sight(sa, message.payloads);
    move_children(context, sa);
}

void on_check_response(Context& context, Sa& sa, const CheckPath& task, const Incoming& message) {
    const auto* cookie = find_notify(message.payloads, NotifyType::cookie2);
    if (cookie == nullptr || cookie->data != task.cookie) {
        // Section 3.7: "If the values do not match, the IKE_SA MUST be closed."
        fail_and_end(
            context, sa,
            {"cookie2-mismatch", fmt::format("{} did not send back the COOKIE2 that was sent to where it says "
                                             "that it is: the IKE SA is closed",
                                             peer_text(sa))});
        return;
    }
    // Where the request went to several addresses, the response does not tell which of them works: the next one does.
    if (task.ends == sa.ends()) {
        move_children(context, sa);
    }
}

bool is_unseen(const Sa& sa) {
    return sa.mobility.agreed && sa.mobility.leads && !sa.mobility.seen_as;
}

void on_liveness_response(Context& /*context*/, Sa& sa, const Incoming& message) {
    if (!sa.mobility.agreed || !sa.mobility.leads || sa.state != State::established) {
        return;
    }
    if (sees_us_elsewhere(sa, message.payloads)) {
        ask_next<UpdateAddresses>(sa);
    }
    remember_sight(sa, message.payloads);
}

void send_by_paths(Context& context, Sa& sa) {
    send_again(context, sa);
    const bool doubted = sa.window.outstanding->sent > kDoubtedAfter;
    if (!sa.mobility.agreed || !sa.mobility.leads) {
        return;
    }
    answer_rekeying_again(context, sa);
    if (!doubted) {
        ask_for_paths(context, sa);
        return;
    }
    for (const Path& path : sa.mobility.paths) {
        if (path != sa.ends().path()) {
            send_datagrams(context, {path.local, sa.local.port}, {path.remote, context.settings.nat_port},
                           sa.window.outstanding->datagrams);
        }
    }
}

void follow_response(Context& context, Sa& sa, const Ends& came_by) {
    const bool tried = sa.window.outstanding && sa.window.outstanding->sent > kDoubtedAfter;
    const bool known = std::ranges::find(sa.mobility.paths, came_by.path()) != sa.mobility.paths.end();
    if (sa.mobility.agreed && sa.mobility.leads && tried && known && came_by.path() != sa.ends().path()) {
        take_path(context, sa, came_by, "path-lost");
    }
}

// ---- requests of the peer

Payloads answer_mobility(Context& context, Sa& sa, const Incoming& message) {
    Payloads answer;
    const Payloads& asked = message.payloads;
    if (!sa.mobility.agreed || !context.came_by) {
        return answer;
    }
    const Ends came_by = *context.came_by;
    // Section 3.7: "if included, the recipient of an INFORMATIONAL request MUST copy the notification as-is to the
    // response."
    if (const auto* cookie = find_notify(asked, NotifyType::cookie2)) {
        answer.emplace_back(*cookie);
    }
    const bool updates = has(asked, NotifyType::update_sa_addresses) && !sa.mobility.leads;
    auto addresses = addresses_in(asked, came_by.remote.address);
    const auto* no_nats = find_notify(asked, NotifyType::no_nats_allowed);
    if ((updates || addresses) && no_nats != nullptr && !is_from(*no_nats, came_by)) {
        answer.emplace_back(notify(NotifyType::unexpected_nat_detected));
        return answer;
    }
    if (updates && !acceptable(sa, came_by)) {
        report(context, sa, Report::Kind::refused,
               {"path-unacceptable",
                fmt::format("{} wants packets to go between {} and {}; connection {} is bound to "
                            "another address of ours",
                            peer_text(sa), came_by.local.text(), came_by.remote.text(), sa.connection->name)});
        answer.emplace_back(notify(NotifyType::unacceptable_addresses));
        return answer;
    }
    if (has(asked, NotifyType::nat_detection_source_ip)) {
        announce_ends(answer, sa, came_by);
    }
    if (updates) {
        on_update_request(context, sa, asked, came_by);
    }
    if (addresses) {
        on_peer_addresses(context, sa, *std::move(addresses), came_by);
    }
    return answer;
}

// ---- what this host tells

bool heeds_addresses(const Context& context, const Sa& sa) {
    if (sa.state == State::dead || sa.mobility.leads) {
        return sa.state != State::dead;
    }
    return sa.mobility.agreed && sa.state == State::established && !sa.connection->local &&
           (!is_own(context, sa.local.address) || other_addresses(context, sa) != sa.mobility.announced);
}

void on_own_addresses(Context& context, Sa& sa) {
    if (sa.mobility.leads) {
        ask_for_paths(context, sa);
        return;
    }
    if (is_own(context, sa.local.address)) {
        ask_next<AnnounceAddresses>(sa);
    } else {
        ask_for_paths(context, sa);  // and announce from there
    }
}

void on_paths_found(Context& context, Sa& sa, const PathsFound& event) {
    if (sa.state == State::dead) {
        return;
    }
    if (sa.mobility.paths != event.paths) {
        sa.mobility.paths = event.paths;
        sa.mobility.refused.clear();
    }
    if (!sa.mobility.leads) {
        leave_lost_address(context, sa);
        return;
    }
    if (is_lost(context, sa)) {
        fail_and_end(
            context, sa,
            {"address-gone", fmt::format("{} knows us at {}, which is no address of this host any more, and does "
                                         "not speak MOBIKE: the IKE SA is over",
                                         peer_text(sa), sa.local.address.text())});
        return;
    }
    const bool may_go = sa.mobility.agreed || sa.nat_here || sa.state != State::established;
    const auto path = may_go ? better_path(sa) : std::nullopt;
    if (path) {
        use_path(context, sa, *path, path->remote == sa.remote.address ? "address-changed" : "path-lost");
    } else if (sa.mobility.agreed && sa.state == State::established && !waits_for<UpdateAddresses>(sa) &&
               other_addresses(context, sa) != sa.mobility.announced) {
        ask_next<AnnounceAddresses>(sa);
    }
}

// ---- a rekeying

void hand_over_path(Sa& from, Sa& to) {
    if (!from.mobility.leads && !from.mobility.agreed) {
        return;
    }
    const bool moved = to.ends() != from.ends();
    to.local = from.local;
    to.remote = from.remote;
    to.nat_here = from.nat_here;
    to.nat_there = from.nat_there;
    to.mobility = from.mobility;
    to.mobility.seen_as.reset();
    const bool telling = from.current && std::holds_alternative<UpdateAddresses>(*from.current);
    if (from.mobility.agreed && from.mobility.leads && (moved || telling)) {
        ask_next<UpdateAddresses>(to);
    }
    if (from.current && std::holds_alternative<CheckPath>(*from.current)) {
        ask_next<CheckPath>(to);
    }
    if (from.current && std::holds_alternative<AnnounceAddresses>(*from.current)) {
        ask_next<AnnounceAddresses>(to);
    }
}

}  // namespace keysluice::ike
