#include "xfrm/encode.hpp"

#include <doctest/doctest.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "netlink/attribute.hpp"
#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using keysluice::testing::from_hex;
using keysluice::testing::to_hex;

namespace {

// What iproute2 6.1 sends, taken with `strace -e trace=sendmsg -e write=all`; the sequence number is set to zero.

// ip xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0xc0000001 reqid 7 mode tunnel flag af-unspec
//     replay-window 32 aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128
constexpr std::string_view kAeadTunnel =
    "5001000010000500000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000a000002000000000000000000000000c0000001320000000a000001"
    "000000000000000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000700000002000120200000000000000060001200726663343130"
    "362867636d286165732929000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000a000000080000000000102030405060708090a0b0c0d0e0f10111213";

// ip xfrm state add src fd00::1 dst fd00::2 proto esp spi 0xc0000002 reqid 8 mode transport auth-trunc
//     hmac(sha256) 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128 enc cbc(aes)
//     0x000102030405060708090a0b0c0d0e0f sel src fd00::1/128 dst fd00::2/128 proto tcp sport 443 limit
//     byte-soft 1000 limit byte-hard 2000 limit packet-soft 10 limit packet-hard 20 limit time-soft 60 limit
//     time-hard 90
constexpr std::string_view kClassicTransport =
    "b4010000100005000000000000000000fd000000000000000000000000000002fd0000000000000000000000000000010000"
    "000001bbffff0a008080060000000000000000000000fd000000000000000000000000000002c000000232000000fd000000"
    "000000000000000000000001e803000000000000d0070000000000000a0000000000000014000000000000003c0000000000"
    "00005a0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000080000000a00000000000000000000006c001400686d61632873"
    "6861323536290000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000001000080000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f5800"
    "0200636263286165732900000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000080000000000102030405060708090a0b0c0d0e0f";

// ip xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0xc0000003 reqid 7 mode tunnel replay-window 128
//     flag af-unspec esn aead rfc7539esp(chacha20,poly1305)
//     0x000102030405060708090a0b0c0d0e0f10111213000102030405060708090a0b0c0d0e0f 128 encap espinudp 4501 4500
//     0.0.0.0 mark 0x2a mask 0xff offload dev lo dir in if_id 0x11
constexpr std::string_view kEverything =
    "b801000010000500000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000a000002000000000000000000000000c0000003320000000a000001"
    "000000000000000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000700000002000100a00000000000000070001200726663373533"
    "396573702863686163686132302c706f6c793133303529000000000000000000000000000000000000000000000000000000"
    "00000000000000002001000080000000000102030405060708090a0b0c0d0e0f10111213000102030405060708090a0b0c0d"
    "0e0f1c0004000200119511940000000000000000000000000000000000000c001c0001000000020000001c00170004000000"
    "00000000000000000000000000000000800000000c0015002a000000ff00000008001f0011000000";

// ip xfrm state update src 10.0.0.1 dst 10.0.0.2 proto ah spi 0xc0000004 reqid 7 mode transport auth-trunc
//     hmac(sha256) 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128
constexpr std::string_view kAh =
    "5c0100001a000500000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000a000002000000000000000000000000c0000004330000000a000001"
    "000000000000000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000070000000200000000000000000000006c001400686d61632873"
    "6861323536290000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000001000080000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

// ip xfrm state delete src 10.0.0.1 dst 10.0.0.2 proto esp spi 0xc0000003 mark 0x2a mask 0xff
constexpr std::string_view kDelete =
    "480000001100050000000000000000000a000002000000000000000000000000c00000030200320014000d000a0000010000"
    "000000000000000000000c0015002a000000ff000000";

// ip xfrm state get src fd00::1 dst fd00::2 proto ah spi 0xc0000002
constexpr std::string_view kGet =
    "3c000000120001000000000000000000fd000000000000000000000000000002c00000020a00330014000d00fd0000000000"
    "00000000000000000001";

// ip xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 proto tcp sport 1024 dport 443 dir out priority 5000
//     if_id 0x11 mark 0x2a mask 0xff tmpl src 10.0.0.1 dst 10.0.0.2 proto esp spi 0xc0000001 reqid 7 mode
//     tunnel tmpl src 0.0.0.0 dst 0.0.0.0 proto ah reqid 9 mode transport level use
constexpr std::string_view kPolicyOut =
    "500100001300050000000000000000000a0200000000000000000000000000000a01000000000000000000000000000001bb"
    "ffff0400ffff02001010060000000000000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffff00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000088130000000000000100000000000000840005000a0000020000000000000000"
    "00000000c000000132000000020000000a0000010000000000000000000000000700000001000000ffffffffffffffffffff"
    "ffff000000000000000000000000000000000000000033000000020000000000000000000000000000000000000009000000"
    "00000100ffffffffffffffffffffffff0c0015002a000000ff00000008001f0011000000";

// ip xfrm policy update src fd01::/64 dst fd02::1/128 dir fwd priority 6000 tmpl src fd00::1 dst fd00::2 proto
//     esp reqid 7 mode tunnel
constexpr std::string_view kPolicyUpdate =
    "fc000000190005000000000000000000fd020000000000000000000000000001fd0100000000000000000000000000000000"
    "0000000000000a008040000000000000000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffff00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000007017000000000000020000000000000044000500fd0000000000000000000000"
    "0000000200000000320000000a000000fd0000000000000000000000000000010700000001000000ffffffffffffffffffff"
    "ffff";

// ip xfrm policy add src fd01::/64 dst fd02::1/128 dir in action block priority 1
constexpr std::string_view kPolicyBlock =
    "b8000000130005000000000000000000fd020000000000000000000000000001fd0100000000000000000000000000000000"
    "0000000000000a008040000000000000000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffff00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000001000000000000000001000000000000";

// ip xfrm policy delete src 10.1.0.0/16 dst 10.2.0.0/16 dir in if_id 0x11 mark 0x2a mask 0xff
constexpr std::string_view kPolicyDelete =
    "640000001400050000000000000000000a0200000000000000000000000000000a0100000000000000000000000000000000"
    "0000000000000200101000000000000000000000000000000000000000000c0015002a000000ff00000008001f0011000000";

/// A message in a form that can be compared: which attribute comes first has no meaning.
struct Parts {
    std::uint16_t type = 0;
    std::string fixed;
    std::vector<std::pair<std::uint16_t, std::string>> attributes;

