#pragma once

#include <optional>

#include "base/instant.hpp"
#include "base/result.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice {

/// Says when a connection has lasted long enough (connection_lifetime) or has been silent for too long
/// (idle_timeout). Its owner has a timer for next(): traffic moves that point without anybody arming anything.
class LifeSpan {
   public:
    LifeSpan(const Limits& limits, Instant since, Instant now)
        : idle_(limits.idle), lifetime_(limits.lifetime), since_(since), last_(now) {}

    [[nodiscard]] bool limited() const { return idle_.count() != 0 || lifetime_.count() != 0; }
    [[nodiscard]] bool counts_traffic() const { return idle_.count() != 0; }
    void note_traffic(Instant now) { last_ = now; }

    /// Why it is over by now: `lifetime-over`, `idle-timeout`.
    [[nodiscard]] std::optional<Error> over(Instant now) const;
    /// Of one that is limited: not before this it is over.
    [[nodiscard]] Instant next() const;

   private:
    Duration idle_;
    Duration lifetime_;
    Instant since_;
    Instant last_;
};

}  // namespace keysluice
