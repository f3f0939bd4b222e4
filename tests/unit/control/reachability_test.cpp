#include "daemon/control/reachability.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::control;
using Kind = ike::Report::Kind;
using Turn = Reachability::Turn;

namespace {

ike::Report report(Kind kind, std::string_view reason, std::string connection = "hq",
                   std::string_view address = "192.0.2.7", std::uint16_t port = 500) {
    ike::Report made;
    made.kind = kind;
    made.connection = std::move(connection);
    made.peer = {*IpAddress::parse(address), port};
    made.error.reason = reason;
    return made;
}

}  // namespace

TEST_SUITE("reachability") {
    TEST_CASE("silent once, back once, whatever its port") {
        Reachability peers;
        CHECK(peers.look_at(report(Kind::established, "")) == Turn::none);
        CHECK(peers.look_at(report(Kind::failed, "peer-silent", "hq", "192.0.2.7", 4500)) == Turn::unreachable);
        CHECK(peers.look_at(report(Kind::failed, "peer-silent")) == Turn::none);
        CHECK(peers.look_at(report(Kind::established, "")) == Turn::back);
        CHECK(peers.look_at(report(Kind::established, "")) == Turn::none);
        CHECK(peers.look_at(report(Kind::failed, "peer-silent")) == Turn::unreachable);
    }

    TEST_CASE("other connections, other peers and other failures say nothing about it") {
        Reachability peers;
        CHECK(peers.look_at(report(Kind::failed, "auth-refused")) == Turn::none);
        CHECK(peers.look_at(report(Kind::refused, "peer-silent")) == Turn::none);
        CHECK(peers.look_at(report(Kind::failed, "peer-silent")) == Turn::unreachable);
        CHECK(peers.look_at(report(Kind::established, "", "branch")) == Turn::none);
        CHECK(peers.look_at(report(Kind::established, "", "hq", "192.0.2.8")) == Turn::none);
        CHECK(peers.look_at(report(Kind::child_established, "")) == Turn::none);
        CHECK(peers.look_at(report(Kind::failed, "peer-silent", "hq", "192.0.2.8")) == Turn::unreachable);
        CHECK(peers.look_at(report(Kind::established, "")) == Turn::back);
    }

    TEST_CASE("so many silent peers are remembered, and room comes back with them") {
        Reachability peers;
        for (std::size_t i = 0; i < Reachability::kMostSilent; ++i) {
            CHECK(peers.look_at(report(Kind::failed, "peer-silent", std::to_string(i))) == Turn::unreachable);
        }
        CHECK(peers.look_at(report(Kind::failed, "peer-silent")) == Turn::none);
        CHECK(peers.look_at(report(Kind::established, "", "7")) == Turn::back);
        CHECK(peers.look_at(report(Kind::failed, "peer-silent")) == Turn::unreachable);
    }
}
