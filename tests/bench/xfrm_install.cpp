// xfrm_install COUNT BATCH: installs COUNT CHILD SAs in a network namespace of its own, BATCH requests in a call, and
// prints what that took as JSON. Needs CAP_NET_ADMIN, and a kernel with ESP.
//
// Each is what keysluiced would install for a peer with a network behind it: two SAs of AES-128-GCM and three
// policies in tunnel mode, five requests.
#include <fmt/format.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include "daemon/control/translate.hpp"
#include "daemon/shared/clock.hpp"
#include "netlink/socket.hpp"
#include "tests/bench/loopback.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::bench {
namespace {

constexpr std::uint64_t kMost = 60'000;

ike::ChildDirectionKeys keys_of(std::uint64_t number) {
    ike::ChildDirectionKeys keys;
    const MutableBytes key = keys.encryption.writable(20);
    key[0] = static_cast<std::uint8_t>(number);
    key[1] = static_cast<std::uint8_t>(number >> 8U);
    return keys;
}

/// Peer 10.1.x.y with the network 172.x.y.0/24 behind it.
Result<xfrm::Transaction> child_of(control::Translator& translator, std::uint64_t number) {
    const auto high = static_cast<std::uint8_t>(number >> 8U);
    const auto low = static_cast<std::uint8_t>(number);
    ike::ChildSaSpec spec;
    spec.connection = fmt::format("peer-{}", number);
    spec.child = "net";
    spec.local = *IpAddress::parse("10.0.0.1");
    spec.remote = *IpAddress::from_octets(std::array<std::uint8_t, 4>{10, 1, high, low});
    spec.inbound.value = static_cast<std::uint32_t>(0xC000'0000 + number);
    spec.outbound.value = static_cast<std::uint32_t>(0xD000'0000 + number);
    spec.suite = {.encryption = {ike::EncryptionId::aes_gcm_16, 128}, .integrity = {}, .group = {}, .esn = false};
    auto local = ike::parse_selector("192.168.0.0/16");
    auto remote = ike::parse_selector(fmt::format("172.{}.{}.0/24", high, low));
    if (!local || !remote) {
        return fail("bad-selector", "a selector of the benchmark is not understood any more");
    }
    spec.local_selectors = {*local};
    spec.remote_selectors = {*remote};
    ike::InstallChild install{
        .spec = spec, .inbound = keys_of(number), .outbound = keys_of(number + 1), .replaces_outbound = {}};
    return translator.install(std::move(install));
}

using Requests = std::vector<netlink::Request>;

Result<Requests> prepare(std::uint64_t count, xfrm::Dialect dialect) {
    control::Translator translator;
    Requests requests;
    for (std::uint64_t number = 0; number < count; ++number) {
        const auto child = child_of(translator, number);
        if (!child) {
            return std::unexpected(child.error());
        }
        for (const auto& addition : child->additions()) {
            requests.push_back(xfrm::encode(addition, dialect));
        }
    }
    return requests;
}

Result<void> install(netlink::Socket& socket, std::span<netlink::Request> requests, std::size_t batch) {
    while (!requests.empty()) {
        const std::size_t size = std::min(batch, requests.size());
        const auto answers = socket.transact(requests.first(size), "the benchmark's CHILD SAs");
        if (!answers) {
            return std::unexpected(answers.error());
        }
        const auto refused = std::ranges::find_if(*answers, [](const auto& each) { return each.error != 0; });
        if (refused != answers->end()) {
            return std::unexpected(netlink::refusal(refused->ack(), "a CHILD SA of the benchmark"));
        }
        requests = requests.subspan(size);
    }
    return {};
}

/// User and system time of this process, in seconds: the kernel works inside the calls.
double cpu() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + (static_cast<double>(time.tv_usec) / 1e6);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Result<void> measure(std::uint64_t count, std::size_t batch) {
    if (unshare(CLONE_NEWNET) != 0) {
        return fail("no-namespace", fmt::format("a network namespace of its own: {}", std::strerror(errno)));
    }
    const auto kernel = xfrm::Kernel::open();
    auto socket = netlink::Socket::open(NETLINK_XFRM);
    if (!kernel || !socket) {
        return std::unexpected(!kernel ? kernel.error() : socket.error());
    }
    auto requests = prepare(count + 1, kernel->dialect());
    if (!requests) {
        return pass_on(std::move(requests));
    }
    // The first child makes the kernel load what it needs.
    const std::size_t each = requests->size() / (count + 1);
    if (auto first = install(*socket, std::span(*requests).first(each), each); !first) {
        return first;
    }
    const Instant began = now();
    const double before = cpu();
    if (auto rest = install(*socket, std::span(*requests).subspan(each), batch); !rest) {
        return rest;
    }
    const std::chrono::duration<double> took = now() - began;
    fmt::print("{{\"children\": {}, \"requests\": {}, \"seconds\": {:.6f}, \"cpu_seconds\": {:.6f}}}\n", count,
               requests->size() - each, took.count(), cpu() - before);
    return {};
}

int run(char** arguments) {
    const Result<std::uint64_t> count = parse_number(arguments[1], kMost);
    const Result<std::uint64_t> batch = parse_number(arguments[2], netlink::Socket::kBatch);
    if (!count || !batch) {
        return report({"bad-argument", "expected COUNT BATCH"});
    }
    const Result<void> measured = measure(*count, *batch);
    return measured ? 0 : report(measured.error());
}

}  // namespace
}  // namespace keysluice::bench

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: xfrm_install COUNT BATCH\n", stderr);
        return 2;
    }
    return keysluice::bench::run(argv);
}
