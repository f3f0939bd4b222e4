#include "daemon/control/discard_counter.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <random>

#include "daemon/control/discard_log.hpp"
#include "policy/discard_rules.hpp"
#include "tests/support/policed_host.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::policy;
using namespace keysluice::test;

namespace {

AddressRange range(const char* first, const char* last) {
    return {ip(first), ip(last)};
}

AddressRange one(const char* address) {
    return range(address, address);
}

/// Discards among bypasses, some of them for a part of what a later one discards.
std::vector<Policy> several() {
    return {
        {.name = "DNS", .direction = Direction::in, .protocol = IPPROTO_UDP, .local_ports = {{53, 53}}},
        {.name = "UDP4",
         .direction = Direction::in,
         .disposition = Disposition::discard,
         .remote = {range("10.0.0.0", "10.0.0.3")},
         .protocol = IPPROTO_UDP,
         .local_ports = {{100, 199}, {300, 300}, {20, 80}}},
        {.name = "WEB", .direction = Direction::in, .protocol = IPPROTO_TCP, .local_ports = {{443, 443}}},
        {.name = "TCP",
         .direction = Direction::in,
         .disposition = Disposition::discard,
         .protocol = IPPROTO_TCP,
         .local_ports = {{400, 499}}},
        {.name = "UDP6",
         .direction = Direction::in,
         .disposition = Disposition::discard,
         .remote = {range("fd00::", "fd00::ffff")},
         .protocol = IPPROTO_UDP},
        {.name = "REST", .direction = Direction::in},
        {.name = "DNS", .direction = Direction::out, .protocol = IPPROTO_UDP, .remote_ports = {{53, 53}}},
        {.name = "UDP4",
         .direction = Direction::out,
         .disposition = Disposition::discard,
         .remote = {one("10.0.0.2")},
         .protocol = IPPROTO_UDP,
         .remote_ports = {{20, 80}, {5000, 5000}}},
        {.name = "TCP6",
         .direction = Direction::out,
         .disposition = Disposition::discard,
         .remote = {one("fd00::2"), one("fd00::9")},
         .protocol = IPPROTO_TCP},
        {.name = "TCP",
         .direction = Direction::out,
         .disposition = Disposition::discard,
         .protocol = IPPROTO_TCP,
         .remote_ports = {{400, 499}}},
        {.name = "UDP6",
         .direction = Direction::out,
         .disposition = Disposition::discard,
         .remote = {range("fd00::", "fd00::ffff")},
         .protocol = IPPROTO_UDP},
        {.name = "REST", .direction = Direction::out},
    };
}

Sent datagrams(const char* from, const char* to, std::uint16_t port, unsigned times) {
    return {.type = SOCK_DGRAM, .from = ip(from), .to = ip(to), .to_port = port, .times = times};
}

Sent connections(const char* from, const char* to, std::uint16_t port, unsigned times) {
    return {.type = SOCK_STREAM, .from = ip(from), .to = ip(to), .to_port = port, .times = times};
}

std::string heard(DiscardLog& log) {
    std::string lines;
    while (true) {
        auto next = log.next();
        REQUIRE_MESSAGE(next, (next ? "" : next.error().sentence));
        if (!*next) {
            return lines;
        }
        DiscardedPacket packet = **next;
        if (packet.header) {
            packet.header->source_port = 1;  // the kernel's choice
        }
        lines += describe(packet) + "\n";
    }
}

}  // namespace

TEST_SUITE_BEGIN("discard counter");

