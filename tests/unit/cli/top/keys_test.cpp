#include "cli/top/keys.hpp"

#include <doctest/doctest.h>

using namespace keysluice::cli;

TEST_SUITE("top: keys") {
    using Keys = std::vector<Key>;

    TEST_CASE("letters and arrows, in both of their spellings; nothing else") {
        std::string typed = "sx\x1b[A\x1bOB\x1b[1;5C\x1b[15~jkQ";
        CHECK(take_keys(typed) == Keys{Key::sort, Key::up, Key::down, Key::down, Key::up, Key::quit});
        CHECK(typed.empty());
    }

    TEST_CASE("a sequence in two parts") {
        std::string typed = "\x1b";
        CHECK(take_keys(typed).empty());
        typed += "[";
        CHECK(take_keys(typed).empty());
        typed += "1;2";
        CHECK(take_keys(typed).empty());
        typed += "Aq";
        CHECK(take_keys(typed) == Keys{Key::up, Key::quit});
    }

    TEST_CASE("the letters of a sequence are no keys") {
        std::string typed = "\x1b[q\x1b[s\x1bq";
        CHECK(take_keys(typed) == Keys{Key::quit});
    }
}
