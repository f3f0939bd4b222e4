#include "ike/wanted.hpp"

namespace keysluice::ike {

void WantedList::put(const std::string& name, const Wanted& wanted) {
    remove(name);
    by_name_.emplace(name, wanted);
    by_time_.emplace(wanted.look_at, name);
}

void WantedList::remove(const std::string& name) {
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
        by_time_.erase({found->second.look_at, name});
        by_name_.erase(found);
    }
}

const Wanted* WantedList::find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &found->second;
}

std::vector<std::string> WantedList::due(Instant now) const {
    std::vector<std::string> names;
    for (auto each = by_time_.begin(); each != by_time_.end() && each->first <= now; ++each) {
        names.push_back(each->second);
    }
    return names;
}

}  // namespace keysluice::ike
