#include "daemon/control/status_server.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/shared/clock.hpp"

namespace keysluice::control {

StatusServer::StatusServer(Loop& loop, UniqueFd socket, Ask ask, Collect collect)
    : loop_(loop),
      door_(loop, std::move(socket), [this] { this->ask(); }),
      ask_(std::move(ask)),
      collect_(std::move(collect)),
      writer_(loop, 1, 1) {}

StatusServer::~StatusServer() {
    loop_.disarm(*this);
}

void StatusServer::count(Counted then) {
    counting_.push_back(std::move(then));
    ask();
}

void StatusServer::ask() {
    if (!std::exchange(under_way_, true)) {
        collected_.clear();
        for (const Hello& asked : ask_(++token_)) {
            collected_.push_back({.process = asked, .answered = false, .counts = {}});
        }
        missing_ = collected_.size();
        loop_.arm(*this, missing_ == 0 ? now() : now() + kPatience);
    }
}

void StatusServer::on_counters(const Hello& from, Counters counters) {
    if (missing_ == 0 || counters.token != token_) {
        return;
    }
    const auto asked =
        std::ranges::find_if(collected_, [&](const ProcessCounters& one) { return one.process == from; });
    if (asked == collected_.end() || asked->answered) {
        return;
    }
    std::ranges::move(counters.counts, std::back_inserter(asked->counts));
    asked->answered = !counters.more;
    if (counters.more) {
        return;
    }
    if (--missing_ == 0) {
        loop_.disarm(*this);
        on_answers();
    }
}

void StatusServer::on_answers() {
    missing_ = 0;
    for (Counted& then : std::exchange(counting_, {})) {
        then(collected_);
    }
    if (!door_.wanted()) {
        under_way_ = false;
        return;
    }
    writer_.submit([this, document = collect_(std::exchange(collected_, {}))]() mutable -> WorkerPool::Done {
        return [this, text = document()]() mutable { on_written(std::move(text)); };
    });
}

void StatusServer::on_written(std::string document) {
    under_way_ = false;
    door_.answer(std::make_shared<const std::string>(std::move(document)));
    if (!counting_.empty()) {
        ask();  // they came while the document was written
    }
}

}  // namespace keysluice::control
