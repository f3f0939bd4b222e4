#include "cli/bus_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "cli/bus_events.hpp"
#include "cli/bus_proxies.hpp"
#include "daemon/shared/clock.hpp"
#include "dbus/common/failure.hpp"

namespace keysluice::cli {
namespace {

using IkeSaProxy = PlainProxy<org::keysluice1::IkeSa_proxy>;
using TlsServiceProxy = PlainProxy<org::keysluice1::TlsService_proxy>;
using PoliciesProxy = PlainProxy<org::keysluice1::Policies_proxy>;
using Objects = std::map<sdbus::ObjectPath, std::map<std::string, bus::Dictionary>>;

// The service answers within 10 s, or within 120 s where polkit may ask a person.
constexpr std::chrono::microseconds kPatience = std::chrono::seconds(25);
constexpr std::chrono::microseconds kPatienceWithPeople = std::chrono::seconds(150);

bus::Dictionary options_of(const Wish& wish) {
    bus::Dictionary options;
    if (!wish.child.empty()) {
        options.emplace("child", sdbus::Variant{wish.child});
    }
    if (wish.interactive) {
        options.emplace("interactive", sdbus::Variant{true});
    }
    return options;
}

std::string path_of(std::uint64_t ike_spi) {
    return fmt::format("{}/ikesa/{:016x}", kRoot, ike_spi);
}

}  // namespace

BusService::BusService(std::string address) : address_(std::move(address)) {}
BusService::~BusService() = default;

/// Asks each time who has the name: a call to a service that has ended would start it.
Result<void> BusService::reach() {
    if (!connection_) {
        auto connection = connect_to_bus(address_);
        if (!connection) {
            return pass_on(std::move(connection));
        }
        connection_ = std::move(*connection);
    }
    try {
        if (service_runs(*bus_proxy(*connection_))) {
            return {};
        }
    } catch (const sdbus::Error& error) {
        connection_.reset();
        return fail("bus-unreachable", fmt::format("the bus has gone: {}", error.getMessage()));
    }
    return fail("service-not-running",
                fmt::format("keysluiced does not run: nobody has the name {} on this bus; start "
                            "it with systemctl start keysluice.target",
                            kBusName));
}

template <typename T>
Result<T> BusService::ask(bool interactive, const std::function<T(sdbus::IConnection&)>& question) {
    if (auto reached = reach(); !reached) {
        return pass_on(std::move(reached));
    }
    try {
        connection_->setMethodCallTimeout(interactive ? kPatienceWithPeople : kPatience);
        if constexpr (std::is_void_v<T>) {
            question(*connection_);
            return {};
        } else {
            return question(*connection_);
        }
    } catch (const sdbus::Error& error) {
        return std::unexpected(bus::from_bus_error(error));
    }
}

Result<Manager> BusService::manager() {
    return ask<Manager>(false, [](sdbus::IConnection& connection) {
        ManagerProxy proxy(connection);
        return Manager{.version = proxy.Version(),
                       .api_version = proxy.ApiVersion(),
                       .features = proxy.Features(),
                       .ike_failure = proxy.IkeFailure()};
    });
}

Result<std::vector<IkeSa>> BusService::ike_sas(const SaFilter& filter) {
    return ask<std::vector<IkeSa>>(false, [&filter](sdbus::IConnection& connection) {
        bus::Dictionary wanted;
        if (!filter.connection.empty()) {
            wanted.emplace("connection", sdbus::Variant{filter.connection});
        }
        if (!filter.group.empty()) {
            wanted.emplace("group", sdbus::Variant{filter.group});
        }
        ManagerProxy proxy(connection);
        std::vector<IkeSa> sas;
        std::string cursor;
        do {
            std::vector<SaRow> page;
            std::tie(page, cursor) = proxy.ListSas(wanted, cursor, 0);
            std::ranges::transform(page, std::back_inserter(sas), [](const SaRow& row) { return from_row(row); });
        } while (!cursor.empty());
        std::ranges::sort(sas, {}, [](const IkeSa& sa) { return std::tie(sa.connection, sa.remote, sa.spi); });
        return sas;
    });
}

Result<std::vector<TlsSession>> BusService::tls_sessions(const TlsFilter& filter) {
    return ask<std::vector<TlsSession>>(false, [&filter](sdbus::IConnection& connection) {
        bus::Dictionary wanted;
        if (!filter.service.empty()) {
            wanted.emplace("service", sdbus::Variant{filter.service});
        }
        if (!filter.group.empty()) {
            wanted.emplace("group", sdbus::Variant{filter.group});
        }
        ManagerProxy proxy(connection);
        std::vector<TlsSession> sessions;
        std::string cursor;
        do {
            std::vector<TlsSessionRow> page;
            std::uint32_t silent = 0;
            std::tie(page, cursor, silent) = proxy.ListTlsSessions(wanted, cursor, 0);
            std::ranges::transform(page, std::back_inserter(sessions),
                                   [](const TlsSessionRow& row) { return from_row(row); });
        } while (!cursor.empty());
        return sessions;
    });
}

Result<Configured> BusService::configured() {
    return ask<Configured>(false, [this](sdbus::IConnection& connection) {
        Objects objects;
        sdbus::createProxy(connection, bus::BusName{kBusName}, sdbus::ObjectPath{kRoot})
            ->callMethod("GetManagedObjects")
            .onInterface("org.freedesktop.DBus.ObjectManager")
            .storeResultsTo(objects);
        Configured configured;
        paths_.clear();
        for (const auto& [path, interfaces] : objects) {
            if (const auto each = interfaces.find("org.keysluice1.Connection"); each != interfaces.end()) {
                configured.connections.push_back(connection_from(each->second));
            }
            if (const auto each = interfaces.find("org.keysluice1.TlsService"); each != interfaces.end()) {
                configured.services.push_back(service_from(each->second));
                paths_[configured.services.back().name] = path;
            }
        }
        std::ranges::sort(configured.connections, {}, &Connection::name);
        std::ranges::sort(configured.services, {}, &TlsService::name);
        return configured;
    });
}

Result<void> BusService::count(TlsService& service) {
    return ask<void>(false, [this, &service](sdbus::IConnection& connection) {
        std::tie(service.counters, service.silent) =
            TlsServiceProxy(connection, paths_.at(service.name)).GetCounters();
    });
}

Result<void> BusService::count(IkeSa& sa) {
    return ask<void>(false, [&sa](sdbus::IConnection& connection) {
        const std::vector<CounterRow> rows = ManagerProxy(connection).GetSaCounters(sa.spi);
        const Clocks clocks{.monotonic = now(), .real = std::chrono::system_clock::now()};
        for (ChildSa& child : sa.children) {
            const auto row =
                std::ranges::find(rows, child.spi_in, [](const CounterRow& each) { return std::get<0>(each); });
            child.counters = row == rows.end() ? std::nullopt : std::optional(from_row(*row, clocks));
        }
    });
}

Result<std::uint32_t> BusService::up(const std::string& name, const Wish& wish) {
    return ask<std::uint32_t>(wish.interactive, [&](sdbus::IConnection& connection) {
        return ManagerProxy(connection).Up(name, options_of(wish));
    });
}

Result<std::uint32_t> BusService::down(const std::string& name, const Wish& wish) {
    return ask<std::uint32_t>(wish.interactive, [&](sdbus::IConnection& connection) {
        return ManagerProxy(connection).Down(name, options_of(wish));
    });
}

Result<std::uint32_t> BusService::rekey(const std::string& name, const Wish& wish) {
    return ask<std::uint32_t>(wish.interactive, [&](sdbus::IConnection& connection) {
        return ManagerProxy(connection).Rekey(name, options_of(wish));
    });
}

Result<void> BusService::down(std::uint64_t ike_spi, const Wish& wish) {
    return ask<void>(wish.interactive, [&](sdbus::IConnection& connection) {
        IkeSaProxy(connection, path_of(ike_spi)).Down(options_of(wish));
    });
}

Result<void> BusService::rekey(std::uint64_t ike_spi, const Wish& wish) {
    return ask<void>(wish.interactive, [&](sdbus::IConnection& connection) {
        IkeSaProxy(connection, path_of(ike_spi)).Rekey(options_of(wish));
    });
}

Result<std::uint32_t> BusService::reauthenticate(const std::string& name, const Wish& wish) {
    return ask<std::uint32_t>(wish.interactive, [&](sdbus::IConnection& connection) {
        return ManagerProxy(connection).Reauthenticate(name, options_of(wish));
    });
}

Result<void> BusService::reauthenticate(std::uint64_t ike_spi, const Wish& wish) {
    return ask<void>(wish.interactive, [&](sdbus::IConnection& connection) {
        IkeSaProxy(connection, path_of(ike_spi)).Reauthenticate(options_of(wish));
    });
}

Result<void> BusService::close_session(std::uint64_t id, const Wish& wish) {
    return ask<void>(wish.interactive, [&](sdbus::IConnection& connection) {
        ManagerProxy(connection).CloseTlsSession(id, options_of(wish));
    });
}

Result<std::uint32_t> BusService::reload(const Wish& wish) {
    return ask<std::uint32_t>(wish.interactive, [&](sdbus::IConnection& connection) {
        return ManagerProxy(connection).Reload(options_of(wish));
    });
}

Result<std::string> BusService::policies(const PolicyCall& call) {
    return ask<std::string>(call.interactive, [&](sdbus::IConnection& connection) -> std::string {
        PoliciesProxy proxy(connection, kRoot);
        bus::Dictionary options = options_of({.interactive = call.interactive});
        if (call.confirm_within > 0) {
            options.emplace("confirm_within", sdbus::Variant{call.confirm_within});
        }
        switch (call.method) {
            case PolicyCall::Method::show:
                return proxy.Show(call.set);
            case PolicyCall::Method::test:
                return proxy.Test(call.set, call.values);
            case PolicyCall::Method::diff:
                return proxy.Diff();
            case PolicyCall::Method::verify:
                return proxy.Verify();
            case PolicyCall::Method::exported:
                return proxy.Export();
            case PolicyCall::Method::list_keys:
                return proxy.ListKeys();
            case PolicyCall::Method::commit:
                return proxy.Commit(options);
            case PolicyCall::Method::confirm:
                return proxy.Confirm(options);
            case PolicyCall::Method::enable:
                return proxy.Enable(options);
            case PolicyCall::Method::disable:
                return proxy.Disable(options);
            case PolicyCall::Method::renew_key:
                return proxy.RenewKey(call.name, options);
            case PolicyCall::Method::edit:
                return proxy.Edit(call.verb, call.name, call.values, options);
            case PolicyCall::Method::import:
                return proxy.Import(call.toml, call.name, options);
        }
        std::unreachable();
    });
}

Result<void> BusService::follow(Follower& follower) {
    return follow_on_bus(address_, follower);
}

}  // namespace keysluice::cli