    bool operator==(const Parts&) const = default;
};

Parts parts(Bytes message) {
    nlmsghdr header{};
    REQUIRE(message.size() >= sizeof(header));
    std::memcpy(&header, message.data(), sizeof(header));
    CHECK(header.nlmsg_len == message.size());
    std::size_t size = 0;
    switch (header.nlmsg_type) {
        case XFRM_MSG_NEWSA:
        case XFRM_MSG_UPDSA:
            size = sizeof(xfrm_usersa_info);
            break;
        case XFRM_MSG_DELSA:
        case XFRM_MSG_GETSA:
            size = sizeof(xfrm_usersa_id);
            break;
        case XFRM_MSG_NEWPOLICY:
        case XFRM_MSG_UPDPOLICY:
            size = sizeof(xfrm_userpolicy_info);
            break;
        case XFRM_MSG_DELPOLICY:
            size = sizeof(xfrm_userpolicy_id);
            break;
        default:
            FAIL("unexpected type");
    }
    Bytes rest = message.subspan(sizeof(header));
    Parts found{.type = header.nlmsg_type, .fixed = to_hex(rest.first(size)), .attributes = {}};
    rest = netlink::behind(rest, size);
    while (const auto attribute = netlink::next_attribute(rest)) {
        // iproute2 names the source where the kernel does not need it.
        if (attribute->type != XFRMA_SRCADDR) {
            found.attributes.emplace_back(attribute->type, to_hex(attribute->payload));
        }
    }
    CHECK(rest.empty());
    std::ranges::sort(found.attributes);
    return found;
}

void check_same(const netlink::Request& ours, std::string_view theirs) {
    const Parts expected = parts(from_hex(theirs));
    const Parts found = parts(ours.view());
    CHECK(found.type == expected.type);
    CHECK(found.fixed == expected.fixed);
    REQUIRE(found.attributes.size() == expected.attributes.size());
    for (std::size_t i = 0; i < found.attributes.size(); ++i) {
        CHECK(found.attributes[i].first == expected.attributes[i].first);
        CHECK(found.attributes[i].second == expected.attributes[i].second);
    }
}

IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value();
}

