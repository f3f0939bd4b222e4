#include "ike/assignment.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace keysluice;
using namespace keysluice::ike;
using Type = wire::ConfigurationAttributeType;

namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

wire::ConfigurationPayload reply(std::vector<wire::ConfigurationAttribute> attributes) {
    return {wire::ConfigurationType::reply, std::move(attributes)};
}

wire::ConfigurationAttribute domain(std::string_view name) {
    return {Type::internal_dns_domain, {name.begin(), name.end()}};
}

Assignment whole() {
    return {.addresses = {address("10.9.0.5"), address("fd00:9::5")},
            .dns = {address("10.1.0.53"), address("fd00:1::53")},
            .domains = {"corp.example", "lab.test"},
            .subnets = {*Prefix::parse("10.1.0.0/16"), *Prefix::parse("fd00:1::/32"), *Prefix::parse("0.0.0.0/0")}};
}

}  // namespace

TEST_CASE("assignment: what is asked for is understood, and what is answered comes out as it went in") {
    const auto request = request_for({address("0.0.0.0"), address("::"), address("10.9.0.7"), address("fd00:9::7")});
    CHECK(request.type == wire::ConfigurationType::request);
    CHECK(wishes_in(request) ==
          std::vector{address("0.0.0.0"), address("::"), address("10.9.0.7"), address("fd00:9::7")});
    const auto answer = reply_with(whole(), request);
    CHECK(answer.type == wire::ConfigurationType::reply);
    CHECK(assignment_in(answer) == whole());
}

// RFC 8598 section 3.1.
TEST_CASE("assignment: who does not know split DNS gets resolvers for everything or none") {
    const wire::ConfigurationPayload old{wire::ConfigurationType::request, {{Type::internal_ip4_address, {}}}};
    const Assignment split = assignment_in(reply_with(whole(), old));
    CHECK(split.dns.empty());
    CHECK(split.domains.empty());
    CHECK(split.addresses == whole().addresses);
    Assignment all = whole();
    all.domains.clear();
    CHECK(assignment_in(reply_with(all, old)).dns == whole().dns);
}

TEST_CASE("assignment: what makes no sense in a reply is left out") {
    const Assignment got = assignment_in(reply({
        {Type::internal_ip4_address, {}},
        {Type::internal_ip4_address, {10, 9, 0}},
        {Type::internal_ip4_address, {0, 0, 0, 0}},
        {Type::internal_ip4_address, {127, 0, 0, 1}},
        {Type::internal_ip4_address, {224, 0, 0, 1}},
        {Type::internal_ip4_address, {255, 255, 255, 255}},
        {Type::internal_ip6_address, wire::Octets(15, 1)},
        {Type::internal_ip6_address, wire::Octets(17, 0)},
        {Type::internal_ip6_address, wire::Octets(17, 0xff)},
        {Type::internal_ip4_subnet, {10, 0, 0, 0, 255, 0, 255, 0}},
        {Type::internal_ip4_subnet, {10, 0, 0, 0}},
        {Type::internal_ip6_subnet, wire::Octets(17, 0xfd)},  // a prefix of 253 bits
        {Type::internal_ip4_dns, {10, 0, 0}},
        {static_cast<Type>(77), {1, 2, 3}},
        domain(""),
        domain("."),
        domain("a..b"),
        domain("evil\nnameserver 6.6.6.6"),
        domain("-option.example"),
        domain(std::string(64, 'a')),
        domain("good.example."),
        {Type::internal_ip4_dns, {10, 1, 0, 53}},
        {Type::internal_ip4_dns, {10, 1, 0, 53}},
    }));
    CHECK(got ==
          Assignment{.addresses = {}, .dns = {address("10.1.0.53")}, .domains = {"good.example"}, .subnets = {}});
}

TEST_CASE("assignment: a subnet is told by one of its hosts, too") {
    const Assignment got = assignment_in(reply({{Type::internal_ip4_subnet, {10, 1, 2, 3, 255, 255, 240, 0}},
                                                {Type::internal_ip4_subnet, {10, 1, 2, 3, 255, 255, 255, 255}}}));
    CHECK(got.subnets == std::vector{*Prefix::parse("10.1.0.0/20"), *Prefix::parse("10.1.2.3/32")});
}

TEST_CASE("assignment: no more than there is room for") {
    wire::ConfigurationPayload many = reply({});
    for (std::uint8_t i = 1; i <= 100; ++i) {
        many.attributes.push_back({Type::internal_ip4_address, {10, 0, 0, i}});
    }
    CHECK(assignment_in(many).addresses.size() == kMostAssigned);
    CHECK(wishes_in(many).size() == kMostAssigned);
}

TEST_CASE("assignment: selectors") {
    CHECK(selectors_of({address("10.9.0.5")}) == TrafficSelectors{*parse_selector("10.9.0.5")});
    CHECK(any_of({address("::"), address("0.0.0.0"), address("10.0.0.1")}) ==
          TrafficSelectors{*parse_selector("0.0.0.0/0"), *parse_selector("::/0")});
    CHECK(any_of({}).empty());
}
