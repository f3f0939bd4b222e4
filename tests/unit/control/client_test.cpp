#include "daemon/control/client.hpp"

#include <doctest/doctest.h>

#include "tests/support/processes.hpp"

using namespace keysluice::control;
using namespace keysluice::test;

TEST_CASE("nobody answers for the status") {
    const RuntimeFolder folder;
    const auto status = fetch_status(folder.path());
    REQUIRE_FALSE(status);
    CHECK(status.error().reason == "status-unreachable");
    CHECK(status.error().sentence ==
          folder / "status.sock" + ": No such file or directory; is keysluiced running with this configuration?");
}
