#include "base/suggestion.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace keysluice;

namespace {

constexpr std::array<std::string_view, 3> kWords{"auto", "require", "off"};

}  // namespace

TEST_CASE("edit distance") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("abc", "abc") == 0);
    CHECK(edit_distance("ofload", "offload") == 1);
    CHECK(edit_distance("offloaded", "offload") == 2);
    CHECK(edit_distance("naem", "name") == 1);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("ca", "abc") == 3);
}

TEST_CASE("the nearest word is found if it is near") {
    CHECK(nearest("ato", kWords) == "auto");
    CHECK(nearest("of", kWords) == "off");
    CHECK(nearest("requires", kWords) == "require");
    CHECK(nearest("req", kWords) == "require");
    CHECK(nearest("re", kWords) == std::nullopt);
    CHECK(nearest("always", kWords) == std::nullopt);
    CHECK(nearest("", kWords) == std::nullopt);
    CHECK(nearest("auto", {}) == std::nullopt);
    CHECK(nearest(std::string(100000, 'a'), kWords) == std::nullopt);
}

TEST_CASE("how it is put") {
    CHECK(did_you_mean("ato", kWords) == "; did you mean \"auto\"?");
    CHECK(did_you_mean("always", kWords).empty());
    CHECK(alternatives(kWords) == R"("auto", "require" or "off")");
    CHECK(alternatives(std::span(kWords).first(2)) == R"("auto" or "require")");
    CHECK(alternatives(std::span(kWords).first(1)) == R"("auto")");
}
