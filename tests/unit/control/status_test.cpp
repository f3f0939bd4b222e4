#include "daemon/control/status.hpp"

#include <doctest/doctest.h>

#include "daemon/shared/counters.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

constexpr ServiceId kShop = service_id("shop");
constexpr ServiceId kMail = service_id("mail");

ServicesView two_services() {
    ServicesView configuration;
    configuration.services = {
        {.name = "shop", .listen = {parse_endpoint("0.0.0.0:443").value(), parse_endpoint("unix:/run/s").value()}},
        {.name = "mail", .mode = Mode::client, .verify_peer = VerifyPeer::none, .offload = Offload::require}};
    return configuration;
}

std::vector<ProcessCounters> counted() {
    const auto failed = std::string(counter::kFailed);
    const auto why = std::string(counter::kWhyUserspace);
    return {{{ProcessKind::engine, 0, 100},
             true,
             {{kShop, std::string(counter::kAccepted), 7},
              {kShop, std::string(counter::kEstablishedKernel), 3},
              {kShop, std::string(counter::kEstablishedUserspace), 2},
              {kShop, std::string(counter::kResumed), 3},
              {kShop, std::string(counter::kActiveUserspace), 1},
              {kShop, std::string(counter::kNegotiating), 4},
              {kShop, why + "kernel-without-ktls", 2},
              {kShop, failed + "plain-http", 1},
              {kMail, "paused", 5}}},
            {{ProcessKind::engine, 1, 101},
             true,
             {{kShop, std::string(counter::kAccepted), 6},
              {kShop, failed + "plain-http", 1},
              {kShop, failed + "not-tls", 1}}},
            {{ProcessKind::relay, 0, 102}, true, {{kShop, std::string(counter::kActiveKernel), 2}}},
            {{ProcessKind::control, 0, 99}, true, {}, std::chrono::nanoseconds(1'234'567)}};
}

const KernelView kKernel{
    .ktls = true, .reason = "", .groups = {{"TLS 1.3 AES-256-GCM, rx sw, tx sw", 2}}, .decrypt_errors = 1};

constexpr std::string_view kJson = R"({
  "kernel": {
    "decrypt_errors": 1,
    "ktls": true,
    "reason": "",
    "sockets": [
      {
        "record_layer": "TLS 1.3 AES-256-GCM, rx sw, tx sw",
        "sockets": 2
      }
    ]
  },
  "processes": [
    {
      "answered": true,
      "index": 0,
      "kind": "engine",
      "pid": 100
    },
    {
      "answered": true,
      "index": 1,
      "kind": "engine",
      "pid": 101
    },
    {
      "answered": true,
      "index": 0,
      "kind": "relay",
      "pid": 102
    },
    {
      "answered": true,
      "index": 0,
      "kind": "control",
      "longest_round_us": 1234,
      "pid": 99
    }
  ],
  "services": [
    {
      "accepted_by_engine": {
        "0": 7,
        "1": 6
      },
      "active": {
        "kernel": 2,
        "userspace": 1
      },
      "established": {
        "kernel": 3,
        "userspace": 2
      },
      "failed": {
        "not-tls": 1,
        "plain-http": 2
      },
      "listen": [
        "0.0.0.0:443",
        "unix:/run/s"
      ],
      "mode": "server",
      "name": "shop",
      "negotiating": 4,
      "offload": "auto",
      "reasons": {
        "kernel-without-ktls": 2
      },
      "resumed": 3,
      "verify_peer": "full"
    },
    {
      "accepted_by_engine": {},
      "active": {
        "kernel": 0,
        "userspace": 0
      },
      "established": {
        "kernel": 0,
        "userspace": 0
      },
      "failed": {},
      "listen": [],
      "mode": "client",
      "name": "mail",
      "negotiating": 0,
      "offload": "require",
      "paused": 5,
      "reasons": {},
      "resumed": 0,
      "verify_peer": "none"
    }
  ],
  "version": 1
}
)";

constexpr std::string_view kTable = R"(SERVICE              IN KERNEL  USERSPACE  ESTABLISHED HANDSHAKES
shop                        2          1            5          4
    in userspace because: 2 kernel-without-ktls
    failed: 1 not-tls, 2 plain-http
mail                        0          0            0          0
    WARNING: any server is trusted (verify_peer = "none")
The kernel can carry records. Its sockets of these services, from sock_diag:
         2 × TLS 1.3 AES-256-GCM, rx sw, tx sw
)";

}  // namespace