TEST_CASE("what comes in and is discarded is counted for the policy that discards it, and the first one is told") {
    PolicedHost host;
    host.load(several());
    auto log = host.here().run([] { return DiscardLog::open(); });
    REQUIRE_MESSAGE(log, (log ? "" : log.error().sentence));
    const Mailbox dns(host.here(), ip("10.0.0.1"), 53);
    const Mailbox refused(host.here(), ip("10.0.0.1"), 150);

    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 4000));
    host.send_in(datagrams("10.0.0.2", "10.0.0.3", 60, 1000));
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 53, 500));
    host.send_in(datagrams("10.0.0.4", "10.0.0.1", 150, 70));  // no policy of discard
    host.send_in(datagrams("fd00::2", "fd00::1", 150, 5000));
    host.send_in(connections("10.0.0.2", "10.0.0.1", 450, 100));
    host.send_in(connections("fd00::2", "fd00::1", 400, 100));

    CHECK(host.counted() == "in.UDP4 5000 in.TCP 200 in.UDP6 5000 ");
    CHECK(host.statistic("XfrmInPolBlock") == 10'200);
    CHECK(dns.empty() == 500);
    CHECK(refused.empty() == 70);
    CHECK(heard(*log) ==
          "policy UDP4 has discarded what came in: udp 10.0.0.2 port 1 to 10.0.0.1 port 150\n"
          "policy UDP6 has discarded what came in: udp fd00::2 port 1 to fd00::1 port 150\n"
          "policy TCP has discarded what came in: tcp 10.0.0.2 port 1 to 10.0.0.1 port 450\n");
}

TEST_CASE("what is to go out and is discarded is counted, and nothing of it leaves") {
    PolicedHost host;
    if (!host.counts_out()) {
        return;
    }
    host.load(several());
    auto log = host.here().run([] { return DiscardLog::open(); });
    REQUIRE_MESSAGE(log, (log ? "" : log.error().sentence));
    const Mailbox dns(host.there(), ip("10.0.0.2"), 53);
    const Mailbox refused(host.there(), ip("10.0.0.2"), 5000);

    host.send_out(datagrams("10.0.0.1", "10.0.0.2", 5000, 4000));
    host.send_out(datagrams("10.0.0.1", "10.0.0.2", 21, 1000));
    host.send_out(datagrams("10.0.0.1", "10.0.0.2", 53, 500));
    host.send_out(datagrams("fd00::1", "fd00::2", 5000, 5000));
    host.send_out(connections("fd00::1", "fd00::2", 401, 100));
    host.send_out(connections("10.0.0.1", "10.0.0.2", 402, 100));

    CHECK(host.counted() == "out.UDP4 5000 out.TCP6 100 out.TCP 100 out.UDP6 5000 ");
    CHECK(dns.empty() == 500);
    CHECK(refused.empty() == 0);
    CHECK(heard(*log) ==
          "policy UDP4 has discarded what was to go out: udp 10.0.0.1 port 1 to 10.0.0.2 port 5000\n"
          "policy UDP6 has discarded what was to go out: udp fd00::1 port 1 to fd00::2 port 5000\n"
          "policy TCP6 has discarded what was to go out: tcp fd00::1 port 1 to fd00::2 port 401\n"
          "policy TCP has discarded what was to go out: tcp 10.0.0.1 port 1 to 10.0.0.2 port 402\n");
}

TEST_CASE("without the table, and without the SA, nothing goes out either") {
    PolicedHost host;
    if (!host.counts_out()) {
        return;
    }
    host.load(several());
    const Mailbox four(host.there(), ip("10.0.0.2"), 5000);
    const Mailbox six(host.there(), ip("fd00::2"), 5000);
    const auto send = [&host] {
        host.send_out(datagrams("10.0.0.1", "10.0.0.2", 5000, 100));
        host.send_out(datagrams("fd00::1", "fd00::2", 5000, 100));
    };
    host.counter.reset();  // as when keysluiced dies
    host.here().shell("nft flush ruleset");
    send();
    const auto drain = host.kernel->sa(drain_sa({}).id());
    REQUIRE(drain);
    CHECK(drain->packets == 200);
    CHECK(host.statistic("XfrmInNoStates") == 0);  // nobody has tried to open what arrived on loopback
    CHECK(host.statistic("XfrmInStateProtoError") == 0);
    host.here().shell("ip xfrm state flush");
    send();
    CHECK(four.empty() == 0);
    CHECK(six.empty() == 0);
    // And it counts again.
    host.count_anew();
    host.load(several());
    send();
    CHECK(host.counted() == "out.UDP4 100 out.UDP6 100 ");
    const auto removed = host.counter->remove();
    REQUIRE_MESSAGE(removed, (removed ? "" : removed.error().sentence));
    send();
    CHECK(four.empty() == 0);
    CHECK(six.empty() == 0);
}

