#include "base/rare.hpp"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

using namespace keysluice;

static_assert(sizeof(Rare<std::string>) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<Rare<std::string>>);

TEST_CASE("what is rare is absent until it is given, and after reset()") {
    Rare<std::string> text;
    CHECK(!text);
    text = std::string("here");
    REQUIRE(text.has_value());
    CHECK(*text == "here");
    CHECK(text->size() == 4);
    text.reset();
    CHECK(!text);
    CHECK(text.emplace().empty());
    CHECK(text);
}

TEST_CASE("what is rare moves with its owner") {
    Rare<std::string> from(std::string("here"));
    Rare<std::string> to = std::move(from);
    CHECK(!from);
    REQUIRE(to);
    const std::string taken = *std::move(to);
    CHECK(taken == "here");
}
