#include "ike/connection_table.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::ike;

namespace {

ConnectionPtr connection(const char* name, const char* local, const char* remote) {
    auto made = std::make_shared<Connection>();
    made->name = name;
    made->local = IpAddress::parse(local);
    made->remote = IpAddress::parse(remote);
    return made;
}

std::string between(const ConnectionTable& table, const char* local, const char* remote) {
    std::string names;
    for (const ConnectionPtr& each :
         table.between(IpAddress::parse(local).value(), IpAddress::parse(remote).value())) {
        names += each->name + " ";
    }
    return names;
}

}  // namespace

TEST_CASE("connections between two addresses: certain peers first, then certain addresses of ours, then in order") {
    ConnectionTable table;
    table.configure({connection("any", "", ""), connection("to-2", "", "192.0.2.2"),
                     connection("from-1", "192.0.2.1", ""), connection("1-to-2", "192.0.2.1", "192.0.2.2"),
                     connection("other", "192.0.2.9", "192.0.2.2"), connection("any-too", "", "")});
    CHECK(between(table, "192.0.2.1", "192.0.2.2") == "1-to-2 to-2 from-1 any any-too ");
    CHECK(between(table, "192.0.2.3", "192.0.2.2") == "to-2 any any-too ");
    CHECK(between(table, "192.0.2.1", "2001:db8::1") == "from-1 any any-too ");
}

TEST_CASE("a connection is for each of its gateways") {
    auto several = std::make_shared<Connection>();
    several->name = "several";
    several->remote = IpAddress::parse("192.0.2.1");
    for (const char* address : {"192.0.2.1", "192.0.2.2", "2001:db8::2"}) {
        several->gateways.all.push_back({*IpAddress::parse(address), 500});
    }
    ConnectionTable table;
    table.configure({several});
    CHECK(between(table, "192.0.2.9", "192.0.2.1") == "several ");
    CHECK(between(table, "192.0.2.9", "192.0.2.2") == "several ");
    CHECK(between(table, "2001:db8::9", "2001:db8::2") == "several ");
    CHECK(between(table, "192.0.2.9", "192.0.2.3").empty());
}

TEST_CASE("connections by name, and only those of the last configuration") {
    ConnectionTable table;
    table.configure({connection("old", "", ""), connection("kept", "", "")});
    table.configure({connection("kept", "", "192.0.2.2")});
    CHECK(table.find("old") == nullptr);
    REQUIRE(table.find("kept") != nullptr);
    CHECK(table.find("kept")->remote.has_value());
    CHECK(between(table, "192.0.2.1", "192.0.2.3").empty());
}
