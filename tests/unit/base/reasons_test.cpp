#include "base/reasons.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace keysluice;

TEST_SUITE("reasons") {
    TEST_CASE("every reason is found by its code, and nothing else is") {
        for (const Reason& reason : all_reasons()) {
            CAPTURE(reason.code);
            CHECK(find_reason(reason.code) == &reason);
            CHECK(find_reason(std::string(reason.code) + "x") == nullptr);
            CHECK(find_reason(reason.code.substr(1)) == nullptr);
        }
        CHECK(find_reason("") == nullptr);
        CHECK(find_reason("zzz") == nullptr);
        REQUIRE(find_reason("no-route") != nullptr);
        CHECK(find_reason("no-route")->area == ReasonArea::ike);
    }

    TEST_CASE("codes are unique, in lower case, and explained in whole sentences") {
        const auto codes = all_reasons();
        CHECK(std::ranges::adjacent_find(codes, {}, &Reason::code) == codes.end());
        for (const Reason& reason : codes) {
            CAPTURE(reason.code);
            CHECK(reason.code.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos);
            CHECK((reason.meaning.ends_with('.') || reason.meaning.ends_with('?')));
            CHECK_FALSE(name_of(reason.area).empty());
        }
    }
}