TEST_CASE("counts outlive a commit that leaves the policy, and keysluiced; a name that goes takes its count along") {
    PolicedHost host;
    host.load(several());
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 10));
    host.send_in(datagrams("fd00::2", "fd00::1", 150, 20));

    auto policies = several();
    policies.insert(policies.begin(), {.name = "NEW",
                                       .direction = Direction::in,
                                       .disposition = Disposition::discard,
                                       .protocol = IPPROTO_UDP,
                                       .local_ports = {{155, 155}}});
    std::erase_if(policies, [](const Policy& each) { return each.name == "UDP6"; });
    host.load(policies);
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 155, 3));
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 4));
    CHECK(host.counted() == "in.NEW 3 in.UDP4 14 ");

    host.count_anew();
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 5));  // while nobody looks
    host.load(several());
    CHECK(host.counted() == "in.UDP4 19 ");
}

TEST_CASE("a table that somebody deletes comes back with what was counted") {
    PolicedHost host;
    host.here().shell("nft add table inet keysluice");  // has no owner, as with older kernels
    host.load(several());
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 10));
    CHECK(host.counted() == "in.UDP4 10 ");
    host.here().shell("nft flush ruleset");
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 10));  // counted by nobody
    CHECK(host.counted() == "in.UDP4 10 ");
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 10));
    CHECK(host.counted() == "in.UDP4 20 ");
}

TEST_CASE("nobody else deletes the table of a running keysluiced") {
    PolicedHost host;
    host.load(several());
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 10));
    host.here().shell("nft flush ruleset");
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 150, 10));
    CHECK(host.counted() == "in.UDP4 20 ");
}

TEST_CASE("policies that discard nothing leave no table behind") {
    PolicedHost host;
    host.load(several());
    host.load({{.name = "ALL", .direction = Direction::in}, {.name = "ALL", .direction = Direction::out}});
    CHECK(host.counted().empty());
    host.here().shell("test -z \"$(nft list tables)\"");
}

TEST_CASE("on loopback, IPv6 is policed and IPv4 is not: so it is counted") {
    PolicedHost host;
    host.load({{.name = "ALL", .direction = Direction::in, .disposition = Disposition::discard}});
    const Mailbox four(host.here(), ip("127.0.0.1"), 5000);
    const Mailbox six(host.here(), ip("::1"), 5000);
    host.send_out(datagrams("127.0.0.1", "127.0.0.1", 5000, 7));
    host.send_out(datagrams("::1", "::1", 5000, 9));
    const bool six_is_policed = six.empty() == 0;
    CHECK(four.empty() == 7);
    CHECK(host.counts().front() == host.statistic("XfrmInPolBlock"));
    CHECK(six_is_policed);
}

TEST_CASE("what comes in the clear where IPsec is demanded counts, but not what goes to IKE's ports") {
    PolicedHost host;
    host.load({{.name = "P",
                .direction = Direction::in,
                .disposition = Disposition::protect,
                .remote = {one("10.0.0.2")},
                .protection = {.reqid = {5}}}});
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 1000, 6));
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 500, 8));
    host.send_in(datagrams("10.0.0.2", "10.0.0.1", 4500, 8));
    CHECK(host.counted() == "in.P 6 ");
}

