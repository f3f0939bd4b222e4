#include "policy/kernel_entries.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <algorithm>
#include <string>

#include "policy/priorities.hpp"
#include "tests/support/seed_policies.hpp"

using namespace keysluice;
using namespace keysluice::policy;
using namespace keysluice::test;

namespace {

AddressRange range(const char* first, const char* last) {
    return {*IpAddress::parse(first), *IpAddress::parse(last)};
}

std::string port(const xfrm::PortMask& mask) {
    return std::to_string(mask.port) + "&" + std::to_string(mask.mask);
}

/// One line each: "0 in 10.0.0.0/8 0.0.0.0/0 6 0&0 80&65535".
std::string shown(const std::vector<Policy>& policies) {
    const auto entries = kernel_entries(policies);
    if (!entries) {
        return std::string(entries.error().reason);
    }
    std::string lines;
    for (const KernelEntry& each : *entries) {
        const xfrm::Selector& selector = each.policy.selector;
        lines += std::to_string(each.place) + (each.policy.direction == xfrm::Direction::in ? " in " : " out ") +
                 selector.source.text() + " " + selector.destination.text() + " " +
                 std::to_string(selector.protocol) + " " + port(selector.source_port) + " " +
                 port(selector.destination_port) + "\n";
    }
    return lines;
}

}  // namespace

TEST_SUITE_BEGIN("policies in the kernel");

TEST_CASE("a policy for any address is one entry of each family, with its priority") {
    const std::vector<Policy> policies{{.name = "a", .direction = Direction::out, .priority = kFirstPriority},
                                       {.name = "b", .direction = Direction::in, .priority = kFirstPriority + 1}};
    CHECK(shown(policies) ==
          "0 out 0.0.0.0/0 0.0.0.0/0 0 0&0 0&0\n0 out ::/0 ::/0 0 0&0 0&0\n"
          "1 in 0.0.0.0/0 0.0.0.0/0 0 0&0 0&0\n1 in ::/0 ::/0 0 0&0 0&0\n");
    CHECK(kernel_entries(policies)->front().policy.priority == kFirstPriority);
    CHECK(kernel_entries(policies)->back().policy.priority == kFirstPriority + 1);
}

TEST_CASE("the local side is the source of what goes out and the destination of what comes in") {
    const Policy out{.name = "o",
                     .direction = Direction::out,
                     .local = {range("10.0.0.0", "10.255.255.255")},
                     .remote = {range("192.0.2.0", "192.0.2.2")},
                     .protocol = IPPROTO_TCP,
                     .local_ports = {{80, 80}}};
    Policy in = out;
    in.direction = Direction::in;
    CHECK(shown({out}) ==
          "0 out 10.0.0.0/8 192.0.2.0/31 6 80&65535 0&0\n0 out 10.0.0.0/8 192.0.2.2/32 6 80&65535 0&0\n");
    CHECK(shown({in}) ==
          "0 in 192.0.2.0/31 10.0.0.0/8 6 0&0 80&65535\n0 in 192.0.2.2/32 10.0.0.0/8 6 0&0 80&65535\n");
}

TEST_CASE("type and code of ICMP do not turn round") {
    Policy echo{.name = "e",
                .direction = Direction::in,
                .remote = {range("192.0.2.1", "192.0.2.1")},
                .protocol = IPPROTO_ICMP,
                .local_ports = {{8, 8}},
                .remote_ports = {{0, 0}}};
    CHECK(shown({echo}) == "0 in 192.0.2.1/32 0.0.0.0/0 1 8&65535 0&65535\n");
    echo.direction = Direction::out;
    CHECK(shown({echo}) == "0 out 0.0.0.0/0 192.0.2.1/32 1 8&65535 0&65535\n");
}

TEST_CASE("of two that become the same selector the kernel gets the first one's") {
    CHECK(shown({{.name = "a", .remote = {range("192.0.2.1", "192.0.2.1")}},
                 {.name = "b", .disposition = Disposition::discard, .remote = {range("192.0.2.0", "192.0.2.1")}}}) ==
          "0 out 0.0.0.0/0 192.0.2.1/32 0 0&0 0&0\n1 out 0.0.0.0/0 192.0.2.0/31 0 0&0 0&0\n");
    CHECK(shown({{.name = "a", .remote = {range("192.0.2.1", "192.0.2.1")}},
                 {.name = "b", .disposition = Disposition::discard, .remote = {range("192.0.2.1", "192.0.2.1")}}}) ==
          "0 out 0.0.0.0/0 192.0.2.1/32 0 0&0 0&0\n");
}

TEST_CASE("dispositions") {
    const auto entries = kernel_entries(seed_policies());
    REQUIRE(entries);
    const auto of = [&](std::size_t place) {
        return std::ranges::find(*entries, place, &KernelEntry::place)->policy;
    };
    CHECK(of(0).action == xfrm::Action::allow);
    CHECK(of(0).templates.empty());
    CHECK(of(2).action == xfrm::Action::allow);
    CHECK(of(2).templates.size() == 1);
    CHECK(kernel_entries(std::vector<Policy>{{.name = "d", .disposition = Disposition::discard}})
              ->front()
              .policy.action == xfrm::Action::block);
}

TEST_CASE("a policy that becomes too many entries is refused by name") {
    const std::vector<Policy> policies{{.name = "fine",
                                        .local = {range("0.0.0.1", "255.255.255.254")},
                                        .remote = {range("0.0.0.1", "255.255.255.254")},
                                        .protocol = IPPROTO_TCP,
                                        .remote_ports = {{1, 65534}}}};
    const auto entries = kernel_entries(policies);
    REQUIRE_FALSE(entries);
    CHECK(entries.error().reason == "policy-too-fine");
    CHECK(entries.error().sentence.contains("policy fine becomes"));
}

TEST_CASE("of a selector's packets, those that a policy is about") {
    Policy web{.name = "w",
               .direction = Direction::out,
               .local = {range("10.0.0.0", "10.255.255.255")},
               .remote = {range("192.0.2.0", "192.0.2.2")},
               .protocol = IPPROTO_TCP,
               .remote_ports = {{80, 80}}};
    const auto prefix = [](const char* text) { return *Prefix::parse(text); };
    xfrm::Selector asked{.source = prefix("10.1.0.0/16"), .destination = prefix("192.0.2.0/24")};
    auto within = selectors_within(web, asked);
    REQUIRE(within.size() == 2);
    CHECK(within[0].source == prefix("10.1.0.0/16"));
    CHECK(within[0].destination == prefix("192.0.2.0/31"));
    CHECK(within[0].protocol == IPPROTO_TCP);
    CHECK(within[0].destination_port == xfrm::PortMask{80, 0xffff});
    CHECK(within[1].destination == prefix("192.0.2.2"));
    CHECK(selectors_within(web, {.source = prefix("fd00::/16"), .destination = prefix("::/0")}).empty());

    web.direction = Direction::in;
    CHECK(selectors_within(web, asked).empty());
    std::swap(asked.source, asked.destination);
    within = selectors_within(web, asked);
    REQUIRE(within.size() == 2);
    CHECK(within[0].source_port == xfrm::PortMask{80, 0xffff});
    CHECK(within[0].destination == prefix("10.1.0.0/16"));
}

TEST_SUITE_END();
