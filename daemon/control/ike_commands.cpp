#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "daemon/control/ike_service.hpp"

// The part of IkeService that carries out what administrators want.

namespace keysluice::control {

Result<void> IkeService::up(const ike::Connection& rules, const std::string& child) {
    if (on_stopped_) {
        return fail("ike-not-running", "keysluice is stopping");
    }
    if (const auto lacking = refused(rules.name); !lacking.empty() && rules.children.empty()) {
        return std::unexpected(lacking.front().why);
    }
    if (const auto gateway = endpoint_.next_gateway(rules.name)) {
        down_.erase(rules.name);
        if (const IkeConnection* connection = find_connection(rules.name);
            connection != nullptr && is_trapped(*connection)) {
            trap_gateways(rules);
        }
        seek(rules, child, *gateway);
        return {};
    }
    const auto ends = ends_of(rules);
    if (!ends) {
        return std::unexpected(ends.error());
    }
    down_.erase(rules.name);
    initiate(rules.name, child, *ends);
    return {};
}

std::uint32_t IkeService::down(const std::string& connection, std::optional<ike::IkeSpi> sa) {
    if (!sa) {
        down_.insert(connection);
        std::erase_if(unreachable_, [&](const IkeConnection* waiting) { return waiting->rules->name == connection; });
    }
    const std::uint32_t closing = count(connection, sa, [](const ike::Sa& each) {
        return each.state != ike::State::closing && each.state != ike::State::replaced;
    });
    take(ike::Terminate{.connection = connection, .sa = sa});
    if (!sa && endpoint_.gateway(connection)) {
        untrap_others();
    }
    return closing;
}

std::uint32_t IkeService::rekey(const std::string& connection, const std::string& child,
                                std::optional<ike::IkeSpi> sa) {
    const std::uint32_t told =
        count(connection, sa, [](const ike::Sa& each) { return each.state == ike::State::established; });
    take(ike::Rekey{.connection = connection, .child = child, .sa = sa});
    return told;
}

Result<std::uint32_t> IkeService::reauthenticate(const std::string& connection, std::optional<ike::IkeSpi> sa) {
    const auto is_established = [](const ike::Sa& each) { return each.state == ike::State::established; };
    const std::uint32_t told =
        count(connection, sa, [&](const ike::Sa& each) { return is_established(each) && each.mobility.leads; });
    if (told == 0 && count(connection, sa, is_established) > 0) {
        return fail("reauth-by-peer",
                    fmt::format("connection {}: the other end has begun its IKE SA, so it is the one to authenticate "
                                "anew; reauth_time here tells it by when",
                                connection));
    }
    take(ike::Reauthenticate{.connection = connection, .sa = sa});
    return told;
}

std::uint32_t IkeService::count(const std::string& connection, std::optional<ike::IkeSpi> sa,
                                const std::function<bool(const ike::Sa&)>& takes) const {
    return static_cast<std::uint32_t>(std::ranges::count_if(endpoint_.sas_of(connection), [&](ike::IkeSpi spi) {
        return sa.value_or(spi) == spi && takes(*endpoint_.sas().at(spi));
    }));
}

void IkeService::count(const ike::Sa& sa, SaCounters::Answer answer) const {
    if (!kernel_) {
        answer(fail("ike-not-running", "keysluiced runs with --null-kernel: nothing is in a kernel that counts"));
        return;
    }
    std::vector<const ike::ChildSaSpec*> children;
    children.reserve(sa.children.size());
    for (const ike::ChildSa& child : sa.children) {
        children.push_back(&child.spec);
    }
    kernel_->counters().read(children, std::move(answer));
}

std::vector<RefusedChild> IkeService::refused(const std::string& connection) const {
    std::vector<RefusedChild> found;
    std::ranges::copy_if(refused_, std::back_inserter(found),
                         [&](const RefusedChild& each) { return each.connection == connection; });
    return found;
}

const ike::Sa* IkeService::find(ike::IkeSpi spi) const {
    const auto found = endpoint_.sas().find(spi);
    return found == endpoint_.sas().end() || found->second->state == ike::State::dead ? nullptr : found->second.get();
}

}  // namespace keysluice::control
