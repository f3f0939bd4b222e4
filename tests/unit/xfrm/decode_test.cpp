#include "xfrm/decode.hpp"

#include <doctest/doctest.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using keysluice::testing::from_hex;
using keysluice::testing::to_hex;

namespace {

// What Linux 6.12 sent behind its netlink headers, in the test cases of kernel_test.cpp and kernel_events_test.cpp,
// taken with `strace -e trace=recvfrom,recvmsg -e read=all`.

// The SA of the case "an SA comes back as it was installed", from Linux 6.12.
constexpr std::string_view kSa =
    "fd000000000000000000000000000002fd0000000000000000000000000000010035ffff000000000a008080110000000000"
    "000000000000fd000000000000000000000000000002c000000132000000fd000000000000000000000000000001e8030000"
    "00000000d0070000000000000a0000000000000014000000000000006400000000000000c800000000000000000000000000"
    "00000000000000000000000000000000000000000000000000009936016b0000000000000000000000000000000000000000"
    "0000000000000000443322110a000000800000000000000078000100686d6163287368613338342900000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000008001000010111213"
    "1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f7c001400686d"
    "6163287368613338342900000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000080010000c0000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d"
    "2e2f303132333435363738393a3b3c3d3e3f5800020063626328616573290000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000008000000010111213141516171819"
    "1a1b1c1d1e1f0c00150002000000ff0000003c00170008000000000000000000000000000000000000000001000000000000"
    "000000000000000000000000000000000000000000000000000000000500210001000000";

// The placeholder of the case "a packet in a trap asks for an SA".
constexpr std::string_view kPlaceholder =
    "0a0900050000000000000000000000000a08000100000000000000000000000008aeffff0457ffff02002020110000000300"
    "0000000000000a09000500000000000000000000000000000000320000000a080001000000000000000000000000ffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000001e00000000000000000000000000"
    "00000000000000000000000000000000000000000000000000009436016b0000000000000000000000000000000000000000"
    "00000000010000004d00000002000000000000000000000010000a000000000000000000000000000500210002000000";

// The first policy of the case "policies come back as they were installed".
constexpr std::string_view kPolicy =
    "fd020000000000000000000000000001fd01000000000000000000000000000001bbffff0400fc000a008040060000000000"
    "000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000009836016b00000000000000000000"
    "000040e20100020000000200000000000000440005000a000002000000000000000000000000c00000013200000002000000"
    "0a0000010000000000000000000000004433221101000000ffffffffffffffffffffffff0a00100000000000000000000c00"
    "150002000000ff00000008001f0011000000";

// The case "a packet in a trap asks for an SA".
constexpr std::string_view kAcquire =
    "0a09000500000000000000000000000000000000320000000a0800010000000000000000000000000a090005000000000000"
    "0000000000000a08000100000000000000000000000008aeffff0457ffff020020201100000003000000000000000a090000"
    "0000000000000000000000000a08000000000000000000000000000000000000000000000200101000000000000000000000"
    "0000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000009436016b000000000000000000000000e803"
    "0000010000000100000000000000ffffffffffffffffffffffff010000004400050000000000000000000000000000000000"
    "000000003200000002000000000000000000000000000000000000004d00000000000000ffffffffffffffffffffffff0a00"
    "10000000000000000000";

// The case "limits are told before and when they are reached".
constexpr std::string_view kSoftExpire =
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000a000002000000000000000000000000c0000002320000000a000001000000000000000000000000ffffffff"
    "ffffffffffffffffffffffff0100000000000000040000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000800000000000000001000000000000009636016b000000009636016b000000000000000000000000"
    "00000000000000000700000002000100200000000000000000000000000000000500210002000000";

// The case "ESP in UDP from another port is told".
constexpr std::string_view kMapping =
    "0a000001000000000000000000000000c000000102003200070000000a0000020000000000000000000000000a0000020000"
    "0000000000000000000011949cbb";

constexpr std::size_t kSaSize = sizeof(xfrm_usersa_info);

SaState sa_in(Bytes payload) {
    const auto state = decode_sa(payload);
    REQUIRE_MESSAGE(state, (state ? "" : state.error().sentence));
    REQUIRE(*state);
    return **state;
}

template <typename Kind>
Kind event_in(std::uint16_t type, Bytes payload) {
    const auto event = decode_event(type, payload);
    REQUIRE_MESSAGE(event, (event ? "" : event.error().sentence));
    REQUIRE(*event);
    REQUIRE(std::holds_alternative<Kind>(**event));
    return std::get<Kind>(**event);
}

std::vector<std::uint8_t> with(std::vector<std::uint8_t> message, std::string_view attribute) {
    const auto more = from_hex(attribute);
    message.insert(message.end(), more.begin(), more.end());
    return message;
}

std::vector<std::uint8_t> with(std::vector<std::uint8_t> message, std::size_t at, std::uint8_t value) {
    message.at(at) = value;
    return message;
}

template <typename T>
std::string_view reason(const Result<T>& result) {
    return result ? "" : result.error().reason;
}

}  // namespace

