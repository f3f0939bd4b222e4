#include "daemon/control/metrics.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::control;

namespace {

constexpr std::string_view kText = R"(# TYPE keysluice_build info
# HELP keysluice_build The version of the service.
keysluice_build_info{version="0.1.0"} 1
# TYPE keysluice_ike_sas gauge
# HELP keysluice_ike_sas IKE SAs by state.
keysluice_ike_sas{state="established"} 2
keysluice_ike_sas{state="half-open"} 1
# TYPE keysluice_child_sas gauge
# HELP keysluice_child_sas CHILD SAs by who does ESP: the offload in force, and its device.
keysluice_child_sas{offload="none",device=""} 2
keysluice_child_sas{offload="packet",device="eth0"} 1
# TYPE keysluice_tls_connections_active gauge
# HELP keysluice_tls_connections_active TLS connections that stand, by who carries them.
keysluice_tls_connections_active{service="shop",path="kernel"} 3
keysluice_tls_connections_active{service="shop",path="userspace"} 0
keysluice_tls_connections_active{service="shop",path="plaintext"} 0
# TYPE keysluice_tls_negotiating gauge
# HELP keysluice_tls_negotiating TLS handshakes that are under way.
keysluice_tls_negotiating{service="shop"} 0
# TYPE keysluice_tls_accepted counter
# HELP keysluice_tls_accepted Connections that were accepted.
keysluice_tls_accepted_total{service="shop"} 18446744073709551615
# TYPE keysluice_tls_established counter
# HELP keysluice_tls_established TLS connections that were established, by who carries them.
keysluice_tls_established_total{service="shop",path="kernel"} 0
keysluice_tls_established_total{service="shop",path="userspace"} 0
keysluice_tls_established_total{service="shop",path="plaintext"} 0
# TYPE keysluice_tls_resumed counter
# HELP keysluice_tls_resumed Of the established TLS connections those that resumed a session.
keysluice_tls_resumed_total{service="shop"} 0
# TYPE keysluice_tls_failed counter
# HELP keysluice_tls_failed Connections that failed, by keysluice-reasons(7).
keysluice_tls_failed_total{service="shop",reason="not-tls"} 4
# TYPE keysluice_tls_userspace counter
# HELP keysluice_tls_userspace TLS connections that the kernel does not carry, by keysluice-reasons(7).
keysluice_tls_userspace_total{service="shop",reason="offload-off"} 5
# TYPE keysluice_processes_silent gauge
# HELP keysluice_processes_silent Engines and relays that did not answer: what they have counted is missing.
keysluice_processes_silent 1
# EOF
)";

}  // namespace

TEST_SUITE("metrics") {
    TEST_CASE("every family") {
        Metrics metrics;
        metrics.version = "0.1.0";
        metrics.count_ike_sa("established");
        metrics.count_ike_sa("established");
        metrics.count_ike_sa("half-open");
        metrics.count_child_sa("packet", "eth0");
        metrics.count_child_sa("none", "eth0");
        metrics.count_child_sa("none", "");
        metrics.services["shop"] = {{"accepted", UINT64_MAX},
                                    {"active-kernel", 3},
                                    {"failed:not-tls", 4},
                                    {"why-userspace:offload-off", 5},
                                    {"paused", 9}};
        metrics.silent = 1;
        CHECK(to_open_metrics(metrics) == kText);
    }

    TEST_CASE("labels are escaped") {
        Metrics metrics;
        metrics.version = "a\"b\\c\nd";
        CHECK(to_open_metrics(metrics).contains("keysluice_build_info{version=\"a\\\"b\\\\c\\nd\"} 1\n"));
    }
}
