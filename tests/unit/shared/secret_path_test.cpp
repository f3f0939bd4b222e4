#include "daemon/shared/secret_path.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

using namespace keysluice;

TEST_CASE("a secret's file: a path, or a credential of this process") {
    CHECK(secret_path("/etc/keysluice/shop.key").value() == "/etc/keysluice/shop.key");
    const auto none = secret_path("credential:shop.key");
    REQUIRE_FALSE(none);
    CHECK(none.error().reason == "no-credentials");
    ::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/keysluice-engine@0.service", 1);
    CHECK(secret_path("credential:shop.key").value() == "/run/credentials/keysluice-engine@0.service/shop.key");
    ::unsetenv("CREDENTIALS_DIRECTORY");
}