TEST_CASE("xfrm: an SA is read in full, but for its keys") {
    const SaState sa = sa_in(from_hex(kSa));
    CHECK(sa.id == SaId{IpAddress::parse("fd00::2").value(), Spi{0xc0000001}, Protocol::esp, Mark{2, 0xff}});
    CHECK(sa.source.text() == "fd00::1");
    CHECK(sa.reqid == ReqId{0x11223344});
    CHECK(sa.mode == Mode::transport);
    CHECK(sa.direction == Direction::in);
    CHECK(sa.algorithm == "cbc(aes)");
    CHECK(sa.authentication == "hmac(sha384)");
    CHECK(sa.esn);
    CHECK(sa.sent == 0);
    CHECK(sa.received == 0);
    CHECK(sa.replay_window == 256);
    CHECK(sa.hard == Limits{.bytes = 2000, .packets = 20, .seconds = 200});
    CHECK(sa.soft == Limits{.bytes = 1000, .packets = 10, .seconds = 100});
    CHECK(sa.added_at == 0x6b013699);
    CHECK(sa.used_at == 0);
    CHECK(sa.selector == Selector{.source = Prefix::parse("fd00::1").value(),
                                  .destination = Prefix::parse("fd00::2").value(),
                                  .protocol = 17,
                                  .destination_port = {53, 0xffff}});
    CHECK_FALSE(sa.offload);
    CHECK_FALSE(sa.encapsulation);
    CHECK_FALSE(sa.if_id);
    CHECK(sa.acquire_sequence == 0);
}

TEST_CASE("xfrm: a placeholder is an SA without a name") {
    const SaState sa = sa_in(from_hex(kPlaceholder));
    CHECK(sa.id.spi == Spi{});
    CHECK(sa.direction == Direction::out);
    CHECK(sa.algorithm.empty());
    CHECK(sa.authentication.empty());
    CHECK(sa.acquire_sequence == 1);
    CHECK(sa.reqid == ReqId{77});
    CHECK(sa.hard == Limits{.bytes = 0, .packets = 0, .seconds = 30});
    CHECK(sa.soft == Limits{});
}

TEST_CASE("xfrm: what an SA may have besides") {
    const auto bare = from_hex(std::string_view(kPlaceholder).substr(0, 2 * kSaSize));
    SUBCASE("an encapsulation") {
        const SaState sa = sa_in(with(bare, "1c000400 0200 1195 9cbb 0000 00000000000000000000000000000000"));
        CHECK(sa.encapsulation == UdpEncapsulation{.source_port = 4501, .destination_port = 40123});
    }
    SUBCASE("an offload, in either direction and of either kind") {
        CHECK(sa_in(with(bare, "0c001c00 03000000 02000000")).offload ==
              Offload{.device = 3, .inbound = true, .packet = false});
        CHECK(sa_in(with(bare, "0c001c00 03000000 04000000")).offload ==
              Offload{.device = 3, .inbound = false, .packet = true});
    }
    SUBCASE("an interface") {
        CHECK(sa_in(with(bare, "08001f00 11000000")).if_id == IfId{17});
    }
    SUBCASE("sequence numbers of 32 bits") {
        const SaState sa = sa_in(with(bare, "10000a00 04030201 08070605 ffffffff"));
        CHECK(sa.sent == 0x01020304);
        CHECK(sa.received == 0x05060708);
    }
    SUBCASE("sequence numbers of 64 bits") {
        const SaState sa =
            sa_in(with(bare, "20001700 01000000 04030201 08070605 0a000000 0b000000 20000000 ffffffff"));
        CHECK(sa.sent == 0x0000000a01020304);
        CHECK(sa.received == 0x0000000b05060708);
        CHECK(sa.replay_window == 32);
    }
    SUBCASE("an AEAD, whose name may fill its field") {
        std::string letters;
        for (int i = 0; i < 64; ++i) {
            letters += "61";
        }
        CHECK(sa_in(with(bare, "4c001200" + letters + "a000000080000000")).algorithm == std::string(64, 'a'));
    }
    SUBCASE("the counters of what was refused") {
        auto counted = bare;
        counted[offsetof(xfrm_usersa_info, stats)] = 1;
        counted[offsetof(xfrm_usersa_info, stats) + 4] = 2;
        counted[offsetof(xfrm_usersa_info, stats) + 8] = 3;
        const SaState sa = sa_in(counted);
        CHECK(sa.outside_window == 1);
        CHECK(sa.replayed == 2);
        CHECK(sa.integrity_failed == 3);
    }
    SUBCASE("attributes that nobody knows yet") {
        CHECK(sa_in(with(bare, "0800ff00 11000000")).id.spi == Spi{});
    }
}