Prefix prefix(std::string_view text) {
    return Prefix::parse(text).value();
}

template <std::size_t Capacity>
Secret<Capacity> counting(std::size_t size) {
    Secret<Capacity> key;
    std::uint8_t next = 0;
    for (std::uint8_t& byte : key.writable(size)) {
        byte = next++;
    }
    return key;
}

Sa tunnel_sa() {
    Sa sa;
    sa.source = address("10.0.0.1");
    sa.destination = address("10.0.0.2");
    sa.spi = {0xc0000001};
    sa.reqid = {7};
    sa.replay_window = 32;
    sa.algorithms = Aead{.name = algorithms::kAesGcm, .key = counting<36>(20)};
    return sa;
}

Authentication hmac_sha256() {
    return {.name = algorithms::kHmacSha256, .key = counting<64>(32), .trunc_bits = 128};
}

/// The value of an attribute that there is once, in hexadecimal; "" where there is none.
std::string attribute(const netlink::Request& request, std::uint16_t type) {
    std::string found;
    for (const auto& [one, value] : parts(request.view()).attributes) {
        found += one == type ? value : "";
    }
    return found;
}

std::uint8_t old_window(const netlink::Request& request) {
    return request.view()[sizeof(nlmsghdr) + offsetof(xfrm_usersa_info, replay_window)];
}

constexpr Dialect kOld{.sa_direction = false};
constexpr Dialect kNew{.sa_direction = true};
constexpr std::uint16_t kSaDir = 33;

}  // namespace

TEST_CASE("xfrm: SAs are encoded as iproute2 does it") {
    SUBCASE("an AEAD in a tunnel") {
        check_same(encode_add(tunnel_sa(), kOld), kAeadTunnel);
    }
    SUBCASE("cipher and authentication in transport mode over IPv6, with a selector and all limits") {
        Sa sa;
        sa.direction = Direction::out;
        sa.source = address("fd00::1");
        sa.destination = address("fd00::2");
        sa.spi = {0xc0000002};
        sa.reqid = {8};
        sa.mode = Mode::transport;
        sa.algorithms =
            Classic{.cipher = {.name = algorithms::kAesCbc, .key = counting<36>(16)}, .auth = hmac_sha256()};
        sa.selector = Selector{.source = prefix("fd00::1"),
                               .destination = prefix("fd00::2"),
                               .protocol = 6,
                               .source_port = {443, 0xffff}};
        sa.soft = {.bytes = 1000, .packets = 10, .seconds = 60};
        sa.hard = {.bytes = 2000, .packets = 20, .seconds = 90};
        check_same(encode_add(sa, kOld), kClassicTransport);
    }
    SUBCASE("ESN, encapsulation, mark, interface and offload") {
        Sa sa = tunnel_sa();
        sa.spi = {0xc0000003};
        sa.esn = true;
        sa.replay_window = 128;
        auto key = from_hex("000102030405060708090a0b0c0d0e0f10111213000102030405060708090a0b0c0d0e0f");
        sa.algorithms = Aead{.name = algorithms::kChaCha20Poly1305, .key = Secret<36>(key)};
        sa.encapsulation = UdpEncapsulation{.source_port = 4501, .destination_port = 4500};
        sa.mark = Mark{.value = 42, .mask = 0xff};
        sa.if_id = IfId{17};
        sa.offload = Offload{.device = 1, .inbound = true};
        check_same(encode_add(sa, kOld), kEverything);
    }
    SUBCASE("an update of an AH SA") {
        Sa sa = tunnel_sa();
        sa.spi = {0xc0000004};
        sa.protocol = Protocol::ah;
        sa.mode = Mode::transport;
        sa.replay_window = 0;
        sa.algorithms = hmac_sha256();
        check_same(encode_update(sa, kOld), kAh);
    }
}

TEST_CASE("xfrm: SAs are named as iproute2 does it") {
    check_same(encode_delete(SaId{address("10.0.0.2"), Spi{0xc0000003}, Protocol::esp, Mark{42, 0xff}}), kDelete);
    check_same(encode_get(SaId{address("fd00::2"), Spi{0xc0000002}, Protocol::ah}), kGet);
}

