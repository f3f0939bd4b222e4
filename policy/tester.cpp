#include "policy/tester.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace keysluice::policy {

namespace {

/// A policy that may fit some of the packets: where it lies in each dimension.
struct Candidate {
    std::size_t place = 0;
    std::array<std::vector<Interval>, kDimensions> intervals;
};

using Candidates = std::vector<const Candidate*>;

bool covers(const Candidate& candidate, std::size_t dimension, Number number) {
    return std::ranges::any_of(candidate.intervals.at(dimension), [number](const Interval& each) {
        return each.first <= number && number <= each.last;
    });
}

/// Where an interval has to be cut: the beginnings of what is covered alike.
std::vector<Number> beginnings(const Candidates& candidates, std::size_t dimension, const Interval& asked) {
    std::vector<Number> cuts{asked.first};
    const auto cut = [&](Number at) {
        if (asked.first < at && at <= asked.last) {
            cuts.push_back(at);
        }
    };
    for (const Candidate* each : candidates) {
        for (const Interval& interval : each->intervals.at(dimension)) {
            cut(interval.first);
            if (interval.last < asked.last) {
                cut(interval.last + 1);
            }
        }
    }
    std::ranges::sort(cuts);
    const auto repeated = std::ranges::unique(cuts);
    cuts.erase(repeated.begin(), repeated.end());
    return cuts;
}

/// Cuts one dimension after the other; nothing where there are too many pieces.
class Cutter {
   public:
    explicit Cutter(const Box& asked) : asked_(asked) {}

    // NOLINTNEXTLINE(misc-no-recursion): as deep as there are dimensions
    std::optional<std::vector<Piece>> cut(const Candidates& candidates, std::size_t dimension) {
        if (dimension == kDimensions) {
            Piece piece{.packets = asked_, .matches = {}};
            std::ranges::transform(candidates, std::back_inserter(piece.matches), &Candidate::place);
            return std::vector{std::move(piece)};
        }
        const Interval asked = asked_.at(dimension);
        const std::vector<Number> cuts = beginnings(candidates, dimension, asked);
        std::vector<Piece> all;
        std::vector<Piece> neighbour;
        for (auto begin = cuts.begin(); begin != cuts.end(); ++begin) {
            const Number last = std::next(begin) == cuts.end() ? asked.last : *std::next(begin) - 1;
            Candidates fitting;
            std::ranges::copy_if(candidates, std::back_inserter(fitting),
                                 [&](const Candidate* each) { return covers(*each, dimension, *begin); });
            auto pieces = cut(fitting, dimension + 1);
            if (!pieces) {
                return std::nullopt;
            }
            if (*pieces == neighbour) {
                for (Piece& each : std::span(all).last(neighbour.size())) {
                    each.packets.at(dimension).last = last;
                }
                continue;
            }
            neighbour = *pieces;
            for (Piece& each : *pieces) {
                each.packets.at(dimension) = {*begin, last};
                all.push_back(std::move(each));
            }
            if (all.size() > kMostPieces) {
                return std::nullopt;
            }
        }
        return all;
    }

   private:
    const Box& asked_;
};

std::optional<Candidate> candidate_of(const Policy& policy, std::size_t place, Family family) {
    Candidate candidate{.place = place, .intervals = {}};
    for (std::size_t dimension = 0; dimension < kDimensions; ++dimension) {
        candidate.intervals.at(dimension) = intervals_of(policy, static_cast<Dimension>(dimension), family);
        if (candidate.intervals.at(dimension).empty()) {
            return std::nullopt;
        }
    }
    return candidate;
}

}  // namespace

Result<std::vector<Piece>> test(std::span<const Policy> policies, const Question& question) {
    std::vector<Candidate> all;
    for (std::size_t place = 0; place < policies.size(); ++place) {
        if (policies[place].direction == question.direction) {
            if (auto candidate = candidate_of(policies[place], place, question.family)) {
                all.push_back(*std::move(candidate));
            }
        }
    }
    Candidates candidates;
    std::ranges::transform(all, std::back_inserter(candidates), [](const Candidate& each) { return &each; });
    auto pieces = Cutter(question.packets).cut(candidates, 0);
    if (!pieces) {
        return fail("test-too-wide", fmt::format("the packets that are asked about fall into more than {} pieces: "
                                                 "ask about fewer addresses, or about one protocol",
                                                 kMostPieces));
    }
    return *std::move(pieces);
}

}  // namespace keysluice::policy
