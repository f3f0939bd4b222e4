#include "daemon/control/sa_counters.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/control/translation.hpp"

namespace keysluice::control {

void SaCounters::read(const std::vector<const ike::ChildSaSpec*>& children, Answer answer) {
    Reading reading{.wanted = {}, .answer = std::move(answer)};
    for (const ike::ChildSaSpec* spec : children) {
        reading.wanted.push_back({.inbound = spec->inbound,
                                  .outbound = spec->outbound,
                                  .in = inbound_id(*spec),
                                  .out = outbound_id(*spec)});
    }
    readings_.push_back(std::move(reading));
    if (readings_.size() == 1) {
        go_on();
    }
}

SaCounters::Found SaCounters::look(Databases& databases, const std::vector<Wanted>& part) {
    const auto state = [&databases](const xfrm::SaId& id) {
        auto found = databases.sa(id);
        return found ? std::optional(*std::move(found)) : std::nullopt;
    };
    Found found;
    for (const Wanted& each : part) {
        ChildCounters counters{
            .inbound = each.inbound, .outbound = each.outbound, .in = state(each.in), .out = state(each.out)};
        if (counters.in || counters.out) {
            found.push_back(std::move(counters));
        }
    }
    return found;
}

void SaCounters::go_on() {
    if (kernel_.full()) {
        finish(Error{"kernel-busy", "too many changes of SAs wait for the kernel; try again"});
        return;
    }
    const Reading& reading = readings_.front();
    const auto begin = std::next(reading.wanted.begin(), static_cast<std::ptrdiff_t>(reading.done));
    const auto size = std::min<std::ptrdiff_t>(kAtOnce, std::distance(begin, reading.wanted.end()));
    kernel_.submit([this, part = std::vector<Wanted>(begin, std::next(begin, size))](Databases& databases) {
        return KernelThread::Then([this, size = part.size(), found = look(databases, part)]() mutable {
            on_found(size, std::move(found));
        });
    });
}

void SaCounters::on_found(std::size_t looked_for, Found found) {
    Reading& reading = readings_.front();
    reading.done += looked_for;
    std::ranges::move(found, std::back_inserter(reading.found));
    if (reading.done < reading.wanted.size()) {
        go_on();
    } else {
        finish({});
    }
}

void SaCounters::finish(std::optional<Error> failure) {
    Reading reading = std::move(readings_.front());
    readings_.pop_front();
    if (failure) {
        reading.answer(std::unexpected(*std::move(failure)));
    } else {
        reading.answer(std::move(reading.found));
    }
    if (!readings_.empty()) {
        go_on();
    }
}

}  // namespace keysluice::control
