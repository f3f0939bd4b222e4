#include "policy/discard_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <variant>

namespace keysluice::policy {

namespace nft = netlink::nft;

namespace {

/// So many rules are asked as fast as a map is.
constexpr std::size_t kFew = 16;
constexpr std::size_t kMostBranches = 32;
/// More rules than this of one policy become one with sets, which cost the kernel more to make.
constexpr std::size_t kMostRules = 16;
constexpr std::array kAll{Dimension::protocol, Dimension::local_address, Dimension::remote_address,
                          Dimension::local_port, Dimension::remote_port};

using Intervals = std::vector<Interval>;

/// A choice, in the part of all packets that comes to a chain.
struct Entry {
    const DiscardChoice* choice = nullptr;
    /// Sorted, and joined where they overlap or touch.
    std::array<Intervals, kDimensions> packets = {};
};

Intervals& of(Entry& entry, Dimension dimension) {
    return entry.packets[static_cast<std::size_t>(dimension)];
}
const Intervals& of(const Entry& entry, Dimension dimension) {
    return entry.packets[static_cast<std::size_t>(dimension)];
}
Interval& of(Box& box, Dimension dimension) {
    return box[static_cast<std::size_t>(dimension)];
}
const Interval& of(const Box& box, Dimension dimension) {
    return box[static_cast<std::size_t>(dimension)];
}

Intervals joined(Intervals intervals) {
    std::ranges::sort(intervals, {}, &Interval::first);
    Intervals result;
    for (const Interval& each : intervals) {
        // The sum of a highest number and 1 would be 0.
        if (!result.empty() && (each.first <= result.back().last || each.first - 1 == result.back().last)) {
            result.back().last = std::max(result.back().last, each.last);
        } else {
            result.push_back(each);
        }
    }
    return result;
}

Intervals within(const Intervals& intervals, const Interval& part) {
    Intervals result;
    for (const Interval& each : intervals) {
        if (each.first <= part.last && part.first <= each.last) {
            result.push_back({std::max(each.first, part.first), std::min(each.last, part.last)});
        }
    }
    return result;
}

nft::Field field_of(Dimension dimension, const Policy& policy) {
    const bool in = policy.direction == Direction::in;
    const bool icmp = policy.protocol && is_icmp(*policy.protocol);
    switch (dimension) {
        case Dimension::protocol:
            return nft::Field::protocol;
        case Dimension::local_address:
            return in ? nft::Field::destination_address : nft::Field::source_address;
        case Dimension::remote_address:
            return in ? nft::Field::source_address : nft::Field::destination_address;
        case Dimension::local_port:
            return icmp ? nft::Field::icmp_type : in ? nft::Field::destination_port : nft::Field::source_port;
        case Dimension::remote_port:
            return icmp ? nft::Field::icmp_code : in ? nft::Field::source_port : nft::Field::destination_port;
    }
    std::unreachable();
}

bool overlap(const Entry& left, const Entry& right) {
    return std::ranges::all_of(kAll, [&](Dimension dimension) {
        return std::ranges::any_of(of(left, dimension),
                                   [&](const Interval& each) { return !within(of(right, dimension), each).empty(); });
    });
}

bool told_apart_by_ports(const Entry& entry) {
    return entry.choice->policy->protocol && has_ports(*entry.choice->policy->protocol);
}

struct Branch {
    Interval part;
    std::vector<Entry> entries;
};

class Tree {
   public:
    Tree(DiscardTable& table, Family family) : table_(table), family_(family) {}

    void grow(const std::string& chain, const Box& here, const std::vector<Entry>& entries) {
        const auto split = entries.size() > kFew ? best_split(here, entries) : std::nullopt;
        const Split* const chosen = split ? &*split : nullptr;
        if (chosen == nullptr) {
            ask_all(chain, here, entries);
            return;
        }
        nft::Dispatch dispatch{
            .field = field_of(chosen->dimension, *entries.front().choice->policy), .family = family_, .chains = {}};
        for (const Branch& each : chosen->branches) {
            if (!each.entries.empty()) {
                const std::string next = fmt::format("select-{}", table_.chains.size());
                table_.chains.push_back(next);
                dispatch.chains.push_back({{each.part.first, each.part.last}, next});
                Box there = here;
                of(there, chosen->dimension) = each.part;
                grow(next, there, each.entries);
            }
        }
        table_.rules.push_back({.chain = chain, .steps = {nft::OfFamily{family_}, std::move(dispatch)}});
    }

   private:
    struct Split {
        Dimension dimension = Dimension::protocol;
        std::vector<Branch> branches;
        std::size_t largest = 0;
    };

    /// The dimension whose largest branch is the smallest; nothing where none helps, or all would grow too much.
    [[nodiscard]] static std::optional<Split> best_split(const Box& here, const std::vector<Entry>& entries) {
        const bool ports = std::ranges::all_of(entries, told_apart_by_ports);
        std::optional<Split> best;
        for (const Dimension each : kAll) {
            const bool port = each == Dimension::local_port || each == Dimension::remote_port;
            if (!port || ports) {
                Split split = split_by(each, of(here, each), entries);
                if (split.largest <= entries.size() * 3 / 4 && (!best || split.largest < best->largest)) {
                    best = std::move(split);
                }
            }
        }
        return best;
    }