TEST_CASE("a fragmented datagram counts once") {
    PolicedHost host;
    host.load({{.name = "ALL",
                .direction = Direction::in,
                .disposition = Disposition::discard,
                .protocol = IPPROTO_UDP,
                .local_ports = {{5000, 5000}}},
               {.name = "OTHER", .direction = Direction::in, .disposition = Disposition::discard}});
    host.there().shell(
        "python3 -c 'import socket\n"
        "for family, host in ((socket.AF_INET, \"10.0.0.1\"), (socket.AF_INET6, \"fd00::1\")):\n"
        "  for _ in range(10): socket.socket(family, socket.SOCK_DGRAM).sendto(bytes(5000), (host, 5000))'");
    CHECK(host.counted() == "in.ALL 20 ");
    CHECK(host.statistic("XfrmInPolBlock") == 20);
}

TEST_CASE("for any policies and packets, counted is what the first match discards") {
    std::mt19937 random{20'261'123};
    const auto below = [&random](std::uint32_t limit) { return static_cast<std::uint16_t>(random() % limit); };
    const std::vector<IpAddress> locals{ip("10.0.0.1"), ip("10.0.0.3"), ip("fd00::1"), ip("fd00::3")};
    const std::vector<IpAddress> remotes{ip("10.0.0.2"), ip("10.0.0.4"), ip("fd00::2"), ip("fd00::4")};
    const auto some_ports = [&] {
        std::vector<PortRange> ports(below(4));
        for (PortRange& each : ports) {
            each.first = static_cast<std::uint16_t>(1000 + below(12));
            each.last = static_cast<std::uint16_t>(each.first + below(4));
        }
        return ports;
    };
    const auto some_addresses = [&](const std::vector<IpAddress>& from) {
        std::vector<AddressRange> ranges(below(3));
        for (AddressRange& each : ranges) {
            const std::size_t family = 2U * below(2);
            const std::size_t first = below(2);
            each = {from[family + first], from[family + first + below(static_cast<std::uint32_t>(2 - first))]};
        }
        return ranges;
    };
    const auto fits = [](const auto& ranges, const auto& value) {
        return ranges.empty() || std::ranges::any_of(ranges, [&](const auto& each) {
                   return each.first <= value && value <= each.last;
               });
    };
    PolicedHost host;
    std::uint64_t blocked = 0;
    for (unsigned round = 0; round < 25; ++round) {
        CAPTURE(round);
        // Few are asked one after the other, many by way of maps.
        std::vector<Policy> policies(round % 5 == 4 ? 80U : 1U + below(8));
        for (std::size_t place = 0; place < policies.size(); ++place) {
            policies[place] = {.name = "P" + std::to_string(round) + "-" + std::to_string(place),
                               .direction = Direction::in,
                               .disposition = below(2) == 0 ? Disposition::discard : Disposition::bypass,
                               .local = some_addresses(locals),
                               .remote = some_addresses(remotes),
                               .protocol = IPPROTO_UDP,
                               .local_ports = some_ports(),
                               .remote_ports = some_ports()};
        }
        host.load(policies);
        std::vector<std::uint64_t> expected(policies.size());
        for (unsigned sent = 0; sent < 200; ++sent) {
            const std::size_t family = 2U * below(2);
            const IpAddress& local = locals[family + below(2)];
            const IpAddress& remote = remotes[family + below(2)];
            const auto local_port = static_cast<std::uint16_t>(1000 + below(15));
            const auto remote_port = static_cast<std::uint16_t>(1000 + below(15));
            host.send_in(
                {.type = SOCK_DGRAM, .from = remote, .to = local, .from_port = remote_port, .to_port = local_port});
            const auto first = std::ranges::find_if(policies, [&](const Policy& each) {
                return fits(each.local, local) && fits(each.remote, remote) && fits(each.local_ports, local_port) &&
                       fits(each.remote_ports, remote_port);
            });
            if (first != policies.end() && first->disposition == Disposition::discard) {
                ++expected[static_cast<std::size_t>(first - policies.begin())];
                ++blocked;
            }
        }
        CHECK(host.counts() == expected);
        CHECK(host.statistic("XfrmInPolBlock") == blocked);
    }
}

TEST_SUITE_END();
