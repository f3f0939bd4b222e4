#include "netlink/nftables.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <array>
#include <cstdio>
#include <string>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;
using namespace keysluice::netlink::nft;
using namespace keysluice::test;

namespace {

Number number(const char* text) {
    Number value = 0;
    const IpAddress address = *IpAddress::parse(text);
    for (const std::uint8_t octet : address.octets()) {
        value = value << 8U | octet;
    }
    return value;
}

struct Host {
    NetworkNamespace there;
    Socket socket = there.run([] { return *Socket::open(NETLINK_NETFILTER); });

    void apply(Batch batch) {
        const auto applied = nft::apply(socket, std::move(batch), "the table of a test");
        REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
    }
    /// The rules of chain `c` of table `t` as nft(8) writes them, one line each, sets in order.
    [[nodiscard]] std::string listed(const char* what = "chain inet t c") const {
        const NetworkNamespace::Inside inside{there};
        std::string text;
        std::array<char, 4096> part{};
        FILE* const pipe = ::popen(
            (std::string("nft list ") + what + " | grep -v '{$\\|^[[:space:]]*}$\\|type filter'").c_str(), "r");
        REQUIRE(pipe != nullptr);
        while (std::fgets(part.data(), part.size(), pipe) != nullptr) {
            text += part.data() + std::string_view(part.data()).find_first_not_of('\t');
        }
        ::pclose(pipe);
        return text;
    }
};

Batch with_chains(Hook hook = Hook::input) {
    Batch batch("t");
    batch.table(Ownership::anybody).base_chain("c", hook, -10).chain("d").counter("n", 7);
    return batch;
}

}  // namespace

TEST_SUITE_BEGIN("nftables");

TEST_CASE("rules are for nft what they are for us") {
    Host host;
    Batch batch = with_chains();
    const auto rule = [&batch](std::vector<Step> steps) { batch.rule({.chain = "c", .steps = std::move(steps)}); };
    const auto fits = [](Field field, Family family, std::vector<Interval> any_of) {
        return Fits{.field = field, .family = family, .any_of = std::move(any_of)};
    };
    const Family four = Family::ipv4;
    const Family six = Family::ipv6;
    rule({OfFamily{four}, fits(Field::source_address, four, {{number("10.0.0.1"), number("10.0.0.9")}}),
          Verdict::leave});
    rule({OfFamily{six}, fits(Field::destination_address, six, {{number("fd00::1"), number("fd00::1")}}),
          Verdict::drop});
    rule({fits(Field::protocol, four, {{IPPROTO_TCP, IPPROTO_TCP}}),
          fits(Field::destination_port, four, {{20, 21}, {443, 443}}), Goto{"d"}});
    rule({fits(Field::protocol, four, {{IPPROTO_UDP, IPPROTO_UDP}}),
          fits(Field::source_port, four, {{0, 99}, {65'000, 65'535}}), Goto{"d"}});
    // A code without a name: nft from 1.1 on writes the others as numbers, too.
    rule({OfFamily{four}, fits(Field::protocol, four, {{IPPROTO_ICMP, IPPROTO_ICMP}}),
          fits(Field::icmp_type, four, {{3, 3}}), fits(Field::icmp_code, four, {{7, 7}}), Count{"n"}});
    rule({Decapsulated{}, OnceAMinute{}, Log{"a word", 5}});
    rule({OfFamily{four}, FromLoopback{}, Verdict::leave});
    rule({LaterFragment{}, Verdict::leave});
    rule({OfFamily{four}, Dispatch{.field = Field::source_address,
                                   .family = four,
                                   .chains = {{{0, number("9.255.255.255")}, "d"},
                                              {{number("10.0.0.0"), number("255.255.255.255")}, "d"}}}});
    host.apply(std::move(batch));
    CHECK(host.listed() ==
          "ip saddr 10.0.0.1-10.0.0.9 return\n"
          "ip6 daddr fd00::1 drop\n"
          "tcp dport { 20-21, 443 } goto d\n"
          "udp sport { 0-99, 65000-65535 } goto d\n"
          "icmp type destination-unreachable icmp code 7 counter name \"n\"\n"
          "meta ipsec exists limit rate 1/minute burst 1 packets log prefix \"a word\" group 5\n"
          "meta nfproto ipv4 meta iiftype loopback return\n"
          "frag frag-off != 0 return\n"
          "ip saddr vmap { 0.0.0.0-9.255.255.255 : jump d, 10.0.0.0-255.255.255.255 : jump d }\n");
    Batch removal("t");
    removal.delete_table();
    host.apply(std::move(removal));
    Batch out = with_chains(Hook::postrouting);
    out.rule({.chain = "c", .steps = {BoundFor{777}, Verdict::drop}});
    host.apply(std::move(out));
    CHECK(host.listed() == "ipsec out reqid 777 drop\n");
}

