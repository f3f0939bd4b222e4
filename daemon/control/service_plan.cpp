#include "daemon/control/service_plan.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace keysluice::control {
namespace {

using Services = std::map<std::string, const ServiceEntry*>;

Services by_name(const std::vector<ServiceEntry>& entries) {
    Services services;
    for (const ServiceEntry& entry : entries) {
        services.emplace(entry.service.name, &entry);
    }
    return services;
}

const ServiceEntry* find(const Services& services, const std::string& name) {
    const auto found = services.find(name);
    return found == services.end() ? nullptr : found->second;
}

std::set<Endpoint> addresses_of(const std::vector<ServiceEntry>& entries) {
    std::set<Endpoint> addresses;
    for (const ServiceEntry& entry : entries) {
        addresses.insert(entry.service.listen.begin(), entry.service.listen.end());
    }
    return addresses;
}

/// Whether they want an address in common.
bool meet(const ServiceEntry* one, const ServiceEntry* another) {
    return one != nullptr && another != nullptr &&
           std::ranges::any_of(one->service.listen, [&](const Endpoint& endpoint) {
               return std::ranges::find(another->service.listen, endpoint) != another->service.listen.end();
           });
}

/// All that stay as they run, or as they don't: `failed`, and what depends on them.
std::set<std::string> staying(const Services& now, const Services& fresh, const std::set<std::string>& failed) {
    std::set<std::string> names;
    for (const Services* services : {&now, &fresh}) {
        std::ranges::transform(*services, std::inserter(names, names.end()),
                               [](const auto& each) { return each.first; });
    }
    std::set<std::string> stay = failed;
    // Each round adds one at least, or is the last.
    for (std::size_t before = 0; before != stay.size();) {
        before = stay.size();
        for (const std::string& name : names) {
            const bool depends = std::ranges::any_of(stay, [&](const std::string& other) {
                return other != name && (meet(find(now, name), find(fresh, other)) ||  // it would be nobody's
                                         meet(find(fresh, name), find(now, other)));   // it would be two's
            });
            if (depends) {
                stay.insert(name);
            }
        }
    }
    return stay;
}

}  // namespace

ServicePlan plan_services(const std::vector<ServiceEntry>& now, const std::vector<ServiceEntry>& fresh,
                          const std::set<std::string>& failed) {
    const Services runs = by_name(now);
    const Services wanted = by_name(fresh);
    const std::set<std::string> stay = staying(runs, wanted, failed);
    ServicePlan plan;
    for (const ServiceEntry& entry : fresh) {
        const std::string& name = entry.service.name;
        const ServiceEntry* const before = find(runs, name);
        const bool same = before != nullptr && before->service == entry.service;
        if (stay.contains(name)) {
            if (!failed.contains(name) && !same) {
                plan.held_back.insert(name);
            }
            if (before != nullptr) {
                plan.serve.push_back(*before);
            }
            continue;
        }
        plan.serve.push_back(entry);
        if (before == nullptr) {
            plan.added.push_back(name);
        } else if (!same) {
            plan.changed.push_back(name);
        }
    }
    for (const ServiceEntry& entry : now) {
        if (wanted.contains(entry.service.name)) {
            continue;
        }
        if (stay.contains(entry.service.name)) {
            plan.held_back.insert(entry.service.name);
            plan.serve.push_back(entry);
        } else {
            plan.removed.push_back(entry.service.name);
        }
    }
    const std::set<Endpoint> before = addresses_of(now);
    const std::set<Endpoint> after = addresses_of(plan.serve);
    std::ranges::set_difference(after, before, std::back_inserter(plan.opened));
    std::ranges::set_difference(before, after, std::back_inserter(plan.closed));
    return plan;
}

std::vector<ServiceEntry> services_of(const Configuration& configuration) {
    std::vector<ServiceEntry> entries;
    entries.reserve(configuration.services.size());
    for (std::size_t index = 0; index < configuration.services.size(); ++index) {
        entries.push_back({.service = configuration.services[index], .source = configuration.sources[index]});
    }
    return entries;
}

void set_services(Configuration& configuration, std::vector<ServiceEntry> services) {
    configuration.services.clear();
    configuration.sources.clear();
    for (ServiceEntry& entry : services) {
        configuration.services.push_back(std::move(entry.service));
        configuration.sources.push_back(std::move(entry.source));
    }
}

}  // namespace keysluice::control
