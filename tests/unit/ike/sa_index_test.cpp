#include "ike/sa_index.hpp"

#include <doctest/doctest.h>

#include "ike/sa.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

Sa made(std::uint64_t spi, State state, const char* peer) {
    static const auto connection = [] {
        auto one = std::make_shared<Connection>();
        one->name = "hq";
        return one;
    }();
    Sa sa;
    sa.state = state;
    sa.responder_spi = IkeSpi{spi};
    sa.connection = connection;
    sa.peer_id = parse_identity(peer).value();
    return sa;
}

using Spis = std::vector<IkeSpi>;

}  // namespace

TEST_CASE("an SA is found by its connection once it is no longer half-open, by its peer once it is established") {
    SaIndex index;
    Sa sa = made(7, State::half_open, "gw.example");
    index.update(sa);
    CHECK(index.empty());
    sa.state = State::established;
    index.update(sa);
    index.update(sa);
    CHECK(index.of_connection("hq") == Spis{IkeSpi{7}});
    CHECK(index.of_connection("branch").empty());
    CHECK(index.near_peer("hq", sa.peer_id) == Spis{IkeSpi{7}});
    CHECK(index.near_peer("branch", sa.peer_id).empty());
    CHECK(index.near_peer("hq", parse_identity("other.example").value()).empty());
}

TEST_CASE("a peer is the same however its name is written") {
    for (const auto& [one, other] : {std::pair("gw.example", "GW.Example"), std::pair("Jo@example", "jo@EXAMPLE"),
                                     std::pair("C=DE, CN=gateway", "C=de, CN=Gateway")}) {
        CAPTURE(one);
        SaIndex index;
        Sa sa = made(7, State::established, one);
        index.update(sa);
        CHECK(index.near_peer("hq", parse_identity(other).value()) == Spis{IkeSpi{7}});
        CHECK(index.near_peer("hq", parse_identity("C=DE, CN=other").value()).empty());
    }
}

TEST_CASE("a dead SA is not found, and takes nobody else out") {
    SaIndex index;
    Sa first = made(7, State::established, "gw.example");
    Sa second = made(8, State::established, "gw.example");
    index.update(first);
    index.update(second);
    CHECK(index.near_peer("hq", first.peer_id).size() == 2);
    first.state = State::dead;
    index.update(first);
    index.update(first);
    CHECK(index.of_connection("hq") == Spis{IkeSpi{8}});
    CHECK(index.near_peer("hq", first.peer_id) == Spis{IkeSpi{8}});
    second.state = State::dead;
    index.update(second);
    CHECK(index.empty());
}
