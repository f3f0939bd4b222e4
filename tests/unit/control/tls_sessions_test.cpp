#include "daemon/control/tls_sessions.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

#include "daemon/control/status.hpp"
#include "daemon/control/tls_session_view.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

const Hello kEngine{ProcessKind::engine, 0, 1};
const Hello kRelay{ProcessKind::relay, 0, 2};

ListedSession session(std::uint64_t id, std::uint16_t service = 0) {
    return {.id = {id},
            .service = {service},
            .since = Instant(std::chrono::seconds(7)),
            .tls13 = true,
            .suite = "TLS_AES_128_GCM_SHA256",
            .local = "a local process",
            .remote = "a local process",
            .backend = {},
            .why = "offload-off"};
}

/// One engine and one relay, which hear what is sent.
struct Fixture {
    Loop loop;
    std::vector<TlsService> services{{.name = "shop"}, {.name = "till"}};
    std::vector<Hello> processes{kEngine, kRelay};
    std::vector<Message> sent;
    TlsSessions sessions{loop,
                         [this](ServiceId id) { return id.value < services.size() ? &services[id.value] : nullptr; },
                         [this](const Message& message) {
                             sent.push_back(message);
                             return processes;
                         }};
    std::optional<Result<TlsSessionPage>> page;
    std::optional<std::uint32_t> ended;

    void list(std::size_t limit) {
        sessions.list({}, {}, limit, [this](Result<TlsSessionPage> listed) { page = std::move(listed); });
    }
    [[nodiscard]] std::uint32_t token() const { return std::get<AskSessions>(sent.back()).token; }
    void run_until_answered() {
        turn_until(loop, [this] { return page.has_value(); });
    }
    [[nodiscard]] std::vector<std::uint64_t> ids() const {
        std::vector<std::uint64_t> ids;
        for (const TlsSessionView& each : (*page)->sessions) {
            ids.push_back(each.id.value);
        }
        return ids;
    }
};

}  // namespace

TEST_SUITE("TLS sessions of all processes") {
    TEST_CASE("are merged in the order of their ids, and what does not fit is behind the next cursor") {
        Fixture fixture;
        fixture.list(3);
        fixture.sessions.on_answer(kRelay, {fixture.token(), true, {session(2), session(5), session(9)}});
        CHECK_FALSE(fixture.page);
        fixture.sessions.on_answer(kEngine, {fixture.token(), false, {session(1, 1), session(8)}});
        fixture.run_until_answered();
        CHECK(fixture.ids() == std::vector<std::uint64_t>{1, 2, 5});
        CHECK((*fixture.page)->next == TlsSessionId{5});
        CHECK((*fixture.page)->silent == 0);
        const TlsSessionView& first = (*fixture.page)->sessions.front();
        CHECK(first.service == "till");
        CHECK(first.in_force == "none");
        CHECK(first.why == "offload-off");
        CHECK(first.version == "1.3");
    }
    TEST_CASE("whoever dies meanwhile is silent, and answers twice or unasked count for nothing") {
        Fixture fixture;
        fixture.list(9);
        const std::uint32_t token = fixture.token();
        fixture.sessions.on_answer(kEngine, {token + 1, false, {session(1)}});
        fixture.sessions.on_answer(kEngine, {token, false, {session(2)}});
        fixture.sessions.on_answer(kEngine, {token, false, {session(3)}});
        fixture.sessions.on_answer({ProcessKind::engine, 7, 8}, {token, false, {session(4)}});
        fixture.sessions.left(kRelay);
        fixture.run_until_answered();
        CHECK(fixture.ids() == std::vector<std::uint64_t>{2});
        CHECK((*fixture.page)->silent == 1);
        CHECK_FALSE((*fixture.page)->next);
    }
    TEST_CASE("where there is no process, there are none") {
        Fixture fixture;
        fixture.processes.clear();
        fixture.list(9);
        fixture.run_until_answered();
        CHECK((*fixture.page)->sessions.empty());
    }
    TEST_CASE("a question beyond the limit is refused, and a service that nobody knows any more is shown as such") {
        Fixture fixture;
        for (std::size_t i = 0; i < TlsSessions::kMostUnderWay; ++i) {
            fixture.list(1);
        }
        CHECK_FALSE(fixture.page);
        fixture.list(1);
        REQUIRE(fixture.page);
        CHECK(fixture.page->error().reason == "too-many-calls");
        fixture.page.reset();
        const std::uint32_t token = std::get<AskSessions>(fixture.sent.front()).token;
        fixture.sessions.on_answer(kEngine, {token, false, {session(1, 2)}});
        fixture.sessions.on_answer(kRelay, {token, false, {}});
        fixture.run_until_answered();
        REQUIRE((*fixture.page)->sessions.size() == 1);
        CHECK((*fixture.page)->sessions.front().service == kRemovedName);
    }
    TEST_CASE("are ended by all processes, and counted") {
        Fixture fixture;
        fixture.sessions.end_all_of({1}, [&](const Result<std::uint32_t>& ended) { fixture.ended = *ended; });
        const auto message = std::get<EndSessions>(fixture.sent.back());
        CHECK(message.id == TlsSessionId{});
        CHECK(message.service == ServiceId{1});
        fixture.sessions.on_answer(kEngine, SessionsEnded{message.token, 2});
        CHECK_FALSE(fixture.ended);
        fixture.sessions.on_answer(kRelay, SessionsEnded{message.token, 3});
        CHECK(fixture.ended == 5);
    }
}
