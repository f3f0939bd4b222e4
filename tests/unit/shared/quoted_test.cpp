#include "daemon/shared/quoted.hpp"

#include <doctest/doctest.h>

#include <string>

using keysluice::quoted;

TEST_CASE("quoted text can't do anything to a terminal") {
    CHECK(quoted("") == R"("")");
    CHECK(quoted("a b") == R"("a b")");
    CHECK(quoted("a\nb\t\x1b[2J") == R"("a\nb\x09\x1b[2J")");
    CHECK(quoted(R"(a"b\)") == R"("a\"b\\")");
    CHECK(quoted("\xc3\xa9\xff\x7f") == R"("\xc3\xa9\xff\x7f")");
    CHECK(quoted({"\0", 1}) == R"("\x00")");
}

TEST_CASE("quoted text ends somewhere") {
    CHECK(quoted(std::string(120, 'x')) == '"' + std::string(120, 'x') + '"');
    CHECK(quoted(std::string(121, 'x')) == '"' + std::string(120, 'x') + "\"…");
}
