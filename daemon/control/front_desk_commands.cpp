#include <fmt/format.h>

#include <algorithm>

#include "daemon/control/control.hpp"
#include "daemon/control/front_desk.hpp"
#include "daemon/shared/quoted.hpp"

// The part of FrontDesk that carries out commands.

namespace keysluice::control {
namespace {

Error not_found(const Command& command) {
    const std::string_view others = command.among == Command::Among::all ? "and no group " : "";
    return {"not-found", fmt::format("there is no connection {}with the name {}", others, in_quotes(command.name))};
}

}  // namespace

Error FrontDesk::not_running() const {
    return {"ike-not-running", control_.ike_refused().empty()
                                   ? "IKE does not run: no connection is configured"
                                   : fmt::format("IKE does not run: {}", control_.ike_refused())};
}

Result<std::vector<ike::ConnectionPtr>> FrontDesk::connections_for(const Command& command) const {
    if (control_.ike() == nullptr) {
        return std::unexpected(not_running());
    }
    const auto& configured = control_.configuration().ike.connections;
    std::vector<ike::ConnectionPtr> found;
    for (const IkeConnection& connection : configured) {
        if (connection.rules->name == command.name) {
            found = {connection.rules};
            break;
        }
        if (command.among == Command::Among::all && in_group(connection.groups, command.name)) {
            found.push_back(connection.rules);
        }
    }
    // A connection that is no longer configured may have SAs.
    if (const auto left = control_.ike()->endpoint().sas_of(command.name);
        found.empty() && !left.empty() && command.verb != Command::Verb::up) {
        found.push_back(control_.ike()->find(left.front())->connection);
    }
    if (found.empty()) {
        return std::unexpected(not_found(command));
    }
    if (!command.child.empty()) {
        const auto refused = control_.ike()->refused(found.front()->name);
        const auto same = std::ranges::find(refused, command.child, &RefusedChild::child);
        std::erase_if(found, [&](const ike::ConnectionPtr& each) { return each->child(command.child) == nullptr; });
        if (found.empty() && same != refused.end()) {
            return std::unexpected(same->why);
        }
        if (found.empty()) {
            return fail("not-found", fmt::format("{} has no child with the name {}", in_quotes(command.name),
                                                 in_quotes(command.child)));
        }
    }
    return found;
}

void FrontDesk::command(const Command& command, Answer answer) {
    if (command.sa) {
        answer(command_one(command, *command.sa));
        return;
    }
    auto services = services_for(command);
    auto connections =
        command.among == Command::Among::services ? std::vector<ike::ConnectionPtr>{} : connections_for(command);
    if (!connections && services.empty()) {
        answer(pass_on(std::move(connections)));
        return;
    }
    const bool of_ike = command.verb == Command::Verb::rekey || command.verb == Command::Verb::reauthenticate;
    if (of_ike && (!connections || connections->empty())) {
        answer(fail("not-in-this-version",
                    fmt::format("{} is a TLS service: this version of keysluice can't renew the keys of TLS sessions "
                                "yet",
                                in_quotes(command.name))));
        return;
    }
    UnderWay fresh{.command = command,
                   .connections = connections ? *std::move(connections) : std::vector<ike::ConnectionPtr>{},
                   .answer = std::move(answer)};
    switch (command.verb) {
        case Command::Verb::up:
            open_services(services, fresh);
            break;
        case Command::Verb::down:
            close_services(std::move(services), std::move(fresh));
            return;
        case Command::Verb::rekey:
        case Command::Verb::reauthenticate:
            break;
    }
    begin(std::move(fresh));
}

/// A service of that name and, where neither it nor a connection has it, those of the group.
std::vector<ServiceId> FrontDesk::services_for(const Command& command) const {
    const auto& connections = control_.configuration().ike.connections;
    const bool is_connection =
        std::ranges::any_of(connections, [&](const IkeConnection& each) { return each.rules->name == command.name; });
    std::vector<ServiceId> found;
    if (command.among == Command::Among::connections || !command.child.empty() || is_connection) {
        return found;
    }
    const auto& services = control_.configuration().services;
    for (const TlsService& service : services) {
        if (service.name == command.name) {
            return {service_id(service.name)};
        }
        if (command.among == Command::Among::all && in_group(service.groups, command.name)) {
            found.push_back(service_id(service.name));
        }
    }
    return found;
}

void FrontDesk::open_services(const std::vector<ServiceId>& services, UnderWay& fresh) {
    for (const ServiceId id : services) {
        if (auto opened = control_.open_service(id); opened) {
            ++fresh.count;
        } else {
            fresh.refused = std::move(opened).error();
        }
    }
    if (!services.empty()) {
        control_.changes().reloaded();
    }
}

void FrontDesk::close_services(std::vector<ServiceId> services, UnderWay fresh) {
    if (services.empty()) {
        begin(std::move(fresh));
        return;
    }
    const ServiceId id = services.back();
    services.pop_back();
    control_.changes().reloaded();
    control_.close_service(id, [this, services = std::move(services),
                                fresh = std::move(fresh)](const Result<std::uint32_t>& ended) mutable {
        if (ended) {
            fresh.count += *ended;
        } else {
            fresh.refused = ended.error();
        }
        close_services(std::move(services), std::move(fresh));
    });
}

void FrontDesk::begin(UnderWay fresh) {
    const bool first = under_way_.empty();
    under_way_.push_back(std::move(fresh));
    if (first) {
        work();
    }
}

Result<std::uint32_t> FrontDesk::command_one(const Command& command, ike::IkeSpi spi) const {
    auto found = find(spi);
    if (!found) {
        return pass_on(std::move(found));
    }
    const ike::Sa* sa = *found;
    IkeService& ike = *control_.ike();
    if (!command.child.empty() && sa->connection->child(command.child) == nullptr) {
        return fail("not-found", fmt::format("connection {} has no child with the name {}", sa->connection->name,
                                             in_quotes(command.child)));
    }
    if (command.verb == Command::Verb::reauthenticate) {
        return ike.reauthenticate(sa->connection->name, spi);
    }
    return command.verb == Command::Verb::down ? ike.down(sa->connection->name, spi)
                                               : ike.rekey(sa->connection->name, command.child, spi);
}

void FrontDesk::work() {
    for (std::size_t step = 0; step < kStepsAtOnce && !under_way_.empty(); ++step) {
        UnderWay& now = under_way_.front();
        if (now.done < now.connections.size()) {
            work_on(now, *now.connections[now.done++]);
        }
        if (now.done == now.connections.size()) {
            UnderWay finished = std::move(now);
            under_way_.pop_front();
            const bool refused = finished.count == 0 && finished.refused;
            finished.answer(refused ? Result<std::uint32_t>(std::unexpected(*finished.refused)) : finished.count);
        }
    }
    if (!under_way_.empty()) {
        loop_.defer([this] { work(); });
    }
}

void FrontDesk::work_on(UnderWay& now, const ike::Connection& rules) {
    IkeService& ike = *control_.ike();
    switch (now.command.verb) {
        case Command::Verb::up:
            if (auto begun = ike.up(rules, now.command.child); begun) {
                ++now.count;
            } else {
                now.refused = std::move(begun).error();
            }
            return;
        case Command::Verb::down:
            now.count += ike.down(rules.name);
            return;
        case Command::Verb::rekey:
            now.count += ike.rekey(rules.name, now.command.child);
            return;
        case Command::Verb::reauthenticate:
            if (auto begun = ike.reauthenticate(rules.name); begun) {
                now.count += *begun;
            } else {
                now.refused = std::move(begun).error();
            }
            return;
    }
}

}  // namespace keysluice::control
