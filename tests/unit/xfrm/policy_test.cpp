#include "xfrm/policy.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using namespace keysluice;
using namespace keysluice::xfrm;

namespace {

Selector selector(std::string_view source, std::string_view destination) {
    return {.source = Prefix::parse(source).value(), .destination = Prefix::parse(destination).value()};
}

Selector tcp(Selector base, std::uint16_t source_mask = 0, std::uint16_t destination_mask = 0) {
    base.protocol = 6;
    base.source_port.mask = source_mask;
    base.destination_port.mask = destination_mask;
    return base;
}

}  // namespace

TEST_CASE("xfrm: the more specific policy wins, whatever it is there for") {
    // From the one that wins over all to the one that gives way to all.
    const std::vector<Selector> order{
        tcp(selector("2001:db8::1", "2001:db8::2"), 0xffff, 0xffff),
        selector("2001:db8::1", "2001:db8::2"),
        tcp(selector("10.0.0.1", "10.0.0.2"), 0xffff, 0xffff),
        tcp(selector("10.0.0.1", "10.0.0.2"), 0, 0xffff),
        tcp(selector("10.0.0.1", "10.0.0.2"), 0, 0xff00),
        tcp(selector("10.0.0.1", "10.0.0.2")),
        selector("10.0.0.1", "10.0.0.2"),
        tcp(selector("10.0.0.1", "10.0.0.0/31"), 0xffff, 0xffff),
        selector("10.0.0.0/8", "10.0.0.2"),
        selector("10.1.0.0/16", "10.2.0.0/16"),
        tcp(selector("0.0.0.0/0", "0.0.0.0/0"), 0xffff, 0xffff),
        selector("0.0.0.0/0", "0.0.0.0/0"),
    };
    for (std::size_t i = 1; i < order.size(); ++i) {
        CAPTURE(i);
        // Even the weakest purpose of the one before beats the strongest of this one.
        CHECK(priority_of(order[i - 1], Purpose::trap) < priority_of(order[i], Purpose::exception));
    }
}

TEST_CASE("xfrm: among equally specific policies the purpose decides") {
    const Selector one = selector("10.1.0.0/16", "10.2.0.0/16");
    CHECK(priority_of(one, Purpose::exception) < priority_of(one, Purpose::installed));
    CHECK(priority_of(one, Purpose::installed) < priority_of(one, Purpose::trap));
}

TEST_CASE("xfrm: priorities stay within their bounds") {
    CHECK(priority_of(tcp(selector("2001:db8::1", "2001:db8::2"), 0xffff, 0xffff), Purpose::exception) == 1024);
    CHECK(priority_of(selector("0.0.0.0/0", "0.0.0.0/0"), Purpose::trap) == 132'482);
}
