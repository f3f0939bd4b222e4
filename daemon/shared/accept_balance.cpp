#include "daemon/shared/accept_balance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace keysluice {

Result<UniqueFd> AcceptBalance::create(std::size_t engines) {
    const auto memory = SealedMemory::create("keysluice-accepted", engines * sizeof(Cell));
    if (!memory) {
        return std::unexpected(memory.error());
    }
    return duplicate_fd(memory->file());
}

Result<AcceptBalance> AcceptBalance::open(UniqueFd file, std::uint16_t engine) {
    auto memory = SealedMemory::open(std::move(file));
    if (!memory) {
        return pass_on(std::move(memory));
    }
    AcceptBalance balance;
    balance.memory_ = std::move(*memory);
    balance.engine_ = engine;
    const std::size_t engines = balance.memory_.as<Cell>().size();
    if (engine >= engines) {
        return fail("memory-file-failed", fmt::format("keysluiced shares its listening sockets among {} engines, and "
                                                      "this is number {}, counted from 0",
                                                      engines, engine));
    }
    if (engines > 1) {
        balance.own().store(balance.least_of_the_others(), std::memory_order_relaxed);
    }
    return balance;
}

bool AcceptBalance::is_ahead() const {
    const std::uint64_t accepted = memory_.as<Cell>()[engine_].accepted.load(std::memory_order_relaxed);
    return accepted > kSlack && accepted - kSlack > least_of_the_others();
}

std::uint64_t AcceptBalance::least_of_the_others() const {
    const auto cells = memory_.as<Cell>();
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t i = 0; i < cells.size(); ++i) {
        if (i != engine_) {
            least = std::min(least, cells[i].accepted.load(std::memory_order_relaxed));
        }
    }
    return least;
}

}  // namespace keysluice
