#include "cli/bus_rows.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <tuple>
#include <utility>

namespace keysluice::cli {
namespace {

Instant instant_of(std::uint64_t microseconds, Instant none) {
    return microseconds == 0 ? none : Instant(std::chrono::microseconds(microseconds));
}

ChildSa from_row(const ChildRow& row) {
    return {.name = std::get<0>(row),
            .state = std::get<1>(row),
            .mode = std::get<2>(row),
            .spi_in = std::get<3>(row),
            .spi_out = std::get<4>(row),
            .local_ts = std::get<5>(row),
            .remote_ts = std::get<6>(row),
            .suite = std::get<7>(row),
            .rekey_due = instant_of(std::get<8>(row), Instant::max()),
            .offload_requested = std::get<9>(row),
            .offload = std::get<10>(row),
            .offload_device = std::get<11>(row),
            .offload_reason = std::get<12>(row)};
}

Traffic from_row(const TrafficRow& row, const Clocks& clocks) {
    const auto moment = [&clocks](std::uint64_t microseconds) {
        const auto since_1970 = std::chrono::microseconds(microseconds);
        return microseconds == 0 ? Instant::min() : clocks.monotonic - (clocks.real.time_since_epoch() - since_1970);
    };
    return {.packets = std::get<0>(row),
            .bytes = std::get<1>(row),
            .installed = moment(std::get<4>(row)),
            .used = moment(std::get<5>(row))};
}

template <typename T>
T value_of(const bus::Dictionary& properties, const char* name) {
    const auto found = properties.find(name);
    return found == properties.end() ? T{} : found->second.get<T>();
}

}  // namespace

ChildCounters from_row(const CounterRow& row, const Clocks& clocks) {
    return {.in = from_row(std::get<2>(row), clocks),
            .out = from_row(std::get<3>(row), clocks),
            .outside_window = std::get<4>(row),
            .replayed = std::get<5>(row),
            .broken = std::get<6>(row)};
}

IkeSa from_row(const SaRow& row) {
    IkeSa sa{.spi = std::get<0>(row),
             .peer_spi = std::get<1>(row),
             .connection = std::get<2>(row),
             .initiator = std::get<3>(row),
             .state = std::get<4>(row),
             .local = std::get<5>(row),
             .remote = std::get<6>(row),
             .local_id = std::get<7>(row),
             .remote_id = std::get<8>(row),
             .suite = std::get<9>(row),
             .established = instant_of(std::get<10>(row), Instant::min()),
             .rekey_due = instant_of(std::get<11>(row), Instant::max()),
             .children = {}};
    using Texts = std::vector<std::string>;
    const bus::Dictionary& more = std::get<13>(row);
    sa.virtual_addresses = value_of<Texts>(more, "virtual_addresses");
    sa.assigned_addresses = value_of<Texts>(more, "assigned_addresses");
    sa.dns = value_of<Texts>(more, "dns");
    sa.domains = value_of<Texts>(more, "domains");
    sa.interface = value_of<std::string>(more, "interface");
    for (const ChildRow& child : std::get<12>(row)) {
        sa.children.push_back(from_row(child));
    }
    return sa;
}

TlsSession from_row(const TlsSessionRow& row) {
    return {.id = std::get<0>(row),
            .service = std::get<1>(row),
            .local = std::get<2>(row),
            .remote = std::get<3>(row),
            .backend = std::get<4>(row),
            .version = std::get<5>(row),
            .suite = std::get<6>(row),
            .established = instant_of(std::get<7>(row), Instant::min()),
            .offload_requested = std::get<8>(row),
            .offload = std::get<9>(row),
            .device = std::get<10>(row),
            .reason = std::get<11>(row)};
}

Event from_row(const EventRow& row) {
    return {.time = std::get<0>(row),
            .kind = std::get<1>(row),
            .connection = std::get<2>(row),
            .child = std::get<3>(row),
            .ike_spi = std::get<4>(row),
            .spi_in = std::get<5>(row),
            .spi_out = std::get<6>(row),
            .peer = std::get<7>(row),
            .reason = std::get<8>(row),
            .sentence = std::get<9>(row),
            .from = value_of<std::string>(std::get<10>(row), "from"),
            .to = value_of<std::string>(std::get<10>(row), "to")};
}

Connection connection_from(const bus::Dictionary& properties) {
    Connection connection{.name = value_of<std::string>(properties, "Name"),
                          .groups = value_of<std::vector<std::string>>(properties, "Groups"),
                          .local = value_of<std::string>(properties, "Local"),
                          .remote = value_of<std::string>(properties, "Remote"),
                          .local_id = value_of<std::string>(properties, "LocalId"),
                          .remote_id = value_of<std::string>(properties, "RemoteId"),
                          .auth = value_of<std::string>(properties, "Auth"),
                          .remote_auth = value_of<std::string>(properties, "RemoteAuth"),
                          .start = value_of<std::string>(properties, "Start"),
                          .children = value_of<std::vector<std::string>>(properties, "Children"),
                          .refused = {},
                          .gateways = value_of<std::vector<std::string>>(properties, "Gateways"),
                          .gateway = value_of<std::string>(properties, "Gateway")};
    using RefusedRow = sdbus::Struct<std::string, std::string, std::string>;
    for (const RefusedRow& row : value_of<std::vector<RefusedRow>>(properties, "Refused")) {
        connection.refused.push_back({std::get<0>(row), std::get<1>(row), std::get<2>(row)});
    }
    return connection;
}

TlsService service_from(const bus::Dictionary& properties) {
    return {.name = value_of<std::string>(properties, "Name"),
            .groups = value_of<std::vector<std::string>>(properties, "Groups"),
            .open = !properties.contains("Open") || value_of<bool>(properties, "Open"),
            .mode = value_of<std::string>(properties, "Mode"),
            .listen = value_of<std::vector<std::string>>(properties, "Listen"),
            .connect = value_of<std::vector<std::string>>(properties, "Connect"),
            .server_name = value_of<std::string>(properties, "ServerName"),
            .client_certificate = value_of<std::string>(properties, "ClientCertificate"),
            .min_version = value_of<std::string>(properties, "MinVersion"),
            .verify_peer = value_of<std::string>(properties, "VerifyPeer"),
            .max_version = value_of<std::string>(properties, "MaxVersion"),
            .ciphers = value_of<std::vector<std::string>>(properties, "Ciphers"),
            .ciphersuites = value_of<std::vector<std::string>>(properties, "Ciphersuites"),
            .key_exchange_groups = value_of<std::vector<std::string>>(properties, "KeyExchangeGroups"),
            .plaintext_remote = value_of<std::string>(properties, "PlaintextRemote"),
            .send_proxy = value_of<std::string>(properties, "SendProxy"),
            .accept_proxy = value_of<std::string>(properties, "AcceptProxy"),
            .offload_requested = value_of<std::string>(properties, "OffloadRequested"),
            .counters = {},
            .silent = 0};
}

}  // namespace keysluice::cli
