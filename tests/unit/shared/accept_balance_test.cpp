#include "daemon/shared/accept_balance.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace keysluice;

namespace {

struct Engines {
    explicit Engines(std::size_t count) : file(AcceptBalance::create(count).value()) {}
    [[nodiscard]] AcceptBalance open(std::uint16_t engine) const {
        return AcceptBalance::open(UniqueFd(::dup(file.get())), engine).value();
    }
    UniqueFd file;
};

void count(AcceptBalance& balance, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        balance.count();
    }
}

}  // namespace

TEST_CASE("an engine is ahead when it has more than the slack before the last one") {
    const Engines engines(3);
    AcceptBalance one = engines.open(0);
    AcceptBalance two = engines.open(1);
    AcceptBalance three = engines.open(2);
    count(two, 2);
    count(three, 2);
    count(one, AcceptBalance::kSlack + 2);
    CHECK_FALSE(one.is_ahead());
    one.count();
    CHECK(one.is_ahead());
    CHECK_FALSE(two.is_ahead());
    two.count();
    CHECK(one.is_ahead());
    three.count();
    CHECK_FALSE(one.is_ahead());
}

TEST_CASE("an engine alone is never ahead") {
    const Engines engines(1);
    AcceptBalance one = engines.open(0);
    count(one, 1000);
    CHECK_FALSE(one.is_ahead());
}

TEST_CASE("an engine that comes back starts level with the last of the others") {
    const Engines engines(3);
    AcceptBalance one = engines.open(0);
    AcceptBalance two = engines.open(1);
    count(one, 100);
    count(two, 90);
    CHECK(one.is_ahead());
    AcceptBalance three = engines.open(2);
    CHECK_FALSE(three.is_ahead());
    CHECK(one.is_ahead());
    CHECK_FALSE(two.is_ahead());
    count(three, AcceptBalance::kSlack + 1);
    CHECK(three.is_ahead());
}

TEST_CASE("an engine without a place, and files that are none") {
    const Engines engines(2);
    const auto third = AcceptBalance::open(UniqueFd(::dup(engines.file.get())), 2);
    REQUIRE_FALSE(third);
    CHECK(third.error().reason == "memory-file-failed");
    CHECK(third.error().sentence.find("2 engines") != std::string::npos);
    CHECK_FALSE(AcceptBalance::open(UniqueFd(), 0));
    CHECK_FALSE(AcceptBalance::create(0));
}
