#include "cli/doctor/wants.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::doctor;

TEST_CASE("the doctor looks at all certificates of a service, and at the keys that are files") {
    const auto configuration = control::parse_configuration(R"(
[[tls.service]]
name = "shop"
listen = ["0.0.0.0:443"]
connect = ["127.0.0.1:8080"]
certificate = "/shop.pem"
private_key = "file:/shop.key"
[[tls.service.certificates]]
certificate = "/rsa.pem"
private_key = "file:/rsa.key"
[[tls.service.certificates]]
certificate = "/api.pem"
private_key = "credential:api"
)",
                                                            "test.toml", {});
    REQUIRE(configuration);
    const Wants wants = wants_of(*configuration);
    REQUIRE(wants.certificates.size() == 3);
    CHECK(wants.certificates[1].of == "service shop");
    CHECK(wants.certificates[1].path == "/rsa.pem");
    CHECK(wants.certificates[2].path == "/api.pem");
    REQUIRE(wants.secrets.size() == 2);
    CHECK(wants.secrets[1].path == "/rsa.key");
    CHECK(wants.secrets[1].user == "keysluice-engine");
}