    [[nodiscard]] static Split split_by(Dimension dimension, const Interval& all, const std::vector<Entry>& entries) {
        Split split{.dimension = dimension, .branches = {}};
        std::size_t total = 0;
        for (const Interval& part : parts_of(dimension, all, entries)) {
            Branch branch{.part = part, .entries = {}};
            for (const Entry& each : entries) {
                if (Intervals rest = within(of(each, dimension), part); !rest.empty()) {
                    branch.entries.push_back(each);
                    of(branch.entries.back(), dimension) = std::move(rest);
                }
            }
            total += branch.entries.size();
            split.largest = std::max(split.largest, branch.entries.size());
            split.branches.push_back(std::move(branch));
            if (total > 2 * entries.size()) {
                split.largest = entries.size();
                return split;
            }
        }
        return split;
    }

    /// Cuts where something begins or ends, and not everywhere: what fits all packets is in all parts.
    [[nodiscard]] static Intervals parts_of(Dimension dimension, const Interval& all,
                                            const std::vector<Entry>& entries) {
        std::vector<Number> starts{all.first};
        for (const Entry& entry : entries) {
            for (const Interval& each : of(entry, dimension)) {
                starts.push_back(each.first);
                if (each.last < all.last) {
                    starts.push_back(each.last + 1);
                }
            }
        }
        std::ranges::sort(starts);
        const auto repeated = std::ranges::unique(starts);
        starts.erase(repeated.begin(), repeated.end());
        const std::size_t branches = std::clamp(entries.size() / 8, std::size_t{2}, kMostBranches);
        const std::size_t step = (starts.size() + branches - 1) / branches;
        Intervals parts;
        for (std::size_t place = 0; place < starts.size(); place += step) {
            const std::size_t next = place + step;
            parts.push_back({starts[place], next < starts.size() ? starts[next] - 1 : all.last});
        }
        return parts;
    }

    /// Of those that leave, only which keep packets from later ones.
    void ask_all(const std::string& chain, const Box& here, const std::vector<Entry>& entries) {
        std::vector<const Entry*> needed;
        for (auto each = entries.rbegin(); each != entries.rend(); ++each) {
            const bool leaves = std::holds_alternative<nft::Verdict>(each->choice->then);
            if (!leaves || std::ranges::any_of(needed, [&](const Entry* later) { return overlap(*each, *later); })) {
                needed.push_back(&*each);
            }
        }
        for (auto each = needed.rbegin(); each != needed.rend(); ++each) {
            ask(chain, here, **each);
        }
    }

    /// One rule, or one of each combination of intervals.
    void ask(const std::string& chain, const Box& here, const Entry& entry) {
        std::vector<nft::Rule> rules{{.chain = chain, .steps = {nft::OfFamily{family_}}}};
        std::size_t combinations = 1;
        for (const Intervals& each : entry.packets) {
            combinations *= each.size();
        }
        for (const Dimension dimension : kAll) {
            const Intervals& intervals = of(entry, dimension);
            if (intervals.front() != of(here, dimension)) {
                rules =
                    asked(rules, field_of(dimension, *entry.choice->policy), intervals, combinations <= kMostRules);
            }
        }
        for (nft::Rule& each : rules) {
            each.steps.push_back(entry.choice->then);
            table_.rules.push_back(std::move(each));
        }
    }

    [[nodiscard]] std::vector<nft::Rule> asked(const std::vector<nft::Rule>& rules, nft::Field field,
                                               const Intervals& intervals, bool one_by_one) const {
        std::vector<nft::Interval> values(intervals.size());
        std::ranges::transform(intervals, values.begin(),
                               [](const Interval& each) { return nft::Interval{each.first, each.last}; });
        std::vector<std::vector<nft::Interval>> sets{values};
        if (one_by_one) {
            sets.resize(values.size());
            std::ranges::transform(values, sets.begin(), [](const nft::Interval& each) { return std::vector{each}; });
        }
        std::vector<nft::Rule> result;
        for (const nft::Rule& before : rules) {
            for (const auto& each : sets) {
                result.push_back(before);
                result.back().steps.emplace_back(nft::Fits{.field = field, .family = family_, .any_of = each});
            }
        }
        return result;
    }

    DiscardTable& table_;
    Family family_;
};

}  // namespace

void find_first(DiscardTable& table, std::string_view from, Family family,
                const std::vector<DiscardChoice>& choices) {
    Box all{};
    for (const Dimension each : kAll) {
        of(all, each) = whole(each, family);
    }
    std::vector<Entry> entries;
    for (const DiscardChoice& choice : choices) {
        Entry entry{.choice = &choice};
        for (const Dimension each : kAll) {
            of(entry, each) = joined(intervals_of(*choice.policy, each, family));
        }
        if (std::ranges::none_of(entry.packets, &Intervals::empty)) {
            entries.push_back(std::move(entry));
        }
    }
    Tree(table, family).grow(std::string(from), all, entries);
}

}  // namespace keysluice::policy
