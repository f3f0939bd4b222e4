#include "ike/remote_access.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ike/child_answer.hpp"
#include "ike/wire/text.hpp"

namespace keysluice::ike {
namespace {

const wire::ConfigurationPayload* configuration_in(const Payloads& payloads, wire::ConfigurationType type) {
    const auto* found = find<wire::ConfigurationPayload>(payloads);
    return found != nullptr && found->type == type ? found : nullptr;
}

template <typename Value>
void add_missing(std::vector<Value>& to, const std::vector<Value>& from) {
    for (const Value& each : from) {
        if (std::ranges::find(to, each) == to.end()) {
            to.push_back(each);
        }
    }
}

/// One address for the wish, of the first pool that has one.
void assign(Context& context, const Sa& sa, const IpAddress& wish, Assignment& into) {
    for (const AddressPoolPtr& pool : sa.connection->pools) {
        const bool fits = pool->first.family() == wish.family();
        if (const auto address = fits ? context.registry.lease(*pool, sa, wish) : std::nullopt) {
            into.addresses.push_back(*address);
            add_missing(into.dns, pool->dns);
            add_missing(into.domains, pool->domains);
            add_missing(into.subnets, pool->subnets);
            return;
        }
    }
}

std::string names_of(const std::vector<AddressPoolPtr>& pools) {
    return wire::some_of(pools.size(), [&](std::size_t i) { return pools[i]->name; });
}

std::string texts_of(const std::vector<IpAddress>& addresses) {
    return wire::some_of(addresses.size(), [&](std::size_t i) { return addresses[i].text(); });
}

NoAddress none_left(const Sa& sa, const std::vector<IpAddress>& wishes) {
    const Connection& connection = *sa.connection;
    if (connection.pools.empty()) {
        return {
            .error = {"no-virtual-address",
                      fmt::format("{} asks for a virtual address, and connection {} has no pools to give one from",
                                  peer_text(sa), connection.name)}};
    }
    const bool ipv4 = std::ranges::find(wishes, Family::ipv4, &IpAddress::family) != wishes.end();
    const bool ipv6 = std::ranges::find(wishes, Family::ipv6, &IpAddress::family) != wishes.end();
    return {.error = {"no-virtual-address",
                      fmt::format("{} asks for a virtual address, and of {} no {} address is left in connection {}",
                                  peer_text(sa), names_of(connection.pools),
                                  !ipv6   ? "IPv4"
                                  : !ipv4 ? "IPv6"
                                          : "IPv4 or IPv6",
                                  connection.name)}};
}

}  // namespace

void add_request(Context& context, const Sa& sa, Payloads& payloads) {
    if (asks_for_addresses(sa)) {
        // In the place of another one: for the addresses that packets have.
        const Sa* old = sa.reauth.old ? context.registry.find(*sa.reauth.old) : nullptr;
        payloads.emplace_back(request_for(old != nullptr && old->given ? old->given->addresses
                                                                       : context.registry.wishes(*sa.connection)));
    }
}

Result<void> take_addresses(Context& context, Sa& sa, const Payloads& payloads) {
    if (!asks_for_addresses(sa)) {
        return {};
    }
    const auto* reply = configuration_in(payloads, wire::ConfigurationType::reply);
    Assignment given = reply != nullptr ? assignment_in(*reply) : Assignment{};
    // Section 3.15.1: "The responder MAY only send up to the number of addresses requested."
    const auto& wishes = sa.connection->virtual_addresses;
    std::erase_if(given.addresses, [&](const IpAddress& each) {
        return std::ranges::find(wishes, each.family(), &IpAddress::family) == wishes.end();
    });
    given.addresses.resize(std::min(given.addresses.size(), wishes.size()));
    if (given.addresses.empty()) {
        const auto* error = find_error(payloads);
        return fail("no-virtual-address",
                    fmt::format("{} gave us no virtual address, and connection {} asks for one{}{}", peer_text(sa),
                                sa.connection->name, error != nullptr ? ": it answered " : "",
                                error != nullptr ? wire::name_of(error->type) : ""));
    }
    report(context, sa, Report::Kind::assigned,
           {.reason = {}, .sentence = fmt::format("the peer gives us {}", texts_of(given.addresses))});
    sa.given = std::move(given);
    for (Task& task : sa.waiting) {
        auto* offer = std::get_if<ChildOffer>(&task);
        if (const ChildRule* rule = offer != nullptr ? sa.connection->child(offer->child) : nullptr) {
            offer->local = local_selectors(sa, *rule);
        }
    }
    return {};
}

std::optional<NoAddress> assign_addresses(Context& context, Sa& sa, const Payloads& request, Payloads& answer) {
    const auto* asked = configuration_in(request, wire::ConfigurationType::request);
    const std::vector<IpAddress> wishes = asked != nullptr ? wishes_in(*asked) : std::vector<IpAddress>{};
    if (wishes.empty()) {
        if (sa.connection->pools.empty()) {
            return {};
        }
        // "In the case where the IRAS's configuration requires that CP be used for a given identity IDi, but IRAC has
        // failed to send a CP(CFG_REQUEST), IRAS MUST fail the request, and terminate the Child SA creation with a
        // FAILED_CP_REQUIRED error."
        return NoAddress{.notify = wire::NotifyType::failed_cp_required,
                         .error = {"no-virtual-address",
                                   fmt::format("{} asks for no virtual address, and connection {} gives one to each "
                                               "peer: of {}",
                                               peer_text(sa), sa.connection->name, names_of(sa.connection->pools))}};
    }
    Assignment assignment;
    for (const IpAddress& wish : wishes) {
        assign(context, sa, wish, assignment);
    }
    if (assignment.addresses.empty()) {
        return none_left(sa, wishes);
    }
    answer.emplace_back(reply_with(assignment, *asked));
    report(context, sa, Report::Kind::assigned,
           {.reason = {}, .sentence = fmt::format("the peer gets {}", texts_of(assignment.addresses))});
    sa.assigned = std::move(assignment);
    return {};
}

}  // namespace keysluice::ike
