#include "cli/top/rates.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::cli;

TEST_SUITE("top: rates") {
    constexpr Instant kStart{std::chrono::seconds(100)};

    TEST_CASE("per second, from what was counted before") {
        RateBook book;
        book.add(kStart, {{"shop", 1000}});
        CHECK(book.history("shop").empty());
        book.add(kStart + std::chrono::seconds(2), {{"shop", 1010}, {"new", 50}});
        book.add(kStart + std::chrono::milliseconds(2500), {{"shop", 1020}, {"new", 51}});
        CHECK(book.history("shop") == std::vector<double>{5, 20});
        CHECK(book.history("new") == std::vector<double>{2});
    }

    TEST_CASE("what has fallen began anew; what has gone is forgotten") {
        RateBook book;
        book.add(kStart, {{"shop", 1000}, {"gone", 1}});
        book.add(kStart + std::chrono::seconds(1), {{"shop", 30}, {"gone", 2}});
        CHECK(book.history("shop") == std::vector<double>{30});
        book.add(kStart + std::chrono::seconds(2), {{"shop", 30}});
        CHECK(book.history("gone").empty());
        book.add(kStart + std::chrono::seconds(3), {{"shop", 30}, {"gone", 9}});
        CHECK(book.history("gone").empty());
    }

    TEST_CASE("a history does not grow for ever") {
        RateBook book;
        for (std::size_t i = 0; i < RateBook::kLongestHistory + 10; ++i) {
            book.add(kStart + std::chrono::seconds(i), {{"shop", i * i}});
        }
        CHECK(book.history("shop").size() == RateBook::kLongestHistory);
        const double last = RateBook::kLongestHistory + 9;
        CHECK(book.history("shop").back() == 2 * last - 1);
    }
}