TEST_CASE("a set may have more elements than one message") {
    Host host;
    Fits many{.field = Field::destination_port, .family = Family::ipv4, .any_of = {}};
    for (std::uint32_t port = 0; port < 60'000; port += 20) {
        many.any_of.push_back({port, port + 9});
    }
    Batch batch = with_chains();
    batch.rule({.chain = "c", .steps = {Fits{Field::protocol, Family::ipv4, {{IPPROTO_TCP, IPPROTO_TCP}}}, many}});
    host.apply(std::move(batch));
    const std::string text = host.listed("ruleset");
    CHECK(text.contains("0-9, 20-29"));
    CHECK(text.contains("59980-59989"));
}

TEST_CASE("counters and chains are listed, and stay when rules go") {
    Host host;
    CHECK(counters(host.socket, "t")->empty());
    Batch batch = with_chains();
    batch.counter("m", 0)
        .rule({.chain = "c", .steps = {Fits{Field::protocol, Family::ipv4, {{IPPROTO_UDP, IPPROTO_UDP}}}, Goto{"d"}}})
        .rule({.chain = "d", .steps = {Count{"n"}}});
    host.apply(std::move(batch));
    host.there.shell("nft add table inet other && nft add counter inet other x && nft add chain inet other y");
    host.there.shell("bash -c 'echo 1 > /dev/udp/127.0.0.1/9; echo 2 > /dev/udp/127.0.0.1/9'");

    const auto found = counters(host.socket, "t");
    REQUIRE(found);
    CHECK(*found ==
          std::vector<Counter>{{.table = "t", .name = "n", .packets = 9}, {.table = "t", .name = "m", .packets = 0}});
    CHECK(*chains(host.socket, "t") == std::vector<Chain>{{.table = "t", .name = "c"}, {.table = "t", .name = "d"}});

    Batch next = with_chains();
    next.delete_rules().delete_chain("d").delete_counter("m");
    host.apply(std::move(next));
    CHECK(*counters(host.socket, "t") == std::vector<Counter>{{.table = "t", .name = "n", .packets = 9}});
    CHECK(chains(host.socket, "t")->size() == 1);
}

TEST_CASE("all or nothing, and the kernel says why") {
    Host host;
    Batch batch = with_chains();
    batch.rule({.chain = "c", .steps = {Goto{"nowhere"}}}).chain("e");
    const auto applied = nft::apply(host.socket, std::move(batch), "the table of a test");
    REQUIRE_FALSE(applied);
    CHECK(applied.error().reason == "netlink-not-supported");
    CHECK(applied.error().sentence.contains("the table of a test"));
    CHECK(chains(host.socket, "t")->empty());
    host.apply(with_chains());  // and the socket goes on
    CHECK(chains(host.socket, "t")->size() == 2);
}

TEST_CASE("a table that is owned is nobody else's, and stays for the next one") {
    Host host;
    Batch batch("t");
    batch.table(Ownership::socket).counter("n", 3);
    host.apply(std::move(batch));
    host.there.shell("nft flush ruleset");
    CHECK(counters(host.socket, "t")->size() == 1);
    Socket other = host.there.run([] { return *Socket::open(NETLINK_NETFILTER); });
    Batch theirs("t");
    theirs.delete_table();
    const auto refused = nft::apply(other, theirs, "the table of a test");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "netlink-not-permitted");
    host.socket = host.there.run([] { return *Socket::open(NETLINK_NETFILTER); });
    Batch next("t");
    next.table(Ownership::socket);
    host.apply(std::move(next));
    CHECK(counters(host.socket, "t")->size() == 1);
}

TEST_CASE("descriptions that were cut short or lie are refused") {
    CHECK_FALSE(decode_counter({}));
    CHECK_FALSE(decode_chain(std::array<std::uint8_t, 3>{}));
    CHECK(decode_counter(std::array<std::uint8_t, 4>{})->name.empty());
    CHECK(decode_chain(std::array<std::uint8_t, 12>{0, 0, 0, 0, 7, 0, 3, 0, 'c', 'd', 0, 0})->name == "cd");
    CHECK(decode_counter(std::array<std::uint8_t, 12>{0, 0, 0, 0, 200, 0, 2, 0, 0, 0, 0, 0}).error().reason ==
          "netlink-malformed");
    // NFTA_OBJ_DATA with NFTA_COUNTER_PACKETS of four bytes
    CHECK(decode_counter(std::array<std::uint8_t, 16>{0, 0, 0, 0, 12, 0, 4, 0, 8, 0, 2, 0, 0, 0, 0, 1})
              .error()
              .reason == "netlink-malformed");
}

TEST_SUITE_END();
