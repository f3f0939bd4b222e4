#include "cli/bus_proxies.hpp"

#include <fmt/format.h>

namespace keysluice::cli {

Result<std::unique_ptr<sdbus::IConnection>> connect_to_bus(const std::string& address) {
    try {
        return address == "system" ? sdbus::createSystemBusConnection()
                                   : sdbus::createSessionBusConnectionWithAddress(address);
    } catch (const sdbus::Error& error) {
        return fail("bus-unreachable",
                    address == "system"
                        ? fmt::format("no system bus answers: {}", error.getMessage())
                        : fmt::format("no bus answers at the address {}: {}", address, error.getMessage()));
    }
}

std::unique_ptr<sdbus::IProxy> bus_proxy(sdbus::IConnection& connection) {
    return sdbus::createProxy(connection, bus::BusName{"org.freedesktop.DBus"},
                              sdbus::ObjectPath{"/org/freedesktop/DBus"});
}

bool service_runs(sdbus::IProxy& bus) {
    bool runs = false;
    bus.callMethod("NameHasOwner")
        .onInterface("org.freedesktop.DBus")
        .withArguments(std::string(kBusName))
        .storeResultsTo(runs);
    return runs;
}

}  // namespace keysluice::cli
