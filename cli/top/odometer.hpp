#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cli/answers.hpp"
#include "cli/top/rates.hpp"

namespace keysluice::cli {

/// What went through a connection since this began, over CHILD SAs that come and go: one that is rekeyed counts from
/// 0 again, and their sum would fall.
class Odometer {
   public:
    /// Bytes of ESP in both directions, of each connection with a CHILD SA that was counted. `sas` are all that there
    /// are now; what is new, but for the first time, has carried its bytes since the last time.
    [[nodiscard]] Totals add(const std::vector<IkeSa>& sas);

   private:
    bool began_ = false;
    /// By the SPI that we have chosen; nothing: it was there and not counted.
    std::map<std::uint32_t, std::optional<std::uint64_t>> bytes_;
    Totals totals_;
};

}  // namespace keysluice::cli
