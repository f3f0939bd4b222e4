#include "xfrm/relocation.hpp"

#include <doctest/doctest.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <vector>

#include "netlink/attribute_set.hpp"
#include "netlink/socket.hpp"
#include "tests/support/protected_pair.hpp"
#include "xfrm/uapi.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using namespace keysluice::test;

namespace {

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

const Relocation kRelocation{.id = {.destination = address("192.0.2.2"), .spi = {0xc0000001}},
                             .reqid = {7},
                             .source = address("2001:db8::1"),
                             .destination = address("2001:db8::2"),
                             .encapsulation = UdpEncapsulation{.source_port = 4500, .destination_port = 62'000}};

/// The kernel's note that it has deleted an SA; `key` is that of its AEAD.
netlink::Request deletion(std::uint32_t spi, const std::vector<std::uint8_t>& key) {
    xfrm_usersa_id id{};
    xfrm_usersa_info sa{};
    sa.id.daddr = uapi::address(kRelocation.id.destination);
    sa.id.spi = htonl(spi);
    sa.id.proto = IPPROTO_ESP;
    sa.saddr = uapi::address(address("192.0.2.1"));
    sa.family = AF_INET;
    sa.reqid = 7;
    sa.seq = 9;
    sa.mode = XFRM_MODE_TUNNEL;
    sa.curlft = {.bytes = 1000, .packets = 10, .add_time = 5, .use_time = 6};
    xfrm_replay_state replay{};
    replay.oseq = 4711;
    xfrm_algo_aead aead{};
    std::ranges::copy(std::string_view("rfc4106(gcm(aes))"), aead.alg_name);
    aead.alg_key_len = static_cast<unsigned>(key.size() * 8);
    xfrm_encap_tmpl encapsulation{};
    encapsulation.encap_type = uapi::kEspInUdp;
    netlink::Request made{XFRM_MSG_DELSA};
    made.structure(id).attribute_of(XFRMA_SA, sa).attribute(XFRMA_ALG_AEAD, netlink::bytes_of(aead), key);
    made.attribute_of(XFRMA_ENCAP, encapsulation).attribute_of(XFRMA_LASTUSED, std::uint64_t{1});
    made.attribute_of(XFRMA_REPLAY_VAL, replay);
    return made;
}

Bytes payload(const netlink::Request& request) {
    return netlink::behind(request.view(), sizeof(nlmsghdr));
}

template <typename Struct>
Struct attribute_of(const netlink::Request& request, std::uint16_t type) {
    const std::vector<netlink::AttributeRule> rules{{type, sizeof(Struct)}};
    const auto all = netlink::AttributeSet::parse(netlink::behind(payload(request), sizeof(xfrm_usersa_info)), rules,
                                                  "the request");
    REQUIRE(all);
    const auto found = all->get<Struct>(type);
    REQUIRE(found);
    return *found;
}

void relocate(ProtectedEnd& end, const IpAddress& own, const IpAddress& peer, std::optional<UdpEncapsulation> out) {
    std::optional<UdpEncapsulation> in = out;
    Transaction changes;
    changes.relocate({.id = end.receiving, .reqid = {7}, .source = peer, .destination = own, .encapsulation = in});
    changes.relocate({.id = end.sending, .reqid = {7}, .source = own, .destination = peer, .encapsulation = out});
    const auto policies = end.kernel.policies();
    REQUIRE(policies);
    for (const PolicyState& each : *policies) {
        if (each.policy.templates.empty()) {
            continue;
        }
        Policy moved = each.policy;
        const bool leaves = moved.direction == Direction::out;
        moved.templates.front().source = leaves ? own : peer;
        moved.templates.front().destination = leaves ? peer : own;
        changes.replace(moved, each.policy);
    }
    const auto applied = end.kernel.apply(changes);
    REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
    end.receiving.destination = own;
    end.sending.destination = peer;
    end.outer = own;
}

SaState state_of(ProtectedEnd& end, const SaId& id) {
    auto state = end.kernel.sa(id);
    REQUIRE_MESSAGE(state, (state ? "" : state.error().sentence));
    return *std::move(state);
}

}  // namespace

TEST_SUITE("xfrm: relocation") {
    TEST_CASE("what the kernel says of a deleted SA adds it again, elsewhere") {
        const auto key = key_of(3, 20);
        const netlink::Request deleted = deletion(0xc0000001, key);
        auto again = encode_again(payload(deleted), kRelocation);
        REQUIRE(again);
        REQUIRE(again->has_value());
        netlink::Request& request = **again;
        CHECK(request.header().nlmsg_type == XFRM_MSG_NEWSA);
        xfrm_usersa_info sa{};
        std::memcpy(&sa, payload(request).data(), sizeof(sa));
        CHECK(sa.family == AF_INET6);
        CHECK(uapi::address_of(sa.id.daddr, Family::ipv6) == kRelocation.destination);
        CHECK(uapi::address_of(sa.saddr, Family::ipv6) == kRelocation.source);
        CHECK(sa.reqid == 7);
        CHECK(sa.seq == 0);
        CHECK(attribute_of<xfrm_replay_state>(request, XFRMA_REPLAY_VAL).oseq == 4711);
        CHECK(attribute_of<xfrm_lifetime_cur>(request, XFRMA_LTIME_VAL).packets == 10);
        CHECK(attribute_of<xfrm_encap_tmpl>(request, XFRMA_ENCAP).encap_dport == htons(62'000));
        const auto sent = request.view();
        CHECK_FALSE(std::ranges::search(sent, key).empty());
    }

    TEST_CASE("a note about another SA, and one that is cut short") {
        const netlink::Request other = deletion(0xc0000002, key_of(3, 20));
        const auto again = encode_again(payload(other), kRelocation);
        REQUIRE(again);
        CHECK_FALSE(again->has_value());
        const Bytes whole = payload(other);
        CHECK(encode_again(whole.first(whole.size() - 3), kRelocation).error().reason == "netlink-malformed");
    }

    TEST_CASE("what the kernel says of a deleted SA adds it again, with another device") {
        const netlink::Request deleted = deletion(0xc0000001, key_of(3, 20));
        const SaId id = kRelocation.id;
        auto again = encode_again(payload(deleted), Rebinding{.id = id, .offload = Offload{9, true, false}});
        REQUIRE(again);
        REQUIRE(again->has_value());
        netlink::Request& request = **again;
        xfrm_usersa_info sa{};
        std::memcpy(&sa, payload(request).data(), sizeof(sa));
        CHECK(uapi::address_of(sa.id.daddr, Family::ipv4) == id.destination);
        CHECK(attribute_of<xfrm_replay_state>(request, XFRMA_REPLAY_VAL).oseq == 4711);
        const auto offload = attribute_of<xfrm_user_offload>(request, XFRMA_OFFLOAD_DEV);
        CHECK(offload.ifindex == 9);
        CHECK(offload.flags == uapi::kOffloadInbound);
        const SaId other{.destination = id.destination, .spi = {0xc0000002}};
        CHECK_FALSE(encode_again(payload(deleted), Rebinding{.id = other, .offload = {}}).value().has_value());
    }

    TEST_CASE("keys of zeros are none: the kernel does not show them") {
        const auto answer = [](const std::vector<std::uint8_t>& key) {
            xfrm_algo_aead aead{};
            netlink::Request made{XFRM_MSG_NEWSA};
            made.structure(xfrm_usersa_info{}).attribute(XFRMA_ALG_AEAD, netlink::bytes_of(aead), key);
            return made;
        };
        // Kernel::apply() says "xfrm-keys-hidden" then.
        CHECK(hides_keys(payload(answer(std::vector<std::uint8_t>(20)))).value());
        CHECK_FALSE(hides_keys(payload(answer(key_of(1, 20)))).value());
    }

    TEST_CASE("kernel: SAs go to other addresses and into UDP and back, with all that they have counted") {
        if (!kernel_has_esp()) {
            return;
        }
        for (const bool esn : {false, true}) {
            CAPTURE(esn);
            Protection protection{.algorithms = aes_gcm};
            protection.esn = esn;
            protection.encapsulated = true;  // for the sockets of port 4500
            ProtectedPair pair{protection};
            MESSAGE("migrates in one step: ", pair.left.kernel.dialect().migrate_state);
            pair.protect();
            pair.spaces.left.shell("ip addr add 10.0.0.11/24 dev veth");
            const auto packet = key_of(3, 1000);
            for (int i = 0; i < 5; ++i) {
                CHECK(send_datagram(pair.left, pair.right, packet) == packet);
                CHECK(send_datagram(pair.right, pair.left, packet) == packet);
            }
            const SaState sent = state_of(pair.left, pair.left.sending);
            const SaState received = state_of(pair.right, pair.left.sending);
            CHECK(sent.sent == 5);

            const IpAddress other = address("10.0.0.11");
            relocate(pair.left, other, pair.right.outer, std::nullopt);
            relocate(pair.right, pair.right.outer, other, std::nullopt);
            const SaState sent_after = state_of(pair.left, pair.left.sending);
            const SaState received_after = state_of(pair.right, pair.right.receiving);
            CHECK(sent_after.source == other);
            CHECK(sent_after.sent == sent.sent);
            CHECK(sent_after.packets == sent.packets);
            CHECK(sent_after.bytes == sent.bytes);
            CHECK(sent_after.added_at == sent.added_at);
            CHECK(sent_after.reqid == sent.reqid);
            CHECK(sent_after.esn == esn);
            CHECK_FALSE(sent_after.encapsulation.has_value());
            CHECK(received_after.received == received.received);
            CHECK(received_after.replay_window == received.replay_window);
            CHECK(pair.left.kernel.sas()->size() == 2);
            for (int i = 0; i < 5; ++i) {
                CHECK(send_datagram(pair.left, pair.right, packet) == packet);
                CHECK(send_datagram(pair.right, pair.left, packet) == packet);
            }
            CHECK(state_of(pair.left, pair.left.sending).sent == 10);
            CHECK(state_of(pair.right, pair.right.receiving).replayed == 0);

            const IpAddress first = address("10.0.0.1");
            relocate(pair.left, first, pair.right.outer, UdpEncapsulation{});
            relocate(pair.right, pair.right.outer, first, UdpEncapsulation{});
            CHECK(send_datagram(pair.left, pair.right, packet) == packet);
            CHECK(send_datagram(pair.right, pair.left, packet) == packet);
            CHECK(state_of(pair.left, pair.left.sending).sent == 11);
            CHECK(state_of(pair.left, pair.left.sending).encapsulation == UdpEncapsulation{});
        }
    }

    TEST_CASE("kernel: an SA for another device stays as it is, also where that does not take it") {
        if (!kernel_has_esp()) {
            return;
        }
        ProtectedPair pair{Protection{.algorithms = aes_gcm}};
        pair.protect();
        const auto packet = key_of(3, 1000);
        for (int i = 0; i < 5; ++i) {
            CHECK(send_datagram(pair.left, pair.right, packet) == packet);
        }
        const SaState before = state_of(pair.left, pair.left.sending);
        const auto veth = pair.spaces.left.run([] { return ::if_nametoindex("veth"); });
        for (const std::uint32_t device : {veth, veth + 1000}) {  // one of them there is not
            Transaction changes;
            changes.rebind({.id = pair.left.sending, .offload = Offload{.device = device}});
            const auto applied = pair.left.kernel.apply(changes);
            REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
        }
        const SaState after = state_of(pair.left, pair.left.sending);
        CHECK(after.sent == before.sent);
        CHECK(after.packets == before.packets);
        CHECK(after.added_at == before.added_at);
        CHECK(after.encapsulation == before.encapsulation);
        CHECK(send_datagram(pair.left, pair.right, packet) == packet);
        CHECK(state_of(pair.left, pair.left.sending).sent == 6);
        CHECK(state_of(pair.right, pair.right.receiving).replayed == 0);
    }

    TEST_CASE("kernel: the request that moves an SA in one step is understood where the kernel has it") {
        if (!kernel_has_esp()) {
            return;
        }
        ProtectedPair pair{Protection{.algorithms = aes_gcm}};
        pair.protect();
        auto socket = pair.spaces.left.run([] { return netlink::Socket::open(NETLINK_XFRM); });
        REQUIRE(socket);
        std::array<netlink::Request, 1> request{encode_migration({.id = pair.left.sending,
                                                                  .reqid = {7},
                                                                  .source = address("10.0.0.11"),
                                                                  .destination = pair.right.outer})};
        const auto answers = socket->transact(request, "a migration");
        REQUIRE(answers);
        CAPTURE(answers->front().text);
        CHECK((answers->front().error == 0) == pair.left.kernel.dialect().migrate_state);
    }

    TEST_CASE("kernel: an SA that is not there can't move, and all else is done") {
        if (!kernel_has_esp()) {
            return;
        }
        ProtectedPair pair{Protection{.algorithms = aes_gcm}};
        Transaction changes;
        Policy policy{.direction = Direction::out,
                      .selector = {.source = Prefix::parse("10.1.0.0/16").value(),
                                   .destination = Prefix::parse("10.2.0.0/16").value()}};
        changes.relocate(kRelocation).add(policy);
        CHECK(pair.left.kernel.apply(changes).error().reason == "xfrm-missing");
        CHECK(pair.left.kernel.policies()->size() == 1);
    }
}
