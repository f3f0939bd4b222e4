#include "ike/leases.hpp"

#include <doctest/doctest.h>

#include "ike/connection.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

AddressPool pool(const char* first, const char* last) {
    return {.name = "pool", .first = address(first), .last = address(last)};
}

wire::Identity peer(const char* name) {
    return *parse_identity(name);
}

const IpAddress kAny = address("0.0.0.0");

}  // namespace

TEST_CASE("leases: each peer gets another address, until all are taken") {
    Leases leases;
    const AddressPool three = pool("10.9.0.254", "10.9.1.0");
    CHECK(leases.take(three, peer("a"), kAny) == address("10.9.0.254"));
    CHECK(leases.take(three, peer("b"), kAny) == address("10.9.0.255"));
    CHECK(leases.take(three, peer("a"), kAny) == address("10.9.1.0"));  // a second host with the same name
    CHECK(leases.take(three, peer("d"), kAny) == std::nullopt);
    leases.release(address("10.9.0.255"));
    CHECK(leases.take(three, peer("d"), kAny) == address("10.9.0.255"));
}

TEST_CASE("leases: who comes back gets what it had, whoever came meanwhile") {
    Leases leases;
    const AddressPool some = pool("10.9.0.1", "10.9.0.9");
    CHECK(leases.take(some, peer("a"), kAny) == address("10.9.0.1"));
    leases.release(address("10.9.0.1"));
    CHECK(leases.take(some, peer("b"), kAny) == address("10.9.0.2"));
    CHECK(leases.take(some, peer("A"), kAny) == address("10.9.0.1"));  // names know no case
}

TEST_CASE("leases: a wish is granted for what is nobody else's") {
    Leases leases;
    const AddressPool some = pool("10.9.0.1", "10.9.0.9");
    CHECK(leases.take(some, peer("a"), address("10.9.0.5")) == address("10.9.0.5"));
    CHECK(leases.take(some, peer("b"), address("10.9.0.5")) == address("10.9.0.1"));
    CHECK(leases.take(some, peer("b"), address("10.8.0.5")) == address("10.9.0.2"));
    CHECK(leases.take(some, peer("b"), address("fd00::5")) == address("10.9.0.3"));
}

TEST_CASE("leases: an address is free once all who hold it have let go") {
    Leases leases;
    const AddressPool one = pool("10.9.0.1", "10.9.0.1");
    CHECK(leases.take(one, peer("a"), kAny) == address("10.9.0.1"));
    CHECK(leases.take(one, peer("a"), address("10.9.0.1")) == address("10.9.0.1"));  // a second IKE SA takes over
    leases.hold(address("10.9.0.1"), peer("a"));                                     // a rekeyed one
    leases.release(address("10.9.0.1"));
    leases.release(address("10.9.0.1"));
    CHECK(leases.take(one, peer("b"), kAny) == std::nullopt);
    leases.release(address("10.9.0.1"));
    CHECK(leases.take(one, peer("b"), kAny) == address("10.9.0.1"));
    leases.release(address("10.9.0.1"));
    leases.release(address("10.9.0.1"));  // once too often
    leases.release(address("10.9.0.2"));
    CHECK(leases.all().size() == 1);
}

TEST_CASE("leases: what was given back first goes first to somebody else") {
    Leases leases;
    const AddressPool two = pool("10.9.0.1", "10.9.0.2");
    CHECK(leases.take(two, peer("a"), kAny) == address("10.9.0.1"));
    CHECK(leases.take(two, peer("b"), kAny) == address("10.9.0.2"));
    leases.release(address("10.9.0.2"));
    leases.release(address("10.9.0.1"));
    CHECK(leases.take(two, peer("c"), kAny) == address("10.9.0.2"));
    CHECK(leases.take(two, peer("a"), kAny) == address("10.9.0.1"));
}

TEST_CASE("leases: a pool may become larger, downwards too") {
    Leases leases;
    CHECK(leases.take(pool("10.9.0.8", "10.9.0.9"), peer("a"), kAny) == address("10.9.0.8"));
    CHECK(leases.take(pool("10.9.0.8", "10.9.0.9"), peer("b"), kAny) == address("10.9.0.9"));
    CHECK(leases.take(pool("10.9.0.7", "10.9.0.9"), peer("c"), kAny) == address("10.9.0.7"));
    CHECK(leases.take(pool("10.9.0.7", "10.9.0.9"), peer("d"), kAny) == std::nullopt);
    CHECK(leases.take(pool("255.255.255.254", "255.255.255.255"), peer("e"), kAny) == address("255.255.255.254"));
    CHECK(leases.take(pool("255.255.255.254", "255.255.255.255"), peer("e"), kAny) == address("255.255.255.255"));
    CHECK(leases.take(pool("255.255.255.254", "255.255.255.255"), peer("e"), kAny) == std::nullopt);
}

TEST_CASE("leases: of those who are gone, the last are remembered") {
    Leases leases;
    const AddressPool wide = pool("10.0.0.0", "10.255.255.255");
    for (std::size_t i = 0; i < Leases::kMostIdle + 10; ++i) {
        const auto given = leases.take(wide, peer(std::to_string(i).c_str()), kAny);
        REQUIRE(given);
        leases.release(*given);
    }
    CHECK(leases.all().size() == Leases::kMostIdle);
    CHECK(leases.take(wide, peer("9"), kAny) != address("10.0.0.9"));
    CHECK(leases.take(wide, peer("10"), kAny) == address("10.0.0.10"));
}
