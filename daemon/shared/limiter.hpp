#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/counters.hpp"
#include "daemon/shared/limit_memory.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice {

/// One connection, counted for its service and its client, until this object ends.
class CountedConnection {
   public:
    CountedConnection() = default;
    CountedConnection(CountedConnection&& other) noexcept { swap(other); }
    CountedConnection& operator=(CountedConnection&& other) noexcept {
        CountedConnection(std::move(other)).swap(*this);
        return *this;
    }
    CountedConnection(const CountedConnection&) = delete;
    CountedConnection& operator=(const CountedConnection&) = delete;
    ~CountedConnection();

   private:
    friend class Limiter;
    void swap(CountedConnection& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(service_, other.service_);
        std::swap(client_, other.client_);
    }

    std::shared_ptr<LimitMemory> memory_;  ///< that it was counted in: what comes after that counts anew
    LimitMemory::Cell service_ = LimitMemory::kNowhere;
    LimitMemory::Cell client_ = LimitMemory::kNowhere;
};

/// An engine's or relay's view of the limits of services. Until keysluiced has sent the memory, there is no limit.
class Limiter {
   public:
    explicit Limiter(CounterSet& counters) : counters_(counters) {}

    /// From now on it counts there; the caller counts anew what it has. Error: `memory-file-failed`.
    [[nodiscard]] Result<void> use(UniqueFd file);

    /// A connection has come, whose client may not be known yet. Error: `connection-limit`.
    [[nodiscard]] Result<CountedConnection> admit(ServiceId service, const Limits& limits);
    /// Now its client is. Errors: `address-connection-limit`, `address-handshake-rate-limit`, `handshake-rate-limit`.
    [[nodiscard]] Result<void> admit_client(CountedConnection& connection, ServiceId service, const Limits& limits,
                                            std::uint64_t origin);
    /// One that is here already, whatever the limits are.
    [[nodiscard]] CountedConnection count(ServiceId service, const Limits& limits, std::uint64_t origin);

   private:
    /// False: over the limit. What the memory has no cell for passes.
    [[nodiscard]] bool begin(LimitMemory::Key key, std::uint32_t most, LimitMemory::Cell& cell);
    [[nodiscard]] bool pass(LimitMemory::Key key, std::uint32_t per_second);

    CounterSet& counters_;
    std::shared_ptr<LimitMemory> memory_;
};

}  // namespace keysluice
