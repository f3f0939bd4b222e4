#include "daemon/shared/notify_address.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

using namespace keysluice;

TEST_CASE("a path is an address") {
    const auto address = NotifyAddress::parse("/run/systemd/notify");
    REQUIRE(address);
    CHECK(address->raw.sun_family == AF_UNIX);
    CHECK(std::string(address->raw.sun_path) == "/run/systemd/notify");
    CHECK(address->length == offsetof(sockaddr_un, sun_path) + 19);
}

TEST_CASE("an '@' stands for the abstract namespace") {
    const auto address = NotifyAddress::parse("@manager");
    REQUIRE(address);
    CHECK(std::string(address->raw.sun_path, 8) == std::string("\0manager", 8));
    CHECK(address->length == offsetof(sockaddr_un, sun_path) + 8);
}

TEST_CASE("what is no address") {
    CHECK(!NotifyAddress::parse(""));
    CHECK(!NotifyAddress::parse(std::string(sizeof(sockaddr_un{}.sun_path), 'a')));
}