TEST_CASE("xfrm: what is of another kind is passed over") {
    const auto sa = from_hex(kSa);
    const auto passed_over = [](const auto& result) { return result && !*result; };
    CHECK(passed_over(decode_sa(with(sa, offsetof(xfrm_usersa_info, id) + offsetof(xfrm_id, proto), 108))));
    CHECK(passed_over(decode_sa(with(sa, offsetof(xfrm_usersa_info, mode), XFRM_MODE_BEET))));
    CHECK(passed_over(decode_sa(with(sa, offsetof(xfrm_usersa_info, family), 1))));
    const auto policy = from_hex(kPolicy);
    // A policy of one socket.
    CHECK(passed_over(decode_policy(with(policy, offsetof(xfrm_userpolicy_info, dir), 3))));
    const std::size_t first_template = sizeof(xfrm_userpolicy_info) + 4;
    CHECK(passed_over(decode_policy(with(policy, first_template + offsetof(xfrm_user_tmpl, mode), 4))));
    CHECK(passed_over(decode_policy(with(policy, first_template + offsetof(xfrm_id, proto), 108))));
    CHECK(passed_over(decode_event(XFRM_MSG_NEWSA, from_hex(kSa))));
    const auto expire = from_hex(kSoftExpire);
    CHECK(passed_over(
        decode_event(XFRM_MSG_EXPIRE, with(expire, offsetof(xfrm_usersa_info, id) + offsetof(xfrm_id, proto), 108))));
}

TEST_CASE("xfrm: a policy is read in full") {
    const auto state = decode_policy(from_hex(kPolicy));
    REQUIRE(state);
    REQUIRE(*state);
    CHECK((*state)->policy == Policy{.direction = Direction::fwd,
                                     .selector = {.source = Prefix::parse("fd01::/64").value(),
                                                  .destination = Prefix::parse("fd02::1").value(),
                                                  .protocol = 6,
                                                  .source_port = {1024, 0xfc00},
                                                  .destination_port = {443, 0xffff}},
                                     .priority = 123'456,
                                     .templates = {{.source = IpAddress::parse("10.0.0.1").value(),
                                                    .destination = IpAddress::parse("10.0.0.2").value(),
                                                    .reqid = {0x11223344},
                                                    .spi = Spi{0xc0000001}}},
                                     .if_id = IfId{17},
                                     .mark = Mark{.value = 2, .mask = 0xff}});
    CHECK((*state)->index == 2);
    CHECK((*state)->added_at == 0x6b013698);
    CHECK((*state)->used_at == 0);

    auto changed = from_hex(kPolicy);
    changed[offsetof(xfrm_userpolicy_info, action)] = XFRM_POLICY_BLOCK;
    changed = with(changed, "0c001c00 03000000 04000000");
    CHECK((*decode_policy(changed))->policy.action == Action::block);
    CHECK((*decode_policy(changed))->policy.offload_device == 3);
}

TEST_CASE("xfrm: a request for an SA is read in full") {
    const auto acquire = event_in<Acquire>(XFRM_MSG_ACQUIRE, from_hex(kAcquire));
    CHECK(acquire.source.text() == "10.8.0.1");
    CHECK(acquire.destination.text() == "10.9.0.5");
    CHECK(acquire.packet.source_port == PortMask{1111, 0xffff});
    CHECK(acquire.packet.destination_port == PortMask{2222, 0xffff});
    CHECK(acquire.policy.source.text() == "10.8.0.0/16");
    CHECK(acquire.policy.destination.text() == "10.9.0.0/16");
    CHECK(acquire.policy_index == 1);
    CHECK(acquire.sequence == 1);
    REQUIRE(acquire.templates.size() == 1);
    CHECK(acquire.templates[0] == Template{.mode = Mode::transport, .reqid = {77}});
    CHECK_FALSE(acquire.if_id);

    // The outer addresses are of the template's family, whatever the packet's.
    auto over_ipv6 = from_hex(kAcquire);
    over_ipv6[sizeof(xfrm_user_acquire) + 4 + offsetof(xfrm_user_tmpl, family)] = AF_INET6;
    CHECK(event_in<Acquire>(XFRM_MSG_ACQUIRE, over_ipv6).destination.family() == Family::ipv6);
    CHECK(event_in<Acquire>(XFRM_MSG_ACQUIRE, with(from_hex(kAcquire), "08001f00 11000000")).if_id == IfId{17});
}

