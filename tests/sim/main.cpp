// ike_sim [--seeds COUNT] [--from SEED]: plays seeds, ends with 1 at the first that goes wrong and tells its number.
// ike_sim --seed SEED: plays one and narrates it.
#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <string_view>

#include "tests/sim/simulation.hpp"

namespace {

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

int main(int count, char** arguments) {
    std::uint64_t from = 1;
    std::uint64_t seeds = 1000;
    bool narrate = false;
    for (int each = 1; each + 1 < count; each += 2) {
        const std::string_view option = arguments[each];
        const std::uint64_t value = number(arguments[each + 1]);
        if (option == "--seeds") {
            seeds = value;
        } else if (option == "--from") {
            from = value;
        } else if (option == "--seed") {
            from = value;
            seeds = 1;
            narrate = true;
        } else {
            fmt::print(stderr, "usage: ike_sim [--seeds COUNT] [--from SEED] | --seed SEED\n");
            return 2;
        }
    }
    for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
        if (const auto fault = keysluice::ike::testing::play(seed, narrate); !fault.empty()) {
            fmt::print("seed {}: {}\n0 passed, 1 failed\n", seed, fault);
            return 1;
        }
    }
    fmt::print("{} seeds\n1 passed, 0 failed\n", seeds);
    return 0;
}
