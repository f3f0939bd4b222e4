#include "cli/completion.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keysluice::cli;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("cli: completion") {
    TEST_CASE("words that an argument may be are known without asking anybody") {
        const std::string words = "generate define import export list delete replace";
        CHECK(has(completion_script("bash"), "words=$(echo " + words + ") ;;\n"));
        CHECK(has(completion_script("zsh"), "\n      '1:VERB:(" + words + ")' \\\n      '2:NAME|FILE:_files' ;;\n"));
        CHECK(has(completion_script("fish"), "from key' -a '(echo " + words + ")'\n"));
    }

    TEST_CASE("and no argument is completed by nothing at all") {
        CHECK(!has(completion_script("zsh"), "_keysluice_'"));
        CHECK(!has(completion_script("fish"), "-a '()'"));
        CHECK(has(completion_script("zsh"), "'1:NAME|ID:_keysluice_sessions'"));
    }
}