TEST_CASE("xfrm: the end of an SA is read, in its short layout too") {
    auto message = from_hex(kSoftExpire);
    const auto soft = event_in<Expire>(XFRM_MSG_EXPIRE, message);
    CHECK(soft.id == SaId{IpAddress::parse("10.0.0.2").value(), Spi{0xc0000002}, Protocol::esp});
    CHECK(soft.source.text() == "10.0.0.1");
    CHECK(soft.reqid == ReqId{7});
    CHECK_FALSE(soft.hard);
    CHECK(soft.bytes == 128);
    CHECK(soft.packets == 1);

    message[kSaSize] = 1;
    CHECK(event_in<Expire>(XFRM_MSG_EXPIRE, message).hard);
    // With the padding behind `hard`, with some of it, and without.
    for (const std::size_t size : {sizeof(xfrm_user_expire), kSaSize + 4, kSaSize + 1}) {
        CAPTURE(size);
        const auto expire = event_in<Expire>(XFRM_MSG_EXPIRE, Bytes(message).first(size));
        CHECK(expire.hard);
        CHECK(expire.id == soft.id);
    }
    CHECK(reason(decode_event(XFRM_MSG_EXPIRE, Bytes(message).first(kSaSize))) == "netlink-malformed");
    CHECK(event_in<Expire>(XFRM_MSG_EXPIRE, with(message, "0c001500 02000000 ff000000")).id.mark == Mark{2, 0xff});
}

TEST_CASE("xfrm: a changed mapping is read in full") {
    const auto change = event_in<MappingChange>(XFRM_MSG_MAPPING, from_hex(kMapping));
    CHECK(change.id == SaId{IpAddress::parse("10.0.0.1").value(), Spi{0xc0000001}, Protocol::esp});
    CHECK(change.reqid == ReqId{7});
    CHECK(change.before.text() == "10.0.0.2:4500");
    CHECK(change.after.text() == "10.0.0.2:40123");
}

TEST_CASE("xfrm: no message is read beyond its end") {
    const auto check_cuts = [](const std::vector<std::uint8_t>& whole, std::size_t least, const auto& decode) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            // Of its own, so that a sanitizer sees what is read behind it.
            const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            const auto result = decode(cut);
            CAPTURE(size);
            if (size < least) {
                CHECK(reason(result) == "netlink-malformed");
            }
        }
    };
    check_cuts(from_hex(kSa), kSaSize, decode_sa);
    check_cuts(from_hex(kPolicy), sizeof(xfrm_userpolicy_info), decode_policy);
    const auto event = [](std::uint16_t type) { return [type](Bytes cut) { return decode_event(type, cut); }; };
    check_cuts(from_hex(kAcquire), sizeof(xfrm_user_acquire), event(XFRM_MSG_ACQUIRE));
    check_cuts(from_hex(kSoftExpire), kSaSize + 1, event(XFRM_MSG_EXPIRE));
    check_cuts(from_hex(kMapping), sizeof(xfrm_user_mapping), event(XFRM_MSG_MAPPING));
}

TEST_CASE("xfrm: attributes that are too short, or lie, spoil the message") {
    const auto bare = from_hex(std::string_view(kPlaceholder).substr(0, 2 * kSaSize));
    for (const std::string_view attribute :
         {"18000400 0200 1195 9cbb 0000 0000000000000000000000000000", "08001c00 03000000", "06001f00 11000000",
          "0c000a00 04030201 08070605", "18001700 01000000 04030201 08070605 0a000000 0b000000", "08001500 02000000",
          "04002100", "08001200 61616161", "08001400 61616161", "08000200 61616161", "08000100 61616161",
          "0900ff00 11000000", "03001f00"}) {
        CAPTURE(attribute);
        CHECK(reason(decode_sa(with(bare, attribute))) == "netlink-malformed");
    }
    const auto policy = from_hex(std::string_view(kPolicy).substr(0, 2 * sizeof(xfrm_userpolicy_info)));
    CHECK(decode_policy(policy));
    CHECK(reason(decode_policy(with(policy, "08000500 00000000"))) == "netlink-malformed");
    const auto error = decode_sa(Bytes(bare).first(100)).error();
    CHECK(error.sentence == "the kernel's description of an SA has 100 bytes, expected at least 224");
}

TEST_CASE("xfrm: of more templates than the kernel takes, the rest is not read") {
    auto policy = from_hex(std::string_view(kPolicy).substr(0, 2 * sizeof(xfrm_userpolicy_info)));
    const auto one = from_hex(kPolicy);
    const std::size_t at = sizeof(xfrm_userpolicy_info) + 4;
    std::string list = "06020500";  // 4 + 8 * 64 + 2
    for (int i = 0; i < 8; ++i) {
        list += to_hex(Bytes(one).subspan(at, sizeof(xfrm_user_tmpl)));
    }
    list += "00000000";
    const auto state = decode_policy(with(policy, list));
    REQUIRE_MESSAGE(state, (state ? "" : state.error().sentence));
    CHECK((*state)->policy.templates.size() == 6);
}