TEST_CASE("the status document") {
    CHECK(to_json(two_services(), counted(), kKernel) == kJson);
}

TEST_CASE("the status as a table") {
    CHECK(to_table(std::string(kJson)).value() == kTable);
}

TEST_CASE("who did not answer is named, before the figures that lack what it counts") {
    std::vector<ProcessCounters> processes = counted();
    processes[2] = {.process = processes[2].process, .answered = false, .counts = {}};
    const std::string table = to_table(to_json(two_services(), processes, kKernel)).value();
    CHECK(table.starts_with("No answer in time from relay 0 (pid 102): what it counts is missing here.\nSERVICE "));
}

TEST_CASE("a kernel that carries nothing says why") {
    const KernelView absent{.ktls = false, .reason = "this kernel has no kTLS", .groups = {}, .decrypt_errors = 0};
    const std::string table = to_table(to_json({}, {}, absent)).value();
    CHECK(table ==
          "SERVICE              IN KERNEL  USERSPACE  ESTABLISHED HANDSHAKES\n"
          "The kernel carries no records: this kernel has no kTLS\n");
}

TEST_CASE("a gauge that one process raised and another one lowered is the difference") {
    const std::uint64_t minus_two = 0 - std::uint64_t{2};
    const std::string name(counter::kActiveKernel);
    const std::string text = to_json(two_services(),
                                     {{{ProcessKind::engine, 0, 1}, true, {{kShop, name, 5}}},
                                      {{ProcessKind::relay, 0, 2}, true, {{kShop, name, minus_two}}}},
                                     {});
    CHECK(to_table(text).value().find("shop                        3 ") != std::string::npos);
}

TEST_CASE("text that is not UTF-8 does not break the document") {
    ServicesView configuration = two_services();
    configuration.services[0].listen = {UnixEndpoint{"/run/\xff"}};
    const std::string text = to_json(configuration, {}, {});
    CHECK(to_table(text));
    CHECK(text.find('\xff') == std::string::npos);
}

TEST_CASE("services that were removed have a line as long as somebody counts for them") {
    ServicesView view = two_services();
    view.removed.push_back({.name = "till"});
    const std::string name(counter::kActiveKernel);
    const std::string table =
        to_table(to_json(view,
                         {{{ProcessKind::relay, 0, 1},
                           true,
                           {{service_id("till"), name, 3}, {ServiceId{9}, name, 4}, {ServiceId{10}, name, 1}}}},
                         {}))
            .value();
    CHECK(table.find("till                        3 ") != std::string::npos);
    CHECK(table.find("(removed)                   5 ") != std::string::npos);
    CHECK(table.find("shop                        0 ") != std::string::npos);
}

TEST_CASE("what is wrong at the last reload stands first") {
    ServicesView view = two_services();
    view.reload_problems = {{{"k.toml", 3, 1}, "private-key-mismatch", "service shop stays as it was: they differ"}};
    const std::string text = to_json(view, {}, {});
    CHECK(text.find("\"reload_problems\"") != std::string::npos);
    CHECK(
        to_table(text).value().starts_with("WARNING: wrong at the last reload: k.toml:3:1: service shop stays as it "
                                           "was: they differ (private-key-mismatch)\nSERVICE "));
}

TEST_CASE("what is no status document is refused") {
    for (const std::string text : {"", "rubbish", "[]", "{}", R"({"services": []})", R"({"services": [)",
                                   R"({"services": [1], "kernel": {}})", R"({"services": 1, "kernel": 2})",
                                   R"({"services": [{"name": "a"}], "kernel": {"ktls": true, "sockets": []}})"}) {
        CAPTURE(text);
        const auto table = to_table(text);
        REQUIRE_FALSE(table);
        CHECK(table.error().reason == "status-malformed");
    }
}

TEST_CASE("without services the kernel is asked about no sockets") {
    ktls::Capabilities capabilities;
    capabilities.absent = Error{"kernel-without-ktls", "no kTLS here"};
    const KernelView view = look_at_kernel(capabilities, {});
    CHECK_FALSE(view.ktls);
    CHECK(view.reason == "no kTLS here");
    CHECK(view.groups.empty());
    capabilities.absent.reset();
    capabilities.set_carries(ktls::Version::tls13, ktls::Cipher::aes128_gcm, true);
    CHECK(look_at_kernel(capabilities, {}).ktls);
}
