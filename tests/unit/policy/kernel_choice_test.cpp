#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "netlink/socket.hpp"
#include "policy/kernel_entries.hpp"
#include "policy/priorities.hpp"
#include "policy/tester.hpp"
#include "tests/support/network_namespace.hpp"
#include "tests/support/policy_dice.hpp"
#include "xfrm/kernel.hpp"

using namespace keysluice;
using namespace keysluice::policy;
using namespace keysluice::test;

namespace {

std::optional<std::size_t> tested(const std::vector<Policy>& policies, const Packet& packet) {
    const auto pieces =
        policy::test(policies, {.direction = Direction::out, .family = packet.family(), .packets = packet.box()});
    REQUIRE(pieces);
    REQUIRE(pieces->size() == 1);
    const auto& matches = pieces->front().matches;
    return matches.empty() ? std::nullopt : std::optional(matches.front());
}

/// A network namespace with 10.0.0.0/24 and fd00::/120 as its own, and a way to everybody else.
struct Host {
    Host() {
        there.shell(
            "ip link add one type veth peer name other && ip link set one arp off up && ip link set other up && "
            "ip route add local 10.0.0.0/24 dev lo && ip route add default dev one && "
            "ip -6 route add local fd00::/120 dev lo && ip -6 route add default dev one");
        auto opened = there.run([] { return xfrm::Kernel::open(); });
        REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().sentence));
        kernel.emplace(*std::move(opened));
        auto heard = there.run([] { return xfrm::Events::open(); });
        REQUIRE_MESSAGE(heard, (heard ? "" : heard.error().sentence));
        events.emplace(*std::move(heard));
        auto other = there.run([] { return netlink::Socket::open(NETLINK_XFRM); });
        REQUIRE_MESSAGE(other, (other ? "" : other.error().sentence));
        raw.emplace(*std::move(other));
    }

    void load(std::vector<KernelEntry> next) {
        xfrm::Transaction removal;
        for (const KernelEntry& each : loaded) {
            removal.remove(each.policy.id());
        }
        REQUIRE(kernel->apply(removal));
        loaded = std::move(next);
        xfrm::Transaction changes;
        for (const KernelEntry& each : loaded) {
            changes.add(each.policy);
        }
        const auto applied = kernel->apply(changes);
        REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
    }

    /// Sends it. The policy that it meets has no SA, so the kernel asks for one: by the reqid, whose. Nothing where
    /// it met none.
    std::optional<std::size_t> choice(const Packet& packet) {
        send(packet);
        std::optional<std::size_t> place;
        while (true) {
            const auto event = events->next();
            REQUIRE_MESSAGE(event, (event ? "" : event.error().sentence));
            if (!*event) {
                break;
            }
            const auto* acquire = std::get_if<xfrm::Acquire>(&**event);
            // The host itself speaks, too: it looks for routers.
            if (acquire != nullptr && acquire->packet.source.address == packet.local &&
                acquire->packet.destination.address == packet.remote) {
                CHECK(!place);
                place = acquire->templates.at(0).reqid.value - 1;
            }
        }
        if (place) {
            forget_placeholders();
        }
        return place;
    }

    void send(const Packet& packet) const {
        const bool four = packet.family() == Family::ipv4;
        const bool portly = packet.protocol == IPPROTO_UDP || packet.protocol == IPPROTO_TCP;
        const int kind = packet.protocol == IPPROTO_UDP ? SOCK_DGRAM : portly ? SOCK_STREAM : SOCK_RAW;
        const UniqueFd socket = there.run([&] {
            return UniqueFd(
                ::socket(four ? AF_INET : AF_INET6, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, packet.protocol));
        });
        REQUIRE(socket);
        const int yes = 1;
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        ::setsockopt(socket.get(), four ? SOL_IP : SOL_IPV6, four ? IP_FREEBIND : IPV6_FREEBIND, &yes, sizeof(yes));
        const auto [own, size] = address(packet.local, portly ? packet.local_port : std::uint16_t{0});
        const auto [to, same] = address(packet.remote, portly ? packet.remote_port : std::uint16_t{0});
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), size) == 0);
        if (kind == SOCK_STREAM) {
            static_cast<void>(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), same));
        } else {  // connect() would look policies up on its own, before there are type and code
            const std::array<std::uint8_t, 8> octets{static_cast<std::uint8_t>(packet.local_port),
                                                     static_cast<std::uint8_t>(packet.remote_port)};
            static_cast<void>(::sendto(socket.get(), octets.data(), octets.size(), MSG_DONTWAIT,
                                       reinterpret_cast<const sockaddr*>(&to), same));
        }
    }

    static std::pair<sockaddr_storage, socklen_t> address(const IpAddress& ip, std::uint16_t port) {
        sockaddr_storage storage{};
        if (ip.family() == Family::ipv4) {
            auto& four = reinterpret_cast<sockaddr_in&>(storage);
            four.sin_family = AF_INET;
            four.sin_port = htons(port);
            std::ranges::copy(ip.octets(), reinterpret_cast<std::uint8_t*>(&four.sin_addr));
            return {storage, sizeof(sockaddr_in)};
        }
        auto& six = reinterpret_cast<sockaddr_in6&>(storage);
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::ranges::copy(ip.octets(), static_cast<std::uint8_t*>(six.sin6_addr.s6_addr));
        return {storage, sizeof(sockaddr_in6)};
    }

    /// While one is there, the kernel does not ask again.
    void forget_placeholders() {
        netlink::Request flush(XFRM_MSG_FLUSHSA);
        flush.structure(xfrm_usersa_flush{.proto = 0});
        const auto answers = raw->transact(std::span(&flush, 1), "forget SAs");
        REQUIRE_MESSAGE(answers, (answers ? "" : answers.error().sentence));
    }

    NetworkNamespace there;
    std::optional<xfrm::Kernel> kernel;
    std::optional<xfrm::Events> events;
    std::optional<netlink::Socket> raw;
    std::vector<KernelEntry> loaded;
};

}  // namespace

TEST_SUITE_BEGIN("policies in the kernel");

TEST_CASE("the kernel chooses what the tester says, and what a loop over the policies says") {
    constexpr int kSets = 100;
    constexpr int kPackets = 110;
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    Dice dice(seed);
    Host host;
    int matched = 0;
    for (int set = 0; set < kSets; ++set) {
        std::vector<Policy> policies;
        for (std::size_t place = 0; place < 1 + dice.below(12); ++place) {
            policies.push_back(dice.policy(place));
            policies.back().priority = kFirstPriority + static_cast<std::uint32_t>(place);
        }
        const auto entries = kernel_entries(policies);
        REQUIRE(entries);
        host.load(*entries);
        for (int i = 0; i < kPackets; ++i) {
            const Packet packet = dice.packet();
            const auto expected = first_match(policies, packet);
            matched += expected ? 1 : 0;
            INFO("set ", set, ", packet ", packet.text());
            REQUIRE(tested(policies, packet) == expected);
            REQUIRE(host.choice(packet) == expected);
        }
    }
    CHECK(matched > kSets * kPackets / 4);
}

TEST_SUITE_END();
