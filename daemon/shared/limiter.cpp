#include "daemon/shared/limiter.hpp"

#include <fmt/format.h>

#include "daemon/shared/clock.hpp"

namespace keysluice {

CountedConnection::~CountedConnection() {
    if (memory_) {
        memory_->end(service_);
        memory_->end(client_);
    }
}

Result<void> Limiter::use(UniqueFd file) {
    auto memory = LimitMemory::open(std::move(file));
    if (!memory) {
        return pass_on(std::move(memory));
    }
    memory_ = std::make_shared<LimitMemory>(std::move(*memory));
    return {};
}

bool Limiter::begin(LimitMemory::Key key, std::uint32_t most, LimitMemory::Cell& cell) {
    const LimitMemory::Counted counted = memory_->begin(key, most, now());
    if (counted.outcome == LimitMemory::Outcome::counted) {
        cell = counted.cell;
    } else if (counted.outcome == LimitMemory::Outcome::no_cell) {
        counters_.add(key.service, counter::kUncounted);
    }
    return counted.outcome != LimitMemory::Outcome::over_limit;
}

bool Limiter::pass(LimitMemory::Key key, std::uint32_t per_second) {
    const LimitMemory::Outcome outcome = memory_->pass(key, per_second, now());
    if (outcome == LimitMemory::Outcome::no_cell) {
        counters_.add(key.service, counter::kUncounted);
    }
    return outcome != LimitMemory::Outcome::over_limit;
}

Result<CountedConnection> Limiter::admit(ServiceId service, const Limits& limits) {
    CountedConnection connection;
    connection.memory_ = memory_;
    if (memory_ && limits.connections != 0 && !begin({.service = service}, limits.connections, connection.service_)) {
        return fail("connection-limit",
                    fmt::format("the service has max_connections = {} already", limits.connections));
    }
    return connection;
}

Result<void> Limiter::admit_client(CountedConnection& connection, ServiceId service, const Limits& limits,
                                   std::uint64_t origin) {
    if (!memory_) {
        return {};
    }
    const LimitMemory::Key client{.service = service, .origin = origin};
    // The cell that was taken at its arrival may be in another memory by now, which has been replaced.
    if (origin != 0 && limits.connections_per_address != 0 && connection.memory_ == memory_ &&
        !begin(client, limits.connections_per_address, connection.client_)) {
        return fail(
            "address-connection-limit",
            fmt::format("this address has max_connections_per_address = {} already", limits.connections_per_address));
    }
    // The client's own rate first: one who is too fast does not use up what is for all.
    if (origin != 0 && limits.handshakes_per_second_per_address != 0 &&
        !pass(client, limits.handshakes_per_second_per_address)) {
        return fail("address-handshake-rate-limit",
                    fmt::format("this address is over max_handshakes_per_second_per_address = {}",
                                limits.handshakes_per_second_per_address));
    }
    if (limits.handshakes_per_second != 0 && !pass({.service = service}, limits.handshakes_per_second)) {
        return fail("handshake-rate-limit",
                    fmt::format("the service is over max_handshakes_per_second = {}", limits.handshakes_per_second));
    }
    return {};
}

CountedConnection Limiter::count(ServiceId service, const Limits& limits, std::uint64_t origin) {
    CountedConnection connection;
    connection.memory_ = memory_;
    if (memory_ && limits.connections != 0) {
        static_cast<void>(begin({.service = service}, 0, connection.service_));
    }
    if (memory_ && limits.connections_per_address != 0 && origin != 0) {
        static_cast<void>(begin({.service = service, .origin = origin}, 0, connection.client_));
    }
    return connection;
}

}  // namespace keysluice
