#include "cli/listing.hpp"

#include <doctest/doctest.h>

#include "cli/algorithm_names.hpp"

using namespace keysluice;
using namespace keysluice::cli;
using namespace std::chrono_literals;

namespace {

constexpr Instant kNow{100'000s};

IkeSa initiated() {
    return {.spi = 0x1122334455667788,
            .peer_spi = 0x99aabbccddeeff00,
            .connection = "hq",
            .initiator = true,
            .state = "established",
            .local = "192.0.2.1:500",
            .remote = "198.51.100.7:500",
            .local_id = "gw1.example",
            .remote_id = "gw2.example",
            .suite = "aes256gcm16-prfsha384-x25519",
            .established = kNow - 61s,
            .rekey_due = kNow + 13'000s,
            .children = {{.name = "net",
                          .state = "installed",
                          .mode = "tunnel",
                          .spi_in = 0xc0000001,
                          .spi_out = 0x2,
                          .local_ts = {"10.1.0.0/16", "10.3.0.0/16"},
                          .remote_ts = {"10.2.0.0/16"},
                          .suite = "aes256gcm16",
                          .rekey_due = kNow + 3'400s,
                          .offload_requested = "auto",
                          .offload = "packet",
                          .offload_device = "eth0",
                          .offload_reason = ""}}};
}

IkeSa answered() {
    IkeSa sa = initiated();
    sa.connection = "branch-7";
    sa.initiator = false;
    sa.state = "half-open";
    sa.local = "[2001:db8::1]:4500";
    sa.remote = "[2001:db8::7]:61000";
    sa.remote_id = "";
    sa.suite = "";
    sa.established = Instant::min();
    sa.rekey_due = Instant::max();
    sa.children.front() = {.name = "host",
                           .state = "lingering",
                           .mode = "transport",
                           .spi_in = 3,
                           .spi_out = 4,
                           .local_ts = {"2001:db8::1/128/tcp/443"},
                           .remote_ts = {"2001:db8::7/128"},
                           .suite = "aes128-sha256-ecp256-esn",
                           .rekey_due = Instant::max(),
                           .offload_requested = "crypto",
                           .offload = "none",
                           .offload_device = "eth1",
                           .offload_reason = "the device has no ESN"};
    return sa;
}

TlsService shop() {
    return {.name = "shop",
            .mode = "server",
            .listen = {"0.0.0.0:443", "[::]:443"},
            .connect = {"127.0.0.1:8080"},
            .server_name = "",
            .client_certificate = "none",
            .min_version = "1.2",
            .offload_requested = "auto",
            .counters = {{"accepted", 19},
                         {"active-kernel", 3},
                         {"failed:handshake-timeout", 2},
                         {"why-userspace:cipher-not-in-kernel", 1}},
            .silent = 1};
}

}  // namespace

TEST_SUITE("cli: listing") {
    TEST_CASE("golden: rows, and the text that a strongSwan administrator reads") {
        const Style plain(false);
        CHECK(listing(initiated(), kNow, plain) + listing(answered(), kNow, plain) + listing(shop(), plain) ==
              R"(hq: ESTABLISHED, IKEv2, 1122334455667788_i* 99aabbccddeeff00_r
  local  'gw1.example' @ 192.0.2.1[500]
  remote 'gw2.example' @ 198.51.100.7[500]
  AES_GCM_16-256/PRF_HMAC_SHA2_384/CURVE_25519
  established 61s ago, rekeying in 13000s
  net: INSTALLED, TUNNEL, ESP:AES_GCM_16-256, offload: packet(eth0)
    rekeying in 3400s
    in  c0000001
    out 00000002
    local  10.1.0.0/16 10.3.0.0/16
    remote 10.2.0.0/16
branch-7: CONNECTING, IKEv2, 99aabbccddeeff00_i 1122334455667788_r*
  local  'gw1.example' @ 2001:db8::1[4500]
  remote '%any' @ 2001:db8::7[61000]
  host: REKEYED, TRANSPORT, ESP:AES_CBC-128/HMAC_SHA2_256_128/ECP_256/ESN, offload: sw (the device has no ESN)
    in  00000003
    out 00000004
    local  2001:db8::1/128/tcp/443
    remote 2001:db8::7/128
shop: TLS server, at least 1.2, offload asked for: auto
  listen  0.0.0.0:443 [::]:443
  connect 127.0.0.1:8080
  connections: 3 in the kernel, 0 in userspace, 0 negotiating, 19 accepted so far
  failed: 2 × handshake-timeout
  in userspace: 1 × cipher-not-in-kernel
  1 of its processes did not answer: what they count is missing
)");
    }

    TEST_CASE("its fields are those of swanctl --list-sas, one to one") {
        // strongSwan 5.9.8, of the same SA.
        std::string swanctl = R"(hq: #1, ESTABLISHED, IKEv2, 1122334455667788_i* 99aabbccddeeff00_r
  local  'gw1.example' @ 192.0.2.1[500]
  remote 'gw2.example' @ 198.51.100.7[500]
  AES_GCM_16-256/PRF_HMAC_SHA2_384/CURVE_25519
  established 61s ago, rekeying in 13000s
  net: #2, reqid 1, INSTALLED, TUNNEL, ESP:AES_GCM_16-256
    installed 61s ago, rekeying in 3400s, expires in 3899s
    in  c0000001,   1234 bytes,    12 packets,     3s ago
    out 00000002,      0 bytes,     0 packets
    local  10.1.0.0/16 10.3.0.0/16
    remote 10.2.0.0/16
)";
        // What the bus does not say.
        for (const std::string absent : {"#1, ", "#2, ", "reqid 1, ", ", expires in 3899s"}) {
            const auto at = swanctl.find(absent);
            REQUIRE(at != std::string::npos);
            swanctl.erase(at, absent.size());
        }
        IkeSa sa = initiated();
        sa.children.front().counters = {
            .in = {.packets = 12, .bytes = 1234, .installed = kNow - 61s, .used = kNow - 3s},
            .out = {.packets = 0, .bytes = 0, .installed = kNow - 61s, .used = Instant::min()}};
        // What swanctl does not say.
        std::string ours = listing(sa, kNow, Style(false));
        const auto offload = ours.find(", offload: ");
        REQUIRE(offload != std::string::npos);
        ours.erase(offload, ours.find('\n', offload) - offload);
        CHECK(ours == swanctl);
    }

