#include "cli/explanation.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::cli;

namespace {

Explanation of_child(ChildSa child) {
    child.name = "net";
    child.spi_in = 0xc1a2b3d4;
    IkeSa sa{.spi = 7, .connection = "hq", .state = "established", .remote = "198.51.100.7:500"};
    sa.children = {std::move(child)};
    const auto all = explain({.sas = {sa}});
    REQUIRE(all.size() == 2);
    CHECK(all[0].because.empty());
    return all[1];
}

}  // namespace

TEST_SUITE("explanation") {
    TEST_CASE("who does ESP, and why") {
        const Explanation off = of_child({.offload_requested = "off", .offload = "none"});
        CHECK(off.about == "hq/net c1a2b3d4");
        CHECK(off.is == "the kernel does ESP");
        CHECK(off.because == "the child says offload = \"off\"");
        const Explanation done =
            of_child({.offload_requested = "auto", .offload = "packet", .offload_device = "eth0"});
        CHECK(done.is == "eth0 does ESP (offload packet)");
        CHECK(done.because.empty());
        CHECK(done.change.empty());
        const Explanation refused = of_child({.offload_requested = "auto",
                                              .offload = "none",
                                              .offload_device = "eth0",
                                              .offload_reason = "eth0 does not take over ESP's cryptography"});
        CHECK(refused.because == "offload = \"auto\", and eth0 does not take over ESP's cryptography");
        CHECK(refused.change.contains("ethtool -K eth0 esp-hw-offload on; then keysluice rekey hq --child net"));
        CHECK(of_child({.offload_requested = "auto", .offload = "none", .offload_reason = "no device"}).change ==
              "a network device with esp-hw-offload: keysluice doctor");
        CHECK(of_child({.offload_requested = "auto", .offload = "none"}).because.contains("198.51.100.7:500"));
    }

    TEST_CASE("without a kernel, nobody") {
        const auto all = explain({.sas = {{.state = "established", .children = {ChildSa{.offload = "none"}}}}}, true);
        REQUIRE(all.size() == 2);
        CHECK(all[1].is == "nobody does ESP");
        CHECK(all[1].because.contains("--null-kernel"));
    }

    TEST_CASE("connections that are not up") {
        Connection connection{.name = "hq", .remote = "198.51.100.7", .start = "on-load"};
        const auto why = [&] { return explain({.connections = {connection}}).at(0); };
        CHECK(why().is == "there is no IKE SA");
        CHECK(why().change.starts_with("keysluice up hq; "));
        connection.start = "on-traffic";
        CHECK(why().change == "keysluice up hq, or traffic");
        connection.start = "manual";
        CHECK(why().change == "keysluice up hq");
        connection.remote = "any";
        CHECK(why().change == "the peer has to begin");
        connection.refused = {{.child = "net", .reason = "kernel-lacks", .sentence = "no XCBC"}};
        const auto all = explain({.connections = {connection}, .sas = {{.connection = "hq", .state = "replaced"}}});
        REQUIRE(all.size() == 2);
        CHECK(all[0].about == "hq/net");
        CHECK(all[0].reason == "kernel-lacks");
        CHECK(all[0].change.starts_with("The kernel lacks an algorithm"));
        CHECK(all[1].because.starts_with("it was rekeyed"));
    }

    TEST_CASE("IKE SAs that are under way or empty") {
        const auto why = [](std::string state) {
            return explain({.sas = {{.connection = "hq", .state = std::move(state), .remote = "192.0.2.9:500"}}})
                .at(0);
        };
        CHECK(why("auth-sent").because == "192.0.2.9:500 has not answered yet");
        CHECK(why("half-open").because == "192.0.2.9:500 has begun and not authenticated yet");
        CHECK(why("established").change == "keysluice up hq");
    }

    TEST_CASE("TLS services: each reason that was counted") {
        const TlsService shop{.name = "shop",
                              .counters = {{"active-kernel", 3},
                                           {"failed:not-tls", 2},
                                           {"failed:plain-http", 0},
                                           {"why-userspace:kernel-without-ktls", 4}},
                              .silent = 1};
        const auto all = explain({.services = {shop}});
        REQUIRE(all.size() == 3);
        CHECK(all[0].is == "3 connections are with the kernel, 0 in userspace");
        CHECK(all[0].because.starts_with("1 engines or relays"));
        CHECK(all[1].is == "2 connections have failed so far");
        CHECK(all[1].change == "The peer does not speak TLS.");
        CHECK(all[2].is == "4 connections have stayed in userspace so far");
        CHECK(all[2].change.contains("modprobe tls"));
        CHECK(all[2].reason == "kernel-without-ktls");
    }
}
