#include "cli/overview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/listing.hpp"
#include "cli/printable.hpp"

namespace keysluice::cli {
namespace {

constexpr std::string_view kFailed = "failed:";

void look_at(const Connection& as_it_came, const std::set<std::string>& up, std::vector<std::string>& wrong) {
    const Connection connection = printable(as_it_came);
    if (connection.start == "on-load" && !up.contains(as_it_came.name)) {
        wrong.push_back(fmt::format("connection {} is to be up and is not; keysluice monitor tells what comes of it",
                                    connection.name));
    }
    for (const RefusedChild& each : connection.refused) {
        wrong.push_back(
            fmt::format("connection {}, child {}: {} ({})", connection.name, each.child, each.sentence, each.reason));
    }
}

void look_at(const IkeSa& as_it_came, Overview& overview) {
    ++overview.ike_sas;
    overview.established += as_it_came.state == "established" ? 1U : 0U;
    overview.child_sas += as_it_came.children.size();
    const IkeSa sa = printable(as_it_came);
    for (const ChildSa& child : sa.children) {
        if (child.state != "installed") {
            continue;
        }
        ++overview.offload[child.offload];
        if (!child.offload_reason.empty() && child.offload_requested != "auto") {
            overview.wrong.push_back(fmt::format("{}, child {}: offload {} was asked for, and it is {}",
                                                 sa.connection, child.name, child.offload_requested,
                                                 offload_of(child)));
        }
    }
}

void look_at(const TlsService& service, Overview& overview) {
    overview.tls_kernel += counter_of(service, "active-kernel");
    overview.tls_userspace += counter_of(service, "active-userspace");
    for (const auto& [name, value] : service.counters) {
        if (name.starts_with(kFailed)) {
            overview.tls_failed[printable(name.substr(kFailed.size()))] += value;
        }
    }
    if (service.silent > 0) {
        overview.wrong.push_back(fmt::format("{} processes of the TLS service {} did not answer: figures are missing",
                                             service.silent, printable(service.name)));
    }
}

template <typename Number>
Json to_json(const std::map<std::string, Number>& numbers) {
    std::vector<Json::Member> members;
    members.reserve(numbers.size());
    for (const auto& [name, number] : numbers) {
        members.push_back({name, number});
    }
    return Json::object(members);
}

}  // namespace

Overview overview_of(const Manager& manager, const Target& all) {
    Overview overview;
    overview.connections = all.connections.size();
    if (!manager.ike_failure.empty()) {
        overview.wrong.push_back(fmt::format("IKE does not run: {}", printable(manager.ike_failure)));
    }
    std::set<std::string> up;
    for (const IkeSa& sa : all.sas) {
        look_at(sa, overview);
        if (sa.state == "established") {
            up.insert(sa.connection);
        }
    }
    for (const Connection& connection : all.connections) {
        look_at(connection, up, overview.wrong);
    }
    for (const TlsService& service : all.services) {
        look_at(service, overview);
    }
    return overview;
}

Json to_json(const Overview& overview) {
    return Json::object({{"connections", overview.connections},
                         {"ike_sas", overview.ike_sas},
                         {"established", overview.established},
                         {"child_sas", overview.child_sas},
                         {"offload", to_json(overview.offload)},
                         {"tls_kernel", overview.tls_kernel},
                         {"tls_userspace", overview.tls_userspace},
                         {"tls_failed", to_json(overview.tls_failed)}});
}

}  // namespace keysluice::cli