TEST_CASE("xfrm: policies are encoded as iproute2 does it") {
    const PolicyId id{.direction = Direction::out,
                      .selector = {.source = prefix("10.1.0.0/16"), .destination = prefix("10.2.0.0/16")},
                      .if_id = IfId{17},
                      .mark = Mark{.value = 42, .mask = 0xff}};
    SUBCASE("out, with two templates") {
        Policy policy{.direction = Direction::out, .selector = id.selector, .priority = 5000};
        policy.selector.protocol = 6;
        policy.selector.source_port = {1024, 0xffff};
        policy.selector.destination_port = {443, 0xffff};
        policy.if_id = id.if_id;
        policy.mark = id.mark;
        policy.templates = {
            {.source = address("10.0.0.1"), .destination = address("10.0.0.2"), .reqid = {7}, .spi = Spi{0xc0000001}},
            {.protocol = Protocol::ah, .mode = Mode::transport, .reqid = {9}, .level = Level::use}};
        check_same(encode_add(policy), kPolicyOut);
        CHECK(policy.id() == PolicyId{Direction::out, policy.selector, id.if_id, id.mark});
    }
    SUBCASE("an update, forwarding IPv6") {
        check_same(
            encode_update(Policy{
                .direction = Direction::fwd,
                .selector = {.source = prefix("fd01::/64"), .destination = prefix("fd02::1")},
                .priority = 6000,
                .templates = {{.source = address("fd00::1"), .destination = address("fd00::2"), .reqid = {7}}}}),
            kPolicyUpdate);
    }
    SUBCASE("one that blocks") {
        check_same(encode_add(Policy{.direction = Direction::in,
                                     .selector = {.source = prefix("fd01::/64"), .destination = prefix("fd02::1")},
                                     .priority = 1,
                                     .action = Action::block}),
                   kPolicyBlock);
    }
    SUBCASE("its removal") {
        PolicyId in = id;
        in.direction = Direction::in;
        check_same(encode_delete(in), kPolicyDelete);
    }
}

TEST_CASE("xfrm: a template of transport mode has the family of the packets") {
    Policy policy{.selector = {.source = prefix("fd01::1"), .destination = prefix("fd02::1")},
                  .templates = {{.mode = Mode::transport},
                                {.source = address("10.0.0.1"), .destination = address("10.0.0.2")}}};
    const auto templates = from_hex(attribute(encode_add(policy), XFRMA_TMPL));
    REQUIRE(templates.size() == 2 * sizeof(xfrm_user_tmpl));
    CHECK(templates[offsetof(xfrm_user_tmpl, family)] == AF_INET6);
    CHECK(templates[sizeof(xfrm_user_tmpl) + offsetof(xfrm_user_tmpl, family)] == AF_INET);
}

TEST_CASE("xfrm: direction and window, by what the kernel understands") {
    Sa sa = tunnel_sa();
    struct Expectation {
        Direction direction;
        bool esn;
        std::uint32_t window;
        Dialect dialect;
        std::string_view sa_dir;
        unsigned old_window;
        std::string_view esn_state;
    };
    const std::string one_word = "01000000" + std::string(32, '0') + "01000000";
    const std::string none = std::string(48, '0');
    const std::string two_words = "02000000" + std::string(32, '0') + "40000000";
    const std::vector<Expectation> expectations{
        {Direction::in, false, 32, kOld, "", 32, ""},
        {Direction::in, false, 32, kNew, "01", 32, ""},
        {Direction::in, false, 64, kNew, "01", 0, two_words},
        {Direction::in, true, 64, kOld, "", 0, two_words},
        {Direction::in, true, 64, kNew, "01", 0, two_words},
        {Direction::in, false, 0, kNew, "01", 0, ""},
        // Without a direction, the kernel takes an outbound SA for one that needs a window.
        {Direction::out, false, 64, kOld, "", 0, ""},
        {Direction::out, false, 64, kNew, "02", 0, ""},
        {Direction::out, true, 64, kOld, "", 0, one_word},
        {Direction::out, true, 64, kNew, "02", 0, none},
    };
    for (const Expectation& expected : expectations) {
        CAPTURE(static_cast<int>(expected.direction));
        CAPTURE(expected.esn);
        CAPTURE(expected.dialect.sa_direction);
        sa.direction = expected.direction;
        sa.esn = expected.esn;
        sa.replay_window = expected.window;
        const auto request = encode_add(sa, expected.dialect);
        CHECK(attribute(request, kSaDir) == expected.sa_dir);
        CHECK(old_window(request) == expected.old_window);
        CHECK(attribute(request, XFRMA_REPLAY_ESN_VAL) == expected.esn_state);
    }
}

