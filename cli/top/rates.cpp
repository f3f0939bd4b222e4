#include "cli/top/rates.hpp"

#include <cassert>
#include <chrono>
#include <utility>

namespace keysluice::cli {

void RateBook::add(Instant at, Totals totals) {
    assert(!before_ || at > *before_);
    std::map<std::string, std::vector<double>> fresh;
    for (const auto& [name, total] : totals) {
        std::vector<double>& history = fresh[name] = std::move(histories_[name]);
        const auto last = totals_.find(name);
        if (!before_ || last == totals_.end()) {
            continue;
        }
        const std::uint64_t grown = total >= last->second ? total - last->second : total;
        history.push_back(static_cast<double>(grown) / std::chrono::duration<double>(at - *before_).count());
        if (history.size() > kLongestHistory) {
            history.erase(history.begin());
        }
    }
    before_ = at;
    totals_ = std::move(totals);
    histories_ = std::move(fresh);
}

const std::vector<double>& RateBook::history(const std::string& name) const {
    static const std::vector<double> kNone;
    const auto found = histories_.find(name);
    return found == histories_.end() ? kNone : found->second;
}

}  // namespace keysluice::cli
