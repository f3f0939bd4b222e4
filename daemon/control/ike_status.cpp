#include "daemon/control/ike_status.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "ike/proposal.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::control {
namespace {

constexpr std::array<std::string_view, 5> kChildStateNames{"installing", "inbound-only", "installed", "deleting",
                                                           "lingering"};

std::int64_t seconds(Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

std::optional<std::int64_t> until(Instant moment, Instant now) {
    if (moment == Instant::max()) {
        return {};
    }
    return std::max<std::int64_t>(seconds(moment - now), 0);
}

ChildView look_at(const ike::ChildSa& child, Instant now) {
    const ike::ChildSaSpec& spec = child.spec;
    ChildView view;
    view.name = spec.child;
    view.state = kChildStateNames.at(static_cast<std::size_t>(child.state));
    view.mode = spec.mode == ike::Mode::tunnel ? "tunnel" : "transport";
    view.suite = spec.suite;
    view.inbound = spec.inbound.value;
    view.outbound = spec.outbound.value;
    view.local = spec.local_selectors;
    view.remote = spec.remote_selectors;
    view.rekey_in = until(child.rekey_at, now);
    view.rekey_at = child.rekey_at;
    view.offload.requested = spec.offload;
    return view;
}

bool proven(const ike::Sa& sa) {
    constexpr std::array kUnproven{ike::State::init_sent, ike::State::half_open, ike::State::auth_sent,
                                   ike::State::signing,   ike::State::verifying, ike::State::eap};
    return std::ranges::find(kUnproven, sa.state) == kUnproven.end();
}

}  // namespace

std::string proven_id(const ike::Sa& sa) {
    return proven(sa) ? ike::wire::print(sa.peer_id) : "";
}

IkeSaView look_at(const ike::Sa& sa, Instant now) {
    IkeSaView view;
    view.connection = sa.connection->name;
    view.state = ike::name_of(sa.state);
    view.initiator = sa.initiator;
    view.local_id = ike::wire::print(sa.connection->local_id);
    view.local = sa.local;
    view.remote = sa.remote;
    view.own = sa.own_spi();
    view.initiator_spi = sa.initiator_spi.value;
    view.responder_spi = sa.responder_spi.value;
    if (sa.state != ike::State::init_sent) {
        view.suite = sa.suite;
    }
    if (proven(sa)) {
        view.remote_id = proven_id(sa);
        view.established_at = sa.established_at;
        view.rekey_at = sa.rekey_at;
        view.age = seconds(now - sa.established_at);
        view.rekey_in = until(sa.rekey_at, now);
    }
    if (sa.given) {
        view.given = *sa.given;
    }
    if (sa.assigned) {
        view.assigned = *sa.assigned;
    }
    view.interface = sa.connection->interface.name;
    view.children.reserve(sa.children.size());
    for (const ike::ChildSa& child : sa.children) {
        view.children.push_back(look_at(child, now));
    }
    return view;
}

std::string suite_text(const IkeSaView& sa) {
    return sa.suite ? ike::print(*sa.suite) : "";
}

std::vector<std::string> texts(const ike::TrafficSelectors& selectors) {
    std::vector<std::string> all;
    all.reserve(selectors.size());
    for (const ike::wire::TrafficSelector& each : selectors) {
        all.push_back(ike::wire::print(each));
    }
    return all;
}

std::vector<std::string> texts(const std::vector<IpAddress>& addresses) {
    std::vector<std::string> all;
    all.reserve(addresses.size());
    std::ranges::transform(addresses, std::back_inserter(all), &IpAddress::text);
    return all;
}

}  // namespace keysluice::control
