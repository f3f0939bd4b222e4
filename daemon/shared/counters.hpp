#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/shared/messages.hpp"

namespace keysluice {

/// What one engine or relay has counted, for each service. Names are few and come from our own code: the kinds below,
/// and "failed:" or "why-userspace:" with a reason code behind it.
class CounterSet {
   public:
    void add(ServiceId service, std::string_view name, std::int64_t by = 1) {
        values_[{service, std::string(name)}] += static_cast<std::uint64_t>(by);
    }

    [[nodiscard]] std::uint64_t value(ServiceId service, std::string_view name) const {
        const auto found = values_.find({service, std::string(name)});
        return found == values_.end() ? 0 : found->second;
    }

    /// Over all services.
    [[nodiscard]] std::uint64_t sum(std::string_view name) const {
        std::uint64_t sum = 0;
        for (const auto& [key, value] : values_) {
            sum += key.second == name ? value : 0;
        }
        return sum;
    }

    /// The answer to a question with this token: one message or several.
    [[nodiscard]] std::vector<Counters> answer_to(std::uint32_t token) const {
        std::vector<Counters> pages(1, {.token = token, .counts = {}});
        for (const auto& [key, value] : values_) {
            if (pages.back().counts.size() == kMostCounts) {
                pages.back().more = true;
                pages.push_back({.token = token, .counts = {}});
            }
            pages.back().counts.push_back({.service = key.first, .name = key.second, .value = value});
        }
        return pages;
    }

    void forget(ServiceId service) {
        std::erase_if(values_, [service](const auto& each) { return each.first.first == service; });
    }

   private:
    std::map<std::pair<ServiceId, std::string>, std::uint64_t> values_;
};

namespace counter {
inline constexpr std::string_view kAccepted = "accepted";
inline constexpr std::string_view kEstablishedKernel = "established-kernel";
inline constexpr std::string_view kEstablishedUserspace = "established-userspace";
inline constexpr std::string_view kEstablishedPlaintext = "established-plaintext";
inline constexpr std::string_view kResumed = "resumed";  ///< of those established
inline constexpr std::string_view kActiveKernel = "active-kernel";
inline constexpr std::string_view kActiveUserspace = "active-userspace";
inline constexpr std::string_view kActivePlaintext = "active-plaintext";
inline constexpr std::string_view kNegotiating = "negotiating";
inline constexpr std::string_view kUncounted = "uncounted";  ///< the memory of the limits has no place for them
inline constexpr std::string_view kFailed = "failed:";
inline constexpr std::string_view kWhyUserspace = "why-userspace:";
}  // namespace counter

}  // namespace keysluice
