#include "daemon/control/ticket_keys.hpp"

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {

namespace {

constexpr const char* kName = "tickets";

}  // namespace

TicketKeys::TicketKeys(Loop& loop, DescriptorStore& store, Lifetime lifetime)
    : lifetime_(std::move(lifetime)), timer_(loop, [this] { look(); }) {
    inherit_or_create(store);
    if (memory_.file() >= 0) {
        static_cast<void>(memory_.lock());
    }
    look();
}

void TicketKeys::inherit_or_create(DescriptorStore& store) {
    if (auto inherited = store.take(kName)) {
        const auto used = memory_.use(*std::move(inherited));
        if (used) {
            return;
        }
        log_warning("sessions of TLS clients are not resumed any more: {} ({})", used.error().sentence,
                    used.error().reason);
        store.forget(kName);
    }
    if (const auto created = memory_.create(); !created) {
        log_warning("no session of a TLS client is resumed: {} ({})", created.error().sentence,
                    created.error().reason);
        return;
    }
    if (store.available()) {
        if (const auto kept = store.keep(kName, memory_.file()); !kept) {
            log_warning("sessions of TLS clients do not outlive keysluiced: {} ({})", kept.error().sentence,
                        kept.error().reason);
        }
    }
}

void TicketKeys::look() {
    if (memory_.file() < 0) {
        return;
    }
    const auto lifetime = lifetime_();
    // TicketMemory says why half of it.
    const auto period = (lifetime.count() > 0 ? lifetime : kLongestSession) / 2;
    const Instant time = now();
    if (const auto rotated = memory_.rotated(); !rotated || *rotated + period <= time) {
        memory_.rotate(random_, time);
    }
    timer_.arm(memory_.rotated().value_or(time) + period);
}

UniqueFd TicketKeys::file() const {
    return memory_.file() >= 0 ? duplicate_fd(memory_.file()) : UniqueFd();
}

}  // namespace keysluice::control