TEST_CASE("xfrm: a tunnel without a selector carries both families, transport mode and selectors do not") {
    const auto flags = [](const Sa& sa) {
        return encode_add(sa, kNew).view()[sizeof(nlmsghdr) + offsetof(xfrm_usersa_info, flags)];
    };
    Sa sa = tunnel_sa();
    CHECK(flags(sa) == XFRM_STATE_AF_UNSPEC);
    sa.esn = true;
    CHECK(flags(sa) == (XFRM_STATE_AF_UNSPEC | XFRM_STATE_ESN));
    sa.selector = Selector{.source = prefix("10.0.0.0/8"), .destination = prefix("10.0.0.0/8")};
    CHECK(flags(sa) == XFRM_STATE_ESN);
    sa.selector.reset();
    sa.mode = Mode::transport;
    CHECK(flags(sa) == XFRM_STATE_ESN);
}

TEST_CASE(
    "xfrm: numbers that may begin anew, and ciphers that have no authentication beside them, where it is said") {
    Sa sa = tunnel_sa();
    CHECK(attribute(encode_add(sa, kNew), XFRMA_SA_EXTRA_FLAGS) ==
          attribute(encode_add(sa, kNew), XFRMA_OFFLOAD_DEV));
    sa.sequence_may_wrap = true;
    CHECK(attribute(encode_add(sa, kNew), XFRMA_SA_EXTRA_FLAGS) == "02000000");
    sa.algorithms = Classic{.cipher = {.name = algorithms::kAesCbc, .key = {}}, .auth = {}};
    CHECK(attribute(encode_add(sa, kNew), XFRMA_ALG_AUTH_TRUNC).empty());
    CHECK_FALSE(attribute(encode_add(sa, kNew), XFRMA_ALG_CRYPT).empty());
}

TEST_CASE("xfrm: the number of a need is of the host's byte order, other than iproute2 has it") {
    Sa sa = tunnel_sa();
    sa.acquire_sequence = 9;
    CHECK(encode_add(sa, kNew).view()[sizeof(nlmsghdr) + offsetof(xfrm_usersa_info, seq)] == 9);
}

TEST_CASE("xfrm: offloads say which direction and how much") {
    Sa sa = tunnel_sa();
    const auto asked = [&](Offload offload) {
        sa.offload = offload;
        return attribute(encode_add(sa, kNew), XFRMA_OFFLOAD_DEV);
    };
    CHECK(asked({.device = 3}) == "0300000000000000");
    CHECK(asked({.device = 3, .inbound = true}) == "0300000002000000");
    CHECK(asked({.device = 3, .packet = true}) == "0300000004000000");
    CHECK(asked({.device = 3, .inbound = true, .packet = true}) == "0300000006000000");
    Policy policy{.selector = {.source = prefix("10.0.0.1"), .destination = prefix("10.0.0.2")}};
    CHECK(attribute(encode_add(policy), XFRMA_OFFLOAD_DEV) == "");
    policy.offload_device = 3;
    CHECK(attribute(encode_add(policy), XFRMA_OFFLOAD_DEV) == "0300000004000000");
}

TEST_CASE("xfrm: the question about directions changes nothing") {
    const auto question = encode_direction_question();
    CHECK(parts(question.view()).type == XFRM_MSG_GETSA);
    CHECK(attribute(question, kSaDir) == "ff");
}

TEST_CASE("xfrm: dumps are asked for without conditions") {
    CHECK(encode_sa_dump().view().size() == sizeof(nlmsghdr));
    CHECK(encode_policy_dump().view().size() == sizeof(nlmsghdr));
}
