#include "daemon/shared/quoted.hpp"

#include <doctest/doctest.h>

#include <string>

using keysluice::in_quotes;

TEST_CASE("quoted text can't do anything to a terminal") {
    CHECK(in_quotes("") == R"("")");
    CHECK(in_quotes("a b") == R"("a b")");
    CHECK(in_quotes("a\nb\t\x1b[2J") == R"("a\nb\x09\x1b[2J")");
    CHECK(in_quotes("\xc3\xa9\xff\x7f") == R"("\xc3\xa9\xff\x7f")");
    CHECK(in_quotes({"\0", 1}) == R"("\x00")");
}

TEST_CASE("quoted text ends somewhere") {
    CHECK(in_quotes(std::string(120, 'x')) == '"' + std::string(120, 'x') + '"');
    CHECK(in_quotes(std::string(121, 'x')) == '"' + std::string(120, 'x') + "\"…");
}
