#include "daemon/control/interfaces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "xfrm/ranges.hpp"

namespace keysluice::control {
namespace {

bool has(const Prefix& prefix, const IpAddress& address) {
    return address.family() == prefix.address.family() && prefix.first() <= address && address <= prefix.last();
}

Prefix half_of(const Prefix& prefix, bool upper) {
    const auto length = static_cast<std::uint8_t>(prefix.length + 1);
    const Prefix lower{prefix.address, length};
    return upper ? Prefix{lower.last().next().value_or(lower.address), length} : lower;
}

/// The prefix without one of its addresses: as many prefixes as the address has bits behind the prefix's length.
void add_without(const IpAddress& hole, Prefix prefix, std::vector<Prefix>& into) {
    while (prefix.length < hole.bits()) {
        const bool upper = has(half_of(prefix, true), hole);
        into.push_back(half_of(prefix, !upper));
        prefix = half_of(prefix, upper);
    }
}

std::vector<Prefix> without(std::vector<Prefix> prefixes, const std::set<IpAddress>& holes) {
    for (const IpAddress& hole : holes) {
        std::vector<Prefix> left;
        for (const Prefix& each : prefixes) {
            if (has(each, hole)) {
                add_without(hole, each, left);
            } else {
                left.push_back(each);
            }
        }
        prefixes = std::move(left);
    }
    return prefixes;
}

/// All that becomes of one interface, from whatever wants something of it.
class Plan {
   public:
    void use(const ike::Interface& interface) {
        wanted_.name = interface.name;
        wanted_.id = interface.id;
        wanted_.mtu = interface.mtu;
    }
    void leave_out(const IpAddress& outer) { outer_.insert(outer); }
    void leave_out(const ike::Gateways& gateways) {
        for (const UdpEndpoint& each : gateways.all) {
            outer_.insert(each.address);
        }
    }
    void take(const ike::Assignment& given) {
        wanted_.addresses.insert(given.addresses.begin(), given.addresses.end());
    }
    void lead_to(const IpAddress& first, const IpAddress& last, const ike::Assignment* given) {
        std::optional<IpAddress> source;
        if (given != nullptr) {
            const auto found = std::ranges::find(given->addresses, first.family(), &IpAddress::family);
            source = found == given->addresses.end() ? std::nullopt : std::optional(*found);
        }
        ranges_.push_back({first, last, source});
    }
    void lead_to(const ike::TrafficSelectors& selectors, const ike::Assignment* given) {
        for (const ike::wire::TrafficSelector& each : selectors) {
            lead_to(each.first, each.last, given);
        }
    }

    [[nodiscard]] netlink::XfrmInterface finish() && {
        std::map<Prefix, std::optional<IpAddress>> routes;  // of two to the same, one with a source
        for (const auto& [first, last, source] : ranges_) {
            for (const Prefix& to : without(xfrm::split_range(first, last), outer_)) {
                std::optional<IpAddress>& known = routes[to];
                known = source ? source : known;
            }
        }
        for (const auto& [to, source] : routes) {
            wanted_.routes.insert({.to = to, .source = source});
        }
        return std::move(wanted_);
    }

