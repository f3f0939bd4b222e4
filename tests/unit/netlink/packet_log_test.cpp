#include "netlink/packet_log.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "netlink/nftables.hpp"
#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;
using namespace keysluice::test;

TEST_SUITE_BEGIN("packet log");

TEST_CASE("a packet that a rule logs is heard with the rule's word and its first bytes; two can't listen") {
    const NetworkNamespace there;
    Socket socket = there.run([] { return *Socket::open(NETLINK_NETFILTER); });
    nft::Batch batch("t");
    batch.table(nft::Ownership::anybody)
        .base_chain("c", nft::Hook::input, 0)
        .rule({.chain = "c", .steps = {nft::OnceAMinute{}, nft::Log{"word", 77}}});
    REQUIRE(nft::apply(socket, std::move(batch), "the table of a test"));
    auto log = there.run([] { return PacketLog::open(77); });
    REQUIRE_MESSAGE(log, (log ? "" : log.error().sentence));
    const auto second = there.run([] { return PacketLog::open(77); });
    REQUIRE_FALSE(second);
    CHECK(second.error().reason == "netlink-not-permitted");

    CHECK_FALSE(*log->next());
    there.shell("bash -c 'head -c 1000 /dev/zero > /dev/udp/127.0.0.1/9'");
    const auto heard = log->next();
    REQUIRE((heard && *heard));
    CHECK((*heard)->prefix == "word");
    CHECK((*heard)->start.size() == PacketLog::kBytesOfEach);
    CHECK((*heard)->start[0] == 0x45);
    CHECK((*heard)->start[16] == 127);
    CHECK_FALSE(*log->next());  // one a minute
}

TEST_CASE("messages of other kinds are passed over, and such that lie are refused") {
    const std::uint16_t packet = 4U << 8U;
    const std::vector<std::uint8_t> word{0, 0, 0, 0, 7, 0, 10, 0, 'h', 'o', 0, 0, 5, 0, 9, 0, 0x45, 0, 0, 0};
    const auto decoded = decode_logged(packet, word);
    REQUIRE((decoded && *decoded));
    CHECK(**decoded == LoggedPacket{.prefix = "ho", .start = {0x45}});
    CHECK_FALSE(*decode_logged(packet + 1, word));
    CHECK(decode_logged(packet, Bytes(word).first(3)).error().reason == "netlink-malformed");
    CHECK(decode_logged(packet, Bytes(word).first(10)).error().reason == "netlink-malformed");
    CHECK((*decode_logged(packet, Bytes(word).first(4)))->start.empty());
}

TEST_SUITE_END();
