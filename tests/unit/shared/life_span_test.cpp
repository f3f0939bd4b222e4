#include "daemon/shared/life_span.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using std::chrono::seconds;

namespace {

constexpr Instant kBegin{seconds(100)};

}  // namespace

TEST_CASE("without limits a connection lives for ever") {
    const LifeSpan life({}, kBegin, kBegin);
    CHECK_FALSE(life.limited());
    CHECK_FALSE(life.over(kBegin + std::chrono::hours(1000)));
}

TEST_CASE("silence ends a connection, and traffic puts that off") {
    LifeSpan life({.idle = seconds(10)}, kBegin, kBegin);
    CHECK(life.limited());
    CHECK(life.counts_traffic());
    CHECK(life.next() == kBegin + seconds(10));
    CHECK_FALSE(life.over(kBegin + seconds(9)));
    life.note_traffic(kBegin + seconds(9));
    CHECK_FALSE(life.over(kBegin + seconds(18)));
    CHECK(life.next() == kBegin + seconds(19));
    CHECK(life.over(life.next())->reason == "idle-timeout");
}

TEST_CASE("a lifetime counts from the handshake on, whatever comes, and whoever carries the connection now") {
    LifeSpan life({.lifetime = seconds(60)}, kBegin, kBegin + seconds(50));
    CHECK_FALSE(life.counts_traffic());
    life.note_traffic(kBegin + seconds(59));
    CHECK(life.next() == kBegin + seconds(60));
    CHECK_FALSE(life.over(kBegin + seconds(59)));
    CHECK(life.over(kBegin + seconds(60))->reason == "lifetime-over");
}

TEST_CASE("of both, the first one counts") {
    LifeSpan life({.idle = seconds(10), .lifetime = seconds(15)}, kBegin, kBegin);
    CHECK(life.next() == kBegin + seconds(10));
    life.note_traffic(kBegin + seconds(9));
    CHECK(life.next() == kBegin + seconds(15));
}