    TEST_CASE("what the kernel kept out is told where there is something") {
        IkeSa sa = initiated();
        sa.children.front().counters = {.in = {}, .out = {}, .outside_window = 1, .replayed = 2, .broken = 3};
        CHECK(
            listing(sa, kNow, Style(false))
                .find("    in  c0000001,      0 bytes,     0 packets\n    out 00000002,      0 bytes,     0 packets\n"
                      "    dropped: 1 outside the window, 2 replayed, 3 broken\n") != std::string::npos);
    }

    TEST_CASE("IKE SAs alone, CHILD SAs alone") {
        const Style plain(false);
        CHECK(listing(initiated(), kNow, plain, Depth::ike_only).find("net:") == std::string::npos);
        CHECK(listing(initiated(), kNow, plain, Depth::children_only).starts_with("  net: INSTALLED"));
    }

    TEST_CASE("colours, where they are wanted, and nothing else that a terminal obeys") {
        IkeSa sa = initiated();
        sa.remote_id = "\x1b[2Jgw\n2";
        CHECK(listing(sa, kNow, Style(false)).find('\x1b') == std::string::npos);
        CHECK(listing(sa, kNow, Style(false)).find(R"(remote '\x1b[2Jgw\x0a2' @)") != std::string::npos);
        CHECK(listing(sa, kNow, Style(true)).find("\x1b[32mESTABLISHED\x1b[0m") != std::string::npos);
        CHECK(listing(sa, kNow, Style(true)).find("\x1b[2J") == std::string::npos);
    }

    TEST_CASE("offload") {
        const auto said = [](std::string requested, std::string force, std::string reason) {
            return offload_of(ChildSa{.offload_requested = std::move(requested),
                                      .offload = std::move(force),
                                      .offload_device = "eth0",
                                      .offload_reason = std::move(reason)});
        };
        CHECK(said("off", "none", "") == "sw (not asked for)");
        CHECK(said("auto", "none", "") == "sw");
        CHECK(said("auto", "none", "why") == "sw (why)");
        CHECK(said("packet", "crypto", "no room") == "crypto(eth0) (no room)");
    }

    TEST_CASE("algorithms by swanctl's names") {
        CHECK(swanctl_name("aes128-sha1-prfsha1-modp2048") == "AES_CBC-128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048");
        CHECK(swanctl_name("aes128gcm16-none-noesn") == "AES_GCM_16-128");
        CHECK(swanctl_name("chacha20poly1305-esn") == "CHACHA20_POLY1305/ESN");
        CHECK(swanctl_name("key") == "key");
        CHECK(swanctl_name("").empty());
    }
}
