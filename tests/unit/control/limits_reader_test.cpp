#include "daemon/control/limits_reader.hpp"

#include <doctest/doctest.h>

#include "daemon/control/configuration.hpp"
#include "daemon/control/doubts.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace std::chrono_literals;

namespace {

ConfigurationResult server(const std::string& lines) {
    return parse_configuration(
        "[[tls.service]]\nname = \"shop\"\nlisten = [\"0.0.0.0:443\"]\nconnect = [\"[::1]:80\"]\n"
        "certificate = \"/c\"\nprivate_key = \"file:/k\"\n" +
            lines,
        "f", {});
}

std::string_view fault(const std::string& lines) {
    const ConfigurationResult result = server(lines);
    return result ? std::string_view() : result.error().front().reason;
}

}  // namespace

TEST_CASE("a service has no limits but those that it says") {
    const ConfigurationResult none = server("");
    REQUIRE(none);
    CHECK(none->services[0].limits == Limits{});
    CHECK(none->services[0].plaintext == Plaintext::refuse);
    const ConfigurationResult all = server(
        "max_connections = 1000\nmax_connections_per_address = 10\nmax_handshakes_per_second = 200\n"
        "max_handshakes_per_second_per_address = 2\nidle_timeout = \"10min\"\nconnection_lifetime = \"24h\"\n");
    REQUIRE(all);
    CHECK(all->services[0].limits == Limits{.connections = 1000,
                                            .connections_per_address = 10,
                                            .handshakes_per_second = 200,
                                            .handshakes_per_second_per_address = 2,
                                            .idle = 10min,
                                            .lifetime = 24h});
}

TEST_CASE("limits that can't be meant are refused") {
    CHECK(fault("max_connections = -1") == "out-of-range");
    CHECK(fault("max_connections_per_address = 100000001") == "out-of-range");
    CHECK(fault("max_handshakes_per_second = \"many\"") == "wrong-type");
    CHECK(fault("max_handshakes_per_second_per_address = 100000001") == "out-of-range");
    CHECK(fault("idle_timeout = \"0s\"") == "out-of-range");
    CHECK(fault("connection_lifetime = \"169h\"") == "out-of-range");
}

TEST_CASE("plaintext passes where nothing demands TLS, and with a warning") {
    const ConfigurationResult relayed = server("plaintext = \"relay\"");
    REQUIRE(relayed);
    CHECK(relayed->services[0].plaintext == Plaintext::relay);
    const Diagnostics doubts = doubts_about(*relayed);
    REQUIRE(doubts.size() == 1);
    CHECK(doubts.front().reason == "plaintext-passes");
    CHECK(fault("plaintext = \"relay\"\nclient_certificate = \"required\"\nca = \"/ca\"") ==
          "plaintext-contradicted");
    CHECK(fault("plaintext = \"relay\"\noffload = \"require\"") == "plaintext-contradicted");
    CHECK(fault("plaintext = \"pass\"") == "not-a-choice");
    CHECK(fault("plaintext = \"relay\"\nmode = \"client\"\nca = \"/ca\"\nserver_name = \"a.example\"") ==
          "wrong-mode");
}
