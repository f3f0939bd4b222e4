#include "daemon/engine/handshake_table.hpp"

#include <doctest/doctest.h>

#include "tests/support/certified_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike::testing;
using std::chrono::seconds;

namespace {

using Chain = std::vector<std::vector<std::uint8_t>>;

Chain chain_of(const Issued& issued) {
    return {certificate_of(issued).der()};
}

/// A client and a server in one engine.
struct Engine {
    Engine() {
        for (const Issued* each : {&a, &z}) {
            REQUIRE(signer.load({crypto::key_id(*each->key), each->key_file}).reason.empty());
        }
    }
    TlsTurnAnswered hear(std::uint64_t handshake, const std::vector<std::uint8_t>& records, bool begins = false) {
        const bool server = handshake % 2 == 0;
        const Issued& own = server ? z : a;
        return table.hear({.token = ++token,
                           .handshake = handshake,
                           .key = crypto::key_id(*own.key),
                           .server = server,
                           .begins = begins,
                           .chain = begins ? chain_of(own) : Chain(),
                           .records = records},
                          now);
    }

    const Issued& a = vault().leaf("a.example", KeyType::p256);
    const Issued& z = vault().leaf("z.example", KeyType::p256);
    Signer signer;
    HandshakeTable table{signer};
    std::uint32_t token = 0;
    Instant now{std::chrono::hours(1)};
};

}  // namespace

TEST_SUITE_BEGIN("handshake table");

TEST_CASE_FIXTURE(Engine, "a handshake from its first turn to its key, and then it is forgotten") {
    const auto hello = hear(1, {}, true);
    CHECK(hello.token == 1);
    CHECK(hello.sentence.empty());
    const auto shown = hear(2, hello.records, true);
    const auto finished = hear(1, shown.records);
    CHECK(finished.chain == chain_of(z));
    CHECK_FALSE(finished.msk);
    CHECK(table.size() == 2);
    const auto content = hear(2, finished.records);
    CHECK(content.chain == chain_of(a));
    REQUIRE(content.msk);
    CHECK(table.size() == 1);
    const auto end = hear(1, content.records);
    REQUIRE(end.msk);
    CHECK(std::ranges::equal(end.msk->expose(), content.msk->expose()));
    CHECK(table.size() == 0);
}

TEST_CASE_FIXTURE(Engine, "what can't be done is said") {
    CHECK(hear(1, {}).sentence == "the engine knows nothing of this handshake");
    CHECK(table.hear({.handshake = 1, .key = {1}, .begins = true, .chain = {}, .records = {}}, now).sentence ==
          "the engine has no such private key");
    const auto refused = hear(2, {'G', 'E', 'T', ' ', '/'}, true);
    CHECK(refused.sentence.starts_with("TLS did not come about"));
    CHECK(table.size() == 0);
}

TEST_CASE_FIXTURE(Engine, "chains that are longer than a message are refused") {
    const auto hello = hear(1, {}, true);
    TlsTurnHeard turn{.handshake = 2,
                      .key = crypto::key_id(*z.key),
                      .server = true,
                      .begins = true,
                      .chain = Chain(kMostTlsCertificates + 1, certificate_of(a).der()),
                      .records = hello.records};
    turn.chain.front() = certificate_of(z).der();
    const auto shown = table.hear(turn, now);
    CHECK(shown.sentence.empty());  // what we show is another one's business
    CHECK(hear(1, shown.records).sentence.starts_with("more than 10 certificates"));
    CHECK(table.size() == 1);
}

TEST_CASE_FIXTURE(Engine, "there is room for so many, and who is left behind makes room") {
    for (std::uint64_t each = 0; each < HandshakeTable::kMost; ++each) {
        REQUIRE(hear(2 * each + 1, {}, true).sentence.empty());
    }
    CHECK(hear(2001, {}, true).sentence == "512 handshakes are under way already");
    table.forget(1);
    CHECK(hear(2001, {}, true).sentence.empty());
    now += HandshakeTable::kLongest;
    CHECK(hear(2003, {}, true).sentence.empty());
    CHECK(table.size() == 1);
    table.clear();
    CHECK(table.size() == 0);
}

TEST_SUITE_END();