   private:
    struct Range {
        IpAddress first;
        IpAddress last;
        std::optional<IpAddress> source;
    };
    netlink::XfrmInterface wanted_;
    std::set<IpAddress> outer_;
    std::vector<Range> ranges_;
};

bool carries(const ike::ChildSa& child) {
    return child.state != ike::ChildState::deleting && child.state != ike::ChildState::lingering;
}

void add_sa(const ike::Sa& sa, Plan& plan, std::set<std::pair<std::string, std::string>>& carried) {
    plan.use(sa.connection->interface);
    if (!sa.connection->pools.empty()) {
        return;  // there may be thousands, and what they have is in the pools
    }
    plan.leave_out(sa.remote.address);
    plan.leave_out(sa.connection->gateways);
    const ike::Assignment* const given = sa.given ? &*sa.given : nullptr;
    if (given != nullptr) {
        plan.take(*given);
    }
    for (const ike::ChildSa& child : sa.children) {
        if (carries(child)) {
            carried.emplace(sa.connection->name, child.spec.child);
            plan.lead_to(child.spec.remote_selectors, given);
        }
    }
}

void add_connection(const IkeConnection& connection, Plan& plan,
                    const std::set<std::pair<std::string, std::string>>& carried) {
    const ike::Connection& rules = *connection.rules;
    plan.use(rules.interface);
    for (const ike::AddressPoolPtr& pool : rules.pools) {
        plan.lead_to(pool->first, pool->last, nullptr);
    }
    if (connection.start == IkeStart::manual || !rules.remote) {
        return;
    }
    plan.leave_out(*rules.remote);
    plan.leave_out(rules.gateways);
    for (const ike::ChildRule& child : rules.children) {
        if (!carried.contains({rules.name, child.name})) {
            plan.lead_to(child.remote, nullptr);
        }
    }
}

}  // namespace

WantedInterfaces wanted_interfaces(const std::vector<IkeConnection>& connections, const ike::Endpoint& endpoint) {
    std::map<std::string, Plan> plans;
    std::set<std::pair<std::string, std::string>> carried;
    for (const auto& [spi, sa] : endpoint.sas()) {
        const bool stands = sa->state == ike::State::established || sa->state == ike::State::replaced;
        if (stands && sa->connection->interface.id != 0) {
            add_sa(*sa, plans[sa->connection->interface.name], carried);
        }
    }
    for (const IkeConnection& connection : connections) {
        if (connection.rules->interface.id != 0) {
            add_connection(connection, plans[connection.rules->interface.name], carried);
        }
    }
    WantedInterfaces wanted;
    for (auto& [name, plan] : plans) {
        wanted.emplace(name, std::move(plan).finish());
    }
    return wanted;
}

Interfaces::Interfaces(Loop& loop, netlink::XfrmInterfaces kernel)
    : kernel_(std::move(kernel)), retry_(loop, [this] { settle(); }), patience_(loop, [this] {
          inherited_.clear();
          settle();
      }) {
    look();
    for (const auto& [name, settled] : settled_) {
        inherited_.insert(name);
    }
    patience_.arm(now() + kPatience);
}

void Interfaces::follow(WantedInterfaces wanted) {
    wanted_ = std::move(wanted);
    std::erase_if(inherited_, [this](const std::string& name) { return wanted_.contains(name); });
    settle();
}

void Interfaces::hear(const netlink::LinkChange& change) {
    if (!change.device) {
        look();
    } else if (const auto known = settled_.find(change.device->name); known != settled_.end() && !change.up) {
        known->second = {};
    } else {
        return;
    }
    settle();
}

void Interfaces::clear() {
    wanted_.clear();
    inherited_.clear();
    settle();
    retry_.disarm();
}

/// What there is of ours, whoever made it.
void Interfaces::look() {
    settled_.clear();
    const auto ours = kernel_.ours();
    if (!ours) {
        tell("", ours.error());
        return;
    }
    for (const std::string& name : *ours) {
        settled_.emplace(name, netlink::XfrmInterface{});
    }
}

void Interfaces::settle() {
    bool whole = remove_unwanted();
    for (const auto& [name, wanted] : wanted_) {
        whole = settle(wanted) && whole;
    }
    if (!whole) {
        retry_.arm(now() + kPause);
    }
}

bool Interfaces::settle(const netlink::XfrmInterface& wanted) {
    if (const auto done = settled_.find(wanted.name); done != settled_.end() && done->second == wanted) {
        return true;
    }
    if (const auto settled = kernel_.settle(wanted); !settled) {
        tell(wanted.name, settled.error());
        return false;
    }
    told_.erase(wanted.name);
    settled_.insert_or_assign(wanted.name, wanted);
    return true;
}

bool Interfaces::remove_unwanted() {
    bool whole = true;
    for (auto each = settled_.begin(); each != settled_.end();) {
        if (wanted_.contains(each->first) || inherited_.contains(each->first)) {
            ++each;
        } else if (const auto removed = kernel_.remove(each->first); removed) {
            told_.erase(each->first);
            each = settled_.erase(each);
        } else {
            tell(each->first, removed.error());
            whole = false;
            ++each;
        }
    }
    return whole;
}

/// Once, and not with each attempt.
void Interfaces::tell(const std::string& name, const Error& error) {
    if (std::string& told = told_[name]; told != error.sentence) {
        told = error.sentence;
        log_error("XFRM interfaces: {} ({})", told, error.reason);
    }
}

}  // namespace keysluice::control
