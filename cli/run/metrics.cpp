#include "daemon/control/metrics.hpp"

#include <algorithm>

#include "cli/command_line.hpp"
#include "cli/json.hpp"
#include "cli/run/runs.hpp"
#include "cli/target.hpp"

namespace keysluice::cli {
namespace {

using Members = std::vector<Json::Member>;

Json object_of(const std::map<std::string, std::uint64_t>& counts) {
    Members members;
    for (const auto& [name, count] : counts) {
        members.push_back({name, count});
    }
    return Json::object(members);
}

std::string as_json(const control::Metrics& metrics) {
    Members services;
    for (const auto& [name, counters] : metrics.services) {
        services.push_back({name, object_of(counters)});
    }
    const Json children = Json::array(metrics.child_sas, [](const auto& each) {
        return Json::object({{"offload", each.first.first}, {"device", each.first.second}, {"count", each.second}});
    });
    return document({{"service_version", metrics.version},
                     {"ike_sas", object_of(metrics.ike_sas)},
                     {"child_sas", children},
                     {"tls_services", Json::object(services)},
                     {"silent", metrics.silent}});
}

}  // namespace

Result<Outcome> run_metrics(Context& context) {
    const auto manager = context.service.manager();
    if (!manager) {
        return std::unexpected(manager.error());
    }
    const auto all = look_up_all(context.service);
    if (!all) {
        return std::unexpected(all.error());
    }
    control::Metrics metrics;
    metrics.version = manager->version;
    for (const IkeSa& sa : all->sas) {
        metrics.count_ike_sa(sa.state);
        for (const ChildSa& child : sa.children) {
            metrics.count_child_sa(child.offload, child.offload_device);
        }
    }
    for (const TlsService& service : all->services) {
        metrics.services[service.name] = service.counters;
        metrics.silent = std::max<std::uint64_t>(metrics.silent, service.silent);
    }
    return Outcome{.text = context.line.json() ? as_json(metrics) : control::to_open_metrics(metrics)};
}

}  // namespace keysluice::cli
