#include "daemon/control/pool_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "base/suggestion.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kTitle = "[[ike.pool]]";
constexpr std::string_view kRangeExample = "10.9.0.0/24";
constexpr unsigned kShortestWithBroadcast = 31;  // RFC 3021: a /31 has no network and broadcast address

struct Range {
    IpAddress first;
    IpAddress last;
};

/// One before an IPv4 network's broadcast address.
IpAddress before_last(const Prefix& prefix) {
    const IpAddress last = prefix.last();
    std::vector<std::uint8_t> before(last.octets().begin(), last.octets().end());
    before.back() = static_cast<std::uint8_t>(before.back() - 1);  // its bits are ones
    return IpAddress::from_octets(before).value_or(last);
}

/// Of a prefix, the addresses that hosts can have.
std::optional<Range> parse_range(std::string_view text) {
    if (const auto dash = text.find('-'); dash != std::string_view::npos) {
        const auto first = IpAddress::parse(text.substr(0, dash));
        const auto last = IpAddress::parse(text.substr(dash + 1));
        const bool ordered = first && last && first->family() == last->family() && *first <= *last;
        return ordered ? std::optional(Range{*first, *last}) : std::nullopt;
    }
    const auto prefix = Prefix::parse(text);
    if (!prefix) {
        return std::nullopt;
    }
    const bool ipv4 = prefix->address.family() == Family::ipv4;
    // RFC 4291 section 2.6.1: an IPv6 network's first address is all its routers'.
    const bool has_first = prefix->length >= (ipv4 ? kShortestWithBroadcast : 127);
    const bool has_last = !ipv4 || prefix->length >= kShortestWithBroadcast;
    return Range{has_first ? prefix->first() : prefix->first().next().value_or(prefix->first()),
                 has_last ? prefix->last() : before_last(*prefix)};
}

void read_range(Section& section, ike::AddressPool& pool) {
    const std::string* const text = section.text("addresses", "a string with a prefix or a range");
    if (text == nullptr) {
        return;
    }
    if (const auto range = parse_range(*text)) {
        pool.first = range->first;
        pool.last = range->last;
        return;
    }
    section.report(section.position("addresses"), "bad-address",
                   fmt::format("addresses = {}: expected a prefix such as \"{}\", whose bits behind its length are "
                               "zero, or a range such as \"10.9.0.10-10.9.0.99\"",
                               in_quotes(*text), kRangeExample));
}

template <typename Value, typename Parse>
void read_list(Section& section, std::string_view key, std::string_view example, std::string_view expected,
               Parse parse, std::vector<Value>& into) {
    for (PlacedText& item : section.texts(key, ike::kMostAssigned, example)) {
        if (std::optional<Value> value = parse(item.text)) {
            into.push_back(*std::move(value));
        } else {
            section.report(
                item.where, "bad-address",
                fmt::format("{}: {}: expected {}, as in \"{}\"", key, in_quotes(item.text), expected, example));
        }
    }
}

std::optional<IpAddress> parse_server(std::string_view text) {
    const auto address = IpAddress::parse(text);
    return address && !address->unspecified() ? address : std::nullopt;
}

std::optional<std::string> parse_domain(const std::string& text) {
    return ike::is_domain(text) ? std::optional(text) : std::nullopt;
}

void refuse_overlaps(const std::vector<IkePool>& pools, Diagnostics& diagnostics) {
    for (auto each = pools.begin(); each != pools.end(); ++each) {
        const ike::AddressPool& pool = *each->rules;
        const auto earlier = std::ranges::find_if(pools.begin(), each, [&](const IkePool& other) {
            return !pool.first.unspecified() &&  // else it could not be read
                   (other.rules->has(pool.first) || pool.has(other.rules->first));
        });
        if (earlier != each) {
            diagnostics.push_back({each->section, "duplicate-addresses",
                                   fmt::format("pool \"{}\" has addresses that pool \"{}\" at {} has already",
                                               pool.name, earlier->rules->name, to_string(earlier->section))});
        }
    }
}

}  // namespace

IkePool read_ike_pool(const PlacedTable& table, Diagnostics& diagnostics) {
    Section section(*table.table, table.where, std::string(kTitle), diagnostics);
    auto pool = std::make_shared<ike::AddressPool>();
    section.name(pool->name);
    section.require("name", "every pool");
    read_range(section, *pool);
    section.require("addresses", "every pool");
    read_list(section, "dns", "10.1.0.53", "an address", parse_server, pool->dns);
    read_list(section, "domains", "corp.example", "a domain", parse_domain, pool->domains);
    read_list(
        section, "subnets", "10.1.0.0/16", "a prefix whose bits behind its length are zero",
        [](const std::string& text) { return Prefix::parse(text); }, pool->subnets);
    if (!pool->domains.empty() && pool->dns.empty()) {
        section.report(section.position("domains"), "key-missing",
                       "domains without dns: which server is to be asked for them?");
    }
    section.refuse_the_rest();
    return {.rules = std::move(pool), .section = table.where};
}

void read_virtual_addresses(Section& section, IkeConnection& connection) {
    read_list(
        section, "virtual_addresses", "0.0.0.0", "an address to ask for, \"0.0.0.0\" or \"::\" for any",
        [](const std::string& text) { return IpAddress::parse(text); }, connection.rules->virtual_addresses);
    for (PlacedText& name : section.texts("pools", kMostIkeItems, "laptops")) {
        connection.pools.push_back(std::move(name.text));
        connection.pools_at.push_back(name.where);
    }
    const bool tunnels = std::ranges::all_of(
        connection.rules->children, [](const ike::ChildRule& child) { return child.mode == ike::Mode::tunnel; });
    for (const std::string_view key : {"virtual_addresses", "pools"}) {
        if (section.has(key) && !tunnels) {
            section.report(section.position(key), "mode-refused",
                           fmt::format("{}: a child in transport mode has no virtual address: expected mode = "
                                       "\"tunnel\"",
                                       key));
        }
    }
}

void settle_pools(IkeConfiguration& ike, Diagnostics& diagnostics) {
    std::map<std::string_view, const IkePool*> by_name;
    for (const IkePool& pool : ike.pools) {
        const auto [earlier, added] = by_name.try_emplace(pool.rules->name, &pool);
        if (!added && !pool.rules->name.empty()) {
            diagnostics.push_back({pool.section, "duplicate-name",
                                   fmt::format("a pool with the name \"{}\" stands already at {}", pool.rules->name,
                                               to_string(earlier->second->section))});
        }
    }
    refuse_overlaps(ike.pools, diagnostics);
    std::vector<std::string_view> names;
    std::ranges::transform(by_name, std::back_inserter(names), [](const auto& each) { return each.first; });
    for (IkeConnection& connection : ike.connections) {
        for (std::size_t i = 0; i < connection.pools.size(); ++i) {
            const std::string& name = connection.pools[i];
            if (const auto found = by_name.find(name); found != by_name.end()) {
                connection.rules->pools.push_back(found->second->rules);
            } else {
                diagnostics.push_back({connection.pools_at[i], "unknown-pool",
                                       fmt::format("pools: there is no {} with the name {}{}", kTitle,
                                                   in_quotes(name), did_you_mean(name, names))});
            }
        }
    }
}

}  // namespace keysluice::control
