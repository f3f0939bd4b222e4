#include "daemon/control/tls_session_view.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace keysluice;
using namespace keysluice::control;
using netlink::Feature;

TEST_CASE("why a session is not the network device's: what would change it comes first") {
    CHECK(why_in_software(std::array{Feature::missing, Feature::locked}) == "device-lacks-tls");
    CHECK(why_in_software(std::array{Feature::off, Feature::missing}) == "device-tls-off");
    CHECK(why_in_software(std::array{Feature::on, Feature::off}) == "device-took-none");
}

TEST_CASE("the kernel is asked for what it carries, and says nothing of what it does not know") {
    const TlsService shop{.name = "shop"};
    ListedSession listed;
    listed.id = {1};
    listed.local = "127.0.0.1:1";
    listed.remote = "127.0.0.1:2";
    std::vector<TlsSessionView> sessions{view_of(listed, shop)};
    CHECK(sessions.front().in_force == "kernel");
    ask_kernel(sessions);
    CHECK(sessions.front().in_force == "kernel");
    CHECK(sessions.front().device == "lo");
    listed.why = "offload-off";
    sessions = {view_of(listed, shop)};
    const auto before = sessions;
    ask_kernel(sessions);
    CHECK(sessions == before);
}

TEST_CASE("a connection without TLS has no version of it, and says why") {
    ListedSession listed;
    listed.why = "plaintext-relayed";
    const TlsSessionView shown = view_of(listed, {.name = "shop"});
    CHECK(shown.version == "none");
    CHECK(shown.in_force == "none");
    CHECK(shown.why == "plaintext-relayed");
}
