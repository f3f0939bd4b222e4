#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "tls/tickets.hpp"

namespace keysluice::testing {

/// Keys are numbers here, the newest one last.
class FakeTicketOffice final : public tls::TicketOffice {
   public:
    std::vector<std::uint8_t> keys{1};
    std::map<std::uint64_t, std::uint32_t> left;
    bool full = false;

    std::optional<tls::TicketKey> sealing_key() const override {
        return keys.empty() ? std::nullopt : std::optional(key(keys.back()));
    }
    std::optional<tls::TicketKey> key_named(Bytes name) const override {
        return std::ranges::count(keys, name[0]) > 0 ? std::optional(key(name[0])) : std::nullopt;
    }
    void randomize(MutableBytes bytes) override { std::ranges::fill(bytes, ++randomized_); }
    tls::UseCount begin_count(std::uint32_t most, Instant /*until*/, Instant /*now*/) override {
        if (full) {
            return {};
        }
        left[++counts_] = most;
        return {.place = 7, .id = counts_};
    }
    bool count(tls::UseCount of) override {
        const auto found = left.find(of.id);
        return of.place == 7 && found != left.end() && found->second > 0 && found->second-- > 0;
    }

   private:
    static tls::TicketKey key(std::uint8_t number) {
        tls::TicketKey key;
        key.name.fill(number);
        std::ranges::fill(key.encryption.writable(32), number + 1);
        std::ranges::fill(key.authentication.writable(32), number + 2);
        return key;
    }

    std::uint8_t randomized_ = 0;
    std::uint64_t counts_ = 0;
};

}  // namespace keysluice::testing
