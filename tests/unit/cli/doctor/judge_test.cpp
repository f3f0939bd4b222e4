#include "cli/doctor/judge.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "cli/doctor/report.hpp"

using namespace keysluice;
using namespace keysluice::doctor;

namespace {

constexpr std::string_view kConfiguration = R"(
[[tls.service]]
name = "shop"
listen = ["0.0.0.0:443", "unix:/run/shop"]
connect = ["127.0.0.1:8080"]
certificate = "/etc/keysluice/shop.pem"
private_key = "file:/etc/keysluice/shop.key"

[[ike.connection]]
name = "hq"
local = "192.0.2.1"
remote = "198.51.100.7"
psk = "file:/etc/keysluice/hq.psk"
auth = "psk"
start = "on-traffic"
[[ike.connection.child]]
name = "net"
local_ts = ["10.1.0.0/16"]
remote_ts = ["10.2.0.0/16"]
[[ike.connection.child]]
name = "fast"
local_ts = ["10.3.0.1"]
remote_ts = ["10.4.0.1"]
offload = "packet"
)";

Wants wants() {
    const auto configuration = control::parse_configuration(kConfiguration, "test.toml", {});
    REQUIRE(configuration);
    return wants_of(*configuration);
}

constexpr std::chrono::sys_days kToday{std::chrono::year{2026} / 11 / 21};

/// Everything is as it should be.
Facts healthy() {
    Facts facts;
    facts.kernel = {.release = "6.1.0",
                    .administrator = true,
                    .modules = {},
                    .ktls = true,
                    .ktls_absent = {},
                    .esp_missing = std::vector<Error>{}};
    facts.sysctls = {{"net/ipv4/ip_forward", 1}};
    facts.devices = {{.name = "lo", .up = true, .loopback = true, .mtu = 65536},
                     {.name = "eth0", .up = true, .mtu = 1500, .esp = Feature::on}};
    facts.clock = {.now = kToday, .synchronised = true};
    facts.certificates = {
        {.of = "service shop", .path = "/shop.pem", .error = {}, .end = kToday + std::chrono::days(90)}};
    facts.secrets = {{.of = "service shop", .path = "/shop.key", .user = "keysluice-engine", .problem = {}}};
    return facts;
}

/// Of this check, those that are not ok.
Findings troubles(const Facts& facts, std::string_view name, const Wants& wanted = wants()) {
    Findings found;
    std::ranges::copy_if(judge(facts, wanted), std::back_inserter(found),
                         [&](const Finding& each) { return each.name == name && each.verdict != Verdict::ok; });
    return found;
}

