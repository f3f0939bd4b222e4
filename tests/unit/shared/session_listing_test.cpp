#include "daemon/shared/session_listing.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/tcp_pair.hpp"

using namespace keysluice;

namespace {

struct Candidate {
    TlsSessionId id;
};

Sessions answer(std::uint16_t limit, const std::vector<Candidate>& candidates) {
    return answer_to({.token = 7, .after = {}, .limit = limit, .services = {}}, candidates,
                     [](const Candidate& each) {
                         ListedSession session;
                         session.id = each.id;
                         return session;
                     });
}

}  // namespace

TEST_SUITE("the list of one process's sessions") {
    TEST_CASE("has the lowest ids in their order, and says whether there are more") {
        const Sessions some = answer(2, {{{9}}, {{3}}, {{5}}});
        CHECK(some.token == 7);
        CHECK(some.more);
        REQUIRE(some.sessions.size() == 2);
        CHECK(some.sessions[0].id.value == 3);
        CHECK(some.sessions[1].id.value == 5);
        CHECK_FALSE(answer(3, {{{9}}, {{3}}, {{5}}}).more);
        CHECK(answer(3, {}).sessions.empty());
    }
    TEST_CASE("is for what is behind the cursor, of the services that are asked for") {
        const AskSessions all{.token = 1, .after = {4}, .limit = 9, .services = {}};
        CHECK(asks_for(all, {5}, {0}));
        CHECK_FALSE(asks_for(all, {4}, {0}));
        const AskSessions some{.token = 1, .after = {}, .limit = 9, .services = {{1}, {2}}};
        CHECK(asks_for(some, {5}, {2}));
        CHECK_FALSE(asks_for(some, {5}, {0}));
    }
    TEST_CASE("an end is of one session, or of all of a service, those without an id included") {
        CHECK(asks_for(EndSessions{.token = 1, .id = {5}, .service = {}}, {5}, {3}));
        CHECK_FALSE(asks_for(EndSessions{.token = 1, .id = {5}, .service = {}}, {}, {0}));
        CHECK(asks_for(EndSessions{.token = 1, .id = {}, .service = {3}}, {}, {3}));
        CHECK_FALSE(asks_for(EndSessions{.token = 1, .id = {}, .service = {3}}, {5}, {2}));
    }
    TEST_CASE("an id is never that of another socket") {
        const auto pair = test::tcp_pair();
        CHECK(session_id_of(pair.client.get()) != TlsSessionId{});
        CHECK(session_id_of(pair.client.get()) == session_id_of(pair.client.get()));
        CHECK(session_id_of(pair.client.get()) != session_id_of(pair.server.get()));
        CHECK(session_id_of(-1) == TlsSessionId{});
    }
}
