#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"

namespace keysluice::cli {

using Totals = std::map<std::string, std::uint64_t>;

/// Rates of counters that are read now and then, each with what it was before.
class RateBook {
   public:
    static constexpr std::size_t kLongestHistory = 240;

    /// What was not there before has no rate yet, what is not there any more is forgotten, and what has fallen began
    /// anew, from 0. `at` must be later than the last one.
    void add(Instant at, Totals totals);

    /// Per second, the newest last; empty where it is not known.
    [[nodiscard]] const std::vector<double>& history(const std::string& name) const;

   private:
    std::optional<Instant> before_;
    Totals totals_;
    std::map<std::string, std::vector<double>> histories_;
};

}  // namespace keysluice::cli