/// The only one, which must be there.
Finding trouble(const Facts& facts, std::string_view name, const Wants& wanted = wants()) {
    const Findings found = troubles(facts, name, wanted);
    REQUIRE(found.size() == 1);
    return found.front();
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_SUITE("doctor") {
    TEST_CASE("what a configuration wants") {
        const Wants found = wants();
        CHECK(found.ike);
        CHECK(found.tls_kernel);
        CHECK_FALSE(found.tls_kernel_required);
        CHECK(found.tunnels);
        CHECK(found.on_traffic);
        CHECK(found.forwards_ipv4 == "hq");
        CHECK(found.forwards_ipv6.empty());
        CHECK(found.offloads.size() == 2);
        CHECK(found.offloads.at(1).child == "hq/fast");
        CHECK(found.listeners.size() == 2);
        CHECK(found.certificates.size() == 1);
        REQUIRE(found.secrets.size() == 2);
        CHECK(found.secrets[0].user == "keysluice");
        CHECK(found.secrets[1].user == "keysluice-engine");
    }

    TEST_CASE("a healthy host") {
        const Findings findings = judge(healthy(), wants());
        CHECK(std::ranges::all_of(findings, [](const Finding& each) { return each.verdict == Verdict::ok; }));
        CHECK(findings.size() > 10);
        CHECK_FALSE(any_wrong(findings));
    }

    TEST_CASE("a kernel without TLS") {
        Facts facts = healthy();
        facts.kernel.ktls = false;
        facts.kernel.ktls_absent = Error{"kernel-without-ktls", "this kernel has no TLS"};
        Finding found = trouble(facts, "kernel-tls");
        CHECK(found.verdict == Verdict::warning);
        CHECK(found.reason == "kernel-without-ktls");
        CHECK(found.remedy.front() == "modprobe tls");
        facts.kernel.modules["tls"] = Module::absent;
        CHECK(trouble(facts, "kernel-tls").remedy.front().starts_with("apt install linux-image"));
        Wants strict = wants();
        strict.tls_kernel_required = true;
        CHECK(trouble(facts, "kernel-tls", strict).verdict == Verdict::wrong);
        facts.kernel.ktls_absent = Error{"loopback-unavailable", "lo is down"};
        CHECK(trouble(facts, "kernel-tls").verdict == Verdict::unknown);
    }

    TEST_CASE("a kernel without ESP") {
        Facts facts = healthy();
        facts.kernel.esp_missing = std::vector{Error{"kernel-without-esp", "no ESP"}};
        const Finding found = trouble(facts, "kernel-esp");
        CHECK(found.verdict == Verdict::wrong);
        CHECK(found.remedy.size() == 6);
        CHECK(found.remedy.back() == "echo esp6 >> /etc/modules-load.d/90-keysluice.conf");
        facts.kernel.esp_missing = std::vector{Error{"kernel-lacks", "no XCBC"}};
        CHECK(trouble(facts, "kernel-esp").verdict == Verdict::warning);
    }

    TEST_CASE("ESP without the right to try it") {
        Facts facts = healthy();
        facts.kernel.esp_missing.reset();
        CHECK(trouble(facts, "kernel-esp").verdict == Verdict::unknown);
        facts.kernel.modules = {
            {"xfrm_user", Module::present}, {"esp4", Module::installed}, {"esp6", Module::present}};
        CHECK(troubles(facts, "kernel-esp").empty());
        facts.kernel.modules["esp6"] = Module::absent;  // no peer of IPv6 here
        CHECK(troubles(facts, "kernel-esp").front().verdict == Verdict::warning);
        facts.kernel.modules["esp4"] = Module::absent;
        CHECK(troubles(facts, "kernel-esp").front().verdict == Verdict::wrong);
    }

    TEST_CASE("a gateway that does not forward") {
        Facts facts = healthy();
        facts.sysctls["net/ipv4/ip_forward"] = 0;
        const Finding found = trouble(facts, "forwarding-ipv4");
        CHECK(found.verdict == Verdict::wrong);
        CHECK(found.remedy == Lines{"sysctl -w net/ipv4/ip_forward=1",
                                    "echo 'net/ipv4/ip_forward = 1' >> /etc/sysctl.d/90-keysluice.conf"});
        Wants alone = wants();
        alone.forwards_ipv4.clear();
        CHECK(troubles(facts, "forwarding-ipv4", alone).empty());
        CHECK(troubles(facts, "forwarding-ipv6").empty());
        alone.forwards_ipv6 = "hq";
        CHECK(trouble(facts, "forwarding-ipv6", alone).verdict == Verdict::wrong);
    }

    TEST_CASE("a strict reverse path, by the larger of two values") {
        Facts facts = healthy();
        facts.sysctls["net/ipv4/conf/all/rp_filter"] = 1;
        CHECK(trouble(facts, "reverse-path").found.starts_with("rp_filter is strict on eth0:"));
        facts.sysctls["net/ipv4/conf/eth0/rp_filter"] = 2;
        CHECK(troubles(facts, "reverse-path").empty());
        facts.sysctls["net/ipv4/conf/all/rp_filter"] = 0;
        facts.sysctls["net/ipv4/conf/eth0/rp_filter"] = 1;
        CHECK(trouble(facts, "reverse-path").remedy.front() == "sysctl -w net/ipv4/conf/all/rp_filter=2");
    }

    TEST_CASE("redirects") {
        Facts facts = healthy();
        facts.sysctls["net/ipv4/conf/eth0/accept_redirects"] = 1;
        facts.sysctls["net/ipv4/conf/eth0/send_redirects"] = 1;
        CHECK(troubles(facts, "redirects-accepted").empty());  // a router needs both
        CHECK(trouble(facts, "redirects-sent").remedy.front() == "sysctl -w net/ipv4/conf/eth0/send_redirects=0");
        facts.sysctls["net/ipv4/conf/all/accept_redirects"] = 1;
        CHECK(trouble(facts, "redirects-accepted").remedy ==
              Lines{"sysctl -w net/ipv4/conf/all/accept_redirects=0",
                    "echo 'net/ipv4/conf/all/accept_redirects = 0' >> /etc/sysctl.d/90-keysluice.conf"});
        facts.sysctls["net/ipv4/ip_forward"] = 0;
        CHECK(troubles(facts, "redirects-sent").empty());
        facts.sysctls["net/ipv4/conf/all/accept_redirects"] = 0;
        CHECK(trouble(facts, "redirects-accepted").verdict == Verdict::warning);
    }

    TEST_CASE("path MTU and MTU") {
        Facts facts = healthy();
        facts.sysctls["net/ipv4/ip_no_pmtu_disc"] = 1;
        CHECK(trouble(facts, "path-mtu").verdict == Verdict::warning);
        facts.devices.push_back({.name = "ppp0", .up = true, .mtu = 1279});
        CHECK(trouble(facts, "mtu").remedy == Lines{"ip link set dev ppp0 mtu 1500"});
        facts.devices.back().mtu = 1280;
        CHECK(troubles(facts, "mtu").empty());
    }

    TEST_CASE("devices that could do more") {
        Facts facts = healthy();
        facts.devices[1].esp = Feature::off;
        facts.devices[1].esp_checksum = Feature::off;
        facts.devices[1].tls_sending = Feature::off;
        const Findings esp = troubles(facts, "device-esp");
        REQUIRE(esp.size() == 2);
        CHECK(esp[0].verdict == Verdict::wrong);
        CHECK(esp[0].found.starts_with("child hq/fast demands offload = \"packet\""));
        CHECK(esp[0].reason == "offload-declined");
        CHECK(esp[0].remedy == Lines{"ethtool -K eth0 esp-hw-offload on"});
        CHECK(esp[1].verdict == Verdict::warning);
        CHECK(trouble(facts, "device-esp-checksum").remedy == Lines{"ethtool -K eth0 esp-tx-csum-hw-offload on"});
        CHECK(trouble(facts, "device-tls").remedy == Lines{"ethtool -K eth0 tls-hw-tx-offload on"});
        facts.devices[1].esp = Feature::missing;
        CHECK(trouble(facts, "device-esp").remedy.front().starts_with("offload = \"auto\""));
    }

    TEST_CASE("ports that somebody else has") {
        Facts facts = healthy();
        const auto any = *IpAddress::parse("0.0.0.0");
        facts.sockets = {
            {.udp = true, .address = any, .port = 500, .owner = Process{812, "charon"}},
            {.udp = true, .address = any, .port = 4500, .owner = {}},
            {.udp = false, .address = *IpAddress::parse("::"), .port = 443, .owner = Process{7, "nginx"}},
            {.udp = false, .address = any, .port = 444, .owner = Process{7, "nginx"}}};
        facts.processes = {{812, "charon"}};
        const Findings ports = troubles(facts, "port");
        REQUIRE(ports.size() == 3);
        CHECK(ports[0].found == "UDP port 500 is taken by charon (process 812)");
        CHECK(ports[0].reason == "ike-bind-failed");
        CHECK(ports[1].verdict == Verdict::unknown);
        CHECK(ports[1].remedy == Lines{"sudo ss -lunp"});
        CHECK(ports[2].found == "0.0.0.0:443 of service shop is taken by nginx (process 7)");
        CHECK(ports[2].reason == "address-in-use");
        CHECK(trouble(facts, "rival").remedy == Lines{"systemctl disable --now strongswan-starter"});
        facts.sockets[0].owner = Process{9, "keysluiced"};
        CHECK(troubles(facts, "port").size() == 2);
        facts.sockets[2].address = *IpAddress::parse("127.0.0.1");
        CHECK(troubles(facts, "port").size() == 2);
        facts.sockets[2].address = *IpAddress::parse("::1");
        CHECK(troubles(facts, "port").size() == 1);
    }

    TEST_CASE("the clock") {
        Facts facts = healthy();
        facts.clock.synchronised = false;
        CHECK(trouble(facts, "clock").verdict == Verdict::warning);
        facts.clock.now = std::chrono::sys_days{std::chrono::year{1970} / 1 / 1};
        CHECK(trouble(facts, "clock").verdict == Verdict::wrong);
    }

    TEST_CASE("certificates") {
        Facts facts = healthy();
        CertificateFacts& certificate = facts.certificates[0];
        certificate.end = kToday + std::chrono::days(30);
        CHECK(troubles(facts, "certificate").empty());
        certificate.end -= std::chrono::seconds(1);
        CHECK(trouble(facts, "certificate").found ==
              "service shop: /shop.pem is valid for 29 more days, until 2026-12-20");
        certificate.error = Error{"certificate-expired", "/shop.pem: it expired"};
        CHECK(trouble(facts, "certificate").verdict == Verdict::wrong);
        CHECK(trouble(facts, "certificate").reason == "certificate-expired");
        certificate.hidden = true;
        CHECK(trouble(facts, "certificate").verdict == Verdict::unknown);
    }

    TEST_CASE("files with secrets") {
        Facts facts = healthy();
        SecretFacts& secret = facts.secrets[0];
        secret.by_user = false;
        CHECK(trouble(facts, "secret").verdict == Verdict::warning);
        CHECK(trouble(facts, "secret").remedy == Lines{"chgrp keysluice-engine /shop.key", "chmod 640 /shop.key"});
        secret.changeable = true;
        CHECK(trouble(facts, "secret").verdict == Verdict::wrong);
        secret.by_all = true;
        CHECK(trouble(facts, "secret").remedy == Lines{"chmod u+r,g-w,o= /shop.key"});
        secret.problem = "No such file or directory";
        CHECK(trouble(facts, "secret").remedy == Lines{"ls -l /shop.key"});
        secret.hidden = true;
        CHECK(trouble(facts, "secret").verdict == Verdict::unknown);
    }

    TEST_CASE("mistakes in the configuration") {
        const Findings found = judge_configuration({{{"a.toml", 3, 7}, "unknown-key", "there is no key \"lisen\""}});
        REQUIRE(found.size() == 1);
        CHECK(found[0].verdict == Verdict::wrong);
        CHECK(found[0].found == "a.toml:3:7: there is no key \"lisen\"");
        CHECK(judge_configuration({}).front().verdict == Verdict::ok);
    }
}

TEST_SUITE("doctor report") {
    TEST_CASE("for a person, the worst first, without control characters") {
        const Findings findings =
            sorted({{"clock", Verdict::ok, "it is synchronised", {}, {}},
                    {"port", Verdict::wrong, "taken by \x1b[2J", {"systemctl status 7"}, "address-in-use"}});
        CHECK(to_text(findings, cli::Style(false)) ==
              "1 wrong, 0 warnings, 0 unknown, 1 ok\n\n"
              "wrong    port: taken by \\x1b[2J (address-in-use)\n"
              "           systemctl status 7\n"
              "ok       clock: it is synchronised\n");
        CHECK(to_text(findings, cli::Style(true)).contains("\x1b[31mwrong  \x1b[0m  port"));
        CHECK(any_wrong(findings));
    }

    TEST_CASE("for programs") {
        const Findings findings{{"clock", Verdict::warning, "\xff", {"a", "b"}, {}}};
        CHECK(to_json(findings) ==
              R"({"version":1,"verdict":"warning","findings":[{"name":"clock","verdict":"warning","found":"\\xff",)"
              "\"remedy\":[\"a\",\"b\"],\"reason\":\"\"}]}\n");
        CHECK_FALSE(any_wrong(findings));
    }
}
