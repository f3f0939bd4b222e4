#include "daemon/control/removed_services.hpp"

#include <algorithm>
#include <utility>

#include "daemon/shared/counters.hpp"

namespace keysluice::control {
namespace {

bool is_connection(const Count& count) {
    return count.value != 0 && (count.name == counter::kNegotiating || count.name == counter::kActiveKernel ||
                                count.name == counter::kActiveUserspace || count.name == counter::kActivePlaintext);
}

}  // namespace

void RemovedServices::add(TlsService service) {
    const ServiceId id = service_id(service.name);
    services_.insert_or_assign(id, std::move(service));
}

const TlsService* RemovedServices::find(ServiceId id) const {
    const auto found = services_.find(id);
    return found == services_.end() ? nullptr : &found->second;
}

std::vector<ServiceId> RemovedServices::idle(const std::vector<ProcessCounters>& counted,
                                             const std::set<ServiceId>& configured) {
    std::set<ServiceId> quiet;
    for (const auto& [id, service] : services_) {
        quiet.insert(id);
    }
    std::set<ServiceId> busy;
    for (const ProcessCounters& process : counted) {
        for (const Count& count : process.counts) {
            if (!configured.contains(count.service)) {
                (is_connection(count) ? busy : quiet).insert(count.service);
            }
        }
    }
    std::erase_if(quiet, [&busy](ServiceId id) { return busy.contains(id); });
    any_ = !busy.empty() || !quiet.empty();
    std::vector<ServiceId> idle;
    std::ranges::set_intersection(quiet, std::exchange(quiet_, quiet), std::back_inserter(idle));
    for (const ServiceId id : idle) {
        services_.erase(id);
        quiet_.erase(id);
    }
    return idle;
}

}  // namespace keysluice::control
