#include "cli/time_line.hpp"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "cli/counted.hpp"
#include "cli/documents.hpp"
#include "cli/printable.hpp"

namespace keysluice::cli {
namespace {

constexpr std::size_t kWidthOfKinds = 17;  // of the longest one, child-established

/// The kind in its colour, with as many spaces as its column wants.
std::string kind_of(const Event& event, const Style& style) {
    const std::string space(kWidthOfKinds - std::min(kWidthOfKinds, columns(event.kind)), ' ');
    const bool bad = event.kind == "failed" || event.kind == "refused" || event.kind == "peer-unreachable";
    const bool doubtful = event.kind.ends_with("-closed") || event.kind == "offload-lost";
    return (bad ? style.bad(event.kind) : doubtful ? style.doubtful(event.kind) : style.good(event.kind)) + space;
}

/// Which SA it is about.
std::string spis_of(const Event& event) {
    if (event.spi_in != 0 || event.spi_out != 0) {
        return fmt::format(", in {:08x}, out {:08x}", event.spi_in, event.spi_out);
    }
    return event.ike_spi == 0 ? "" : fmt::format(", IKE {:016x}", event.ike_spi);
}

}  // namespace

std::string local_time(std::uint64_t microseconds) {
    const auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
    std::tm fields{};
    localtime_r(&seconds, &fields);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", fields.tm_year + 1900, fields.tm_mon + 1,
                       fields.tm_mday, fields.tm_hour, fields.tm_min, fields.tm_sec, microseconds / 1000 % 1000);
}

TimeLine::TimeLine(Form form, Style style, Write write) : form_(form), style_(style), write_(std::move(write)) {}

void TimeLine::happened(std::uint64_t first, const std::vector<Event>& events) {
    if (due_ && first > *due_) {
        lost(first - *due_);
    }
    due_ = first + events.size();
    for (const Event& event : events) {
        write_(form_ == Form::json ? document({{"event", to_json(event)}}) : line_of(printable(event)));
    }
}

void TimeLine::service_is(bool running) {
    if (form_ == Form::json) {
        write_(document({{"running", running}}));
    } else if (!running) {
        write_(style_.doubtful(running_ ? "-- keysluiced has gone; waiting for it"
                                        : "-- keysluiced does not run; waiting for it") +
               "\n");
    } else {
        write_(style_.good(running_ ? "-- keysluiced is back" : "-- keysluiced runs") + "\n");
    }
    if (running && running_) {
        due_ = 0;
    }
    running_ = running;
}

void TimeLine::lost(std::uint64_t count) {
    if (form_ == Form::json) {
        write_(document({{"lost", count}}));
        return;
    }
    const std::string events = counted(count, "event");
    write_(style_.bad(fmt::format("-- {} not told: too many at once; keysluice list says what is", events)) + "\n");
}

/// Of a printable event.
std::string TimeLine::line_of(const Event& event) const {
    std::string text = fmt::format("{} {} ", local_time(event.time), kind_of(event, style_));
    text += event.connection.empty() ? "" : style_.strong(event.connection);
    text += event.child.empty() ? "" : "/" + event.child;
    text += (event.connection.empty() && event.child.empty() ? "" : " ") +
            (event.from.empty() ? "" : event.from + " -> ") + event.peer + spis_of(event);
    text += event.sentence.empty() ? "" : ": " + event.sentence;
    text += event.reason.empty() ? "" : " (" + event.reason + ")";
    return text + "\n";
}

}  // namespace keysluice::cli
