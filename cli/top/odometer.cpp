#include "cli/top/odometer.hpp"

#include <utility>

namespace keysluice::cli {

Totals Odometer::add(const std::vector<IkeSa>& sas) {
    std::map<std::uint32_t, std::optional<std::uint64_t>> fresh;
    Totals standing;
    for (const IkeSa& sa : sas) {
        for (const ChildSa& child : sa.children) {
            const auto before = bytes_.find(child.spi_in);
            if (!child.counters) {
                fresh[child.spi_in] = before == bytes_.end() ? std::nullopt : before->second;
                continue;
            }
            const std::uint64_t bytes = child.counters->in.bytes + child.counters->out.bytes;
            const std::uint64_t known = before == bytes_.end() ? 0 : before->second.value_or(bytes);
            std::uint64_t& total = totals_[sa.connection];
            total += began_ && bytes > known ? bytes - known : 0;
            fresh[child.spi_in] = bytes;
            standing[sa.connection] = total;
        }
    }
    bytes_ = std::move(fresh);
    began_ = true;
    return standing;
}

}  // namespace keysluice::cli
