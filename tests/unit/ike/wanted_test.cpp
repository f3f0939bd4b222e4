#include "ike/wanted.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::ike;

namespace {

Wanted looked_at(std::int64_t nanoseconds) {
    return {.local = {}, .remote = {}, .look_at = Instant(Duration(nanoseconds)), .wait = {}};
}

}  // namespace

TEST_CASE("wanted connections are due by their own time") {
    using Names = std::vector<std::string>;
    WantedList list;
    CHECK(list.next() == Instant::max());
    list.put("b", looked_at(20));
    list.put("a", looked_at(30));
    CHECK(list.next() == Instant(Duration(20)));
    CHECK(list.due(Instant(Duration(19))).empty());
    list.put("a", looked_at(10));
    CHECK(list.due(Instant(Duration(20))) == Names{"a", "b"});
    list.remove("a");
    list.remove("nobody");
    CHECK(list.due(Instant(Duration(40))) == Names{"b"});
    CHECK(list.find("a") == nullptr);
    REQUIRE(list.find("b") != nullptr);
    CHECK(list.find("b")->look_at == Instant(Duration(20)));
    CHECK(list.all().size() == 1);
}
