#include "daemon/control/metrics_server.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice::control {

Result<UniqueFd> bind_metrics(const std::string& directory) {
    const std::string path = runtime_path(directory, "metrics.sock");
    auto socket = DocumentServer::bind(path);
    if (socket && chmod(path.c_str(), 0666) != 0) {
        return fail("status-bind-failed", fmt::format("{}: {}", path, std::strerror(errno)));
    }
    return socket;
}

MetricsServer::MetricsServer(Loop& loop, FrontDesk& desk, UniqueFd socket, std::string version, Duration freshness)
    : loop_(loop),
      desk_(desk),
      version_(std::move(version)),
      freshness_(freshness),
      door_(loop, std::move(socket), [this] { asked(); }) {}

void MetricsServer::asked() {
    if (text_ && now() - written_ < freshness_) {
        door_.answer(text_);
    } else if (!std::exchange(under_way_, true)) {
        metrics_ = {};
        metrics_.version = version_;
        ask_services();
    }
}

void MetricsServer::ask_services() {
    const Setup setup = desk_.setup();
    std::vector<std::string> names = setup.removed;
    for (const ServiceView& service : setup.services) {
        names.push_back(service.settings.name);
    }
    missing_ = names.size();
    for (const std::string& name : names) {
        desk_.counts(name, [this, name](FrontDesk::Counts counts) {
            metrics_.services[name] = std::move(counts.values);
            metrics_.silent = std::max<std::uint64_t>(metrics_.silent, counts.silent);
            if (--missing_ == 0) {
                look_at_sas({});
            }
        });
    }
    if (names.empty()) {
        look_at_sas({});
    }
}

void MetricsServer::look_at_sas(ike::IkeSpi after) {
    const SaPage page = desk_.sas({}, after, FrontDesk::kLongestPage);
    for (const IkeSaView& sa : page.sas) {
        metrics_.count_ike_sa(sa.state);
        for (const ChildView& child : sa.children) {
            const auto in_force = child.offload.in_force;
            metrics_.count_child_sa(
                in_force == ike::Offload::off ? "none" : kEspOffloadNames.at(static_cast<std::size_t>(in_force)),
                child.offload.device);
        }
    }
    if (page.next) {
        loop_.defer([this, next = *page.next] { look_at_sas(next); });
    } else {
        done();
    }
}

void MetricsServer::done() {
    under_way_ = false;
    text_ = std::make_shared<const std::string>(to_open_metrics(metrics_));
    written_ = now();
    door_.answer(text_);
}

}  // namespace keysluice::control
