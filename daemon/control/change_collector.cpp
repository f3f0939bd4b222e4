#include "daemon/control/change_collector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "daemon/control/ike_log.hpp"
#include "daemon/shared/clock.hpp"

namespace keysluice::control {
namespace {

/// In the order of ike::Report::Kind.
constexpr std::array<std::string_view, 17> kKindNames{
    "ike-established", "child-established",  "child-rekeyed", "ike-rekeyed",  "child-closed",
    "ike-closed",      "peer-moved",         "path-changed",  "offload-lost", "offload-regained",
    "offload-moved",   "addresses-assigned", "failed",        "refused",      "gateway-changed",
    "reauthenticated", "reauth-failed"};

std::string text_of(const std::optional<ike::Ends>& ends) {
    return ends ? fmt::format("{} {}", ends->local.text(), ends->remote.text()) : std::string();
}

/// Of what goes another way: where it went before, and where it goes.
std::pair<std::string, std::string> ends_of(const ike::Report& report) {
    if (report.devices) {
        return *report.devices;
    }
    if (report.from_sa) {
        return {fmt::format("{:016x}", report.from_sa->value), fmt::format("{:016x}", report.sa.value)};
    }
    return report.from ? std::pair(report.from->text(), report.peer.text())
                       : std::pair(text_of(report.before), text_of(report.after));
}

}  // namespace

std::string_view name_of(ike::Report::Kind kind) {
    return kKindNames.at(static_cast<std::size_t>(kind));
}

void ChangeCollector::add(const ike::Report& report, const ike::Sa* sa) {
    if (!collects_) {
        return;
    }
    if (sa != nullptr) {
        touch(*sa);
    }
    using Turn = Reachability::Turn;
    const Turn turn = reachability_.look_at(report);
    if (turn == Turn::back) {
        note("peer-back", report, sa);
    }
    note(name_of(report.kind), report, sa);
    if (turn == Turn::unreachable) {
        note("peer-unreachable", report, sa);
    }
    look_at_clock();
}

void ChangeCollector::note(std::string_view kind, const ike::Report& report, const ike::Sa* sa) {
    const ike::ChildSa* child = newest_child(sa, report.child);
    auto [from, to] = ends_of(report);
    note({.time = std::chrono::system_clock::now(),
          .kind = kind,
          .connection = report.connection,
          .child = report.child,
          .sa = report.sa,
          .inbound = child == nullptr ? ike::EspSpi{} : child->spec.inbound,
          .outbound = child == nullptr ? ike::EspSpi{} : child->spec.outbound,
          .peer = report.peer.text(),
          .reason = std::string(report.error.reason),
          .sentence = report.error.sentence,
          .from = std::move(from),
          .to = std::move(to)});
}

void ChangeCollector::note(Happening happening) {
    ++count_;
    if (changes_.happened.size() < kMostHappenings) {
        changes_.happened.push_back(std::move(happening));
    }
}

void ChangeCollector::service(std::string_view kind, const std::string& name, const Failure& failure) {
    if (!collects_) {
        return;
    }
    note({.time = std::chrono::system_clock::now(),
          .kind = kind,
          .connection = name,
          .child = {},
          .sa = {},
          .inbound = {},
          .outbound = {},
          .peer = failure.peer,
          .reason = failure.reason,
          .sentence = failure.sentence});
    look_at_clock();
}

void ChangeCollector::policies(std::string_view kind, std::string_view sentence) {
    if (!collects_) {
        return;
    }
    note({.time = std::chrono::system_clock::now(),
          .kind = kind,
          .connection = {},
          .child = {},
          .sa = {},
          .inbound = {},
          .outbound = {},
          .peer = {},
          .reason = {},
          .sentence = std::string(sentence)});
    look_at_clock();
}

void ChangeCollector::touch(const ike::Sa& sa) {
    // What never was established comes and goes by thousands, and nobody looks at it one by one.
    if (!collects_ || sa.established_at == Instant{} || changes_.look_at_all) {
        return;
    }
    touched_.insert(sa.own_spi());
    if (touched_.size() > kMostTouched) {
        touched_.clear();
        changes_.look_at_all = true;
    }
    look_at_clock();
}

void ChangeCollector::reloaded() {
    changes_.reloaded = collects_;
    look_at_clock();
}

void ChangeCollector::next(Reader reader) {
    collects_ = true;
    reader_ = std::move(reader);
    look_at_clock();
}

bool ChangeCollector::nothing() const {
    return changes_.first == count_ && touched_.empty() && !changes_.look_at_all && !changes_.reloaded;
}

void ChangeCollector::look_at_clock() {
    if (reader_ && !nothing() && !std::exchange(ticking_, true)) {
        tick_.arm(now() + kTick);
    }
}

void ChangeCollector::tell() {
    ticking_ = false;
    const std::uint64_t next = count_;
    Changes told = std::exchange(changes_, {});
    changes_.first = next;
    const auto end =
        std::next(touched_.begin(), static_cast<std::ptrdiff_t>(std::min(kTouchedAtOnce, touched_.size())));
    told.touched.assign(touched_.begin(), end);
    touched_.erase(touched_.begin(), end);
    std::exchange(reader_, nullptr)(std::move(told));
}

}  // namespace keysluice::control
