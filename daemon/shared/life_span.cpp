#include "daemon/shared/life_span.hpp"

#include <algorithm>

namespace keysluice {

std::optional<Error> LifeSpan::over(Instant now) const {
    if (lifetime_.count() != 0 && now >= since_ + lifetime_) {
        return Error{"lifetime-over", "it has lasted for connection_lifetime"};
    }
    if (idle_.count() != 0 && now >= last_ + idle_) {
        return Error{"idle-timeout", "nothing came or went for idle_timeout"};
    }
    return std::nullopt;
}

Instant LifeSpan::next() const {
    const Instant idle = last_ + idle_;
    const Instant end = since_ + lifetime_;
    if (lifetime_.count() == 0) {
        return idle;
    }
    return idle_.count() == 0 ? end : std::min(idle, end);
}

}  // namespace keysluice
