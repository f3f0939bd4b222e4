#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdlib>
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

std::optional<std::size_t> tested(const std::vector<Policy>& policies, Direction direction, const Packet& packet) {
    const auto pieces =
        policy::test(policies, {.direction = direction, .family = packet.family(), .packets = packet.box()});
    REQUIRE(pieces);
    REQUIRE(pieces->size() == 1);
    const auto& matches = pieces->front().matches;
    return matches.empty() ? std::nullopt : std::optional(matches.front());
}

/// As the other side sees it.
Packet turned(Packet packet) {
    std::swap(packet.local, packet.remote);
    if (!is_icmp(packet.protocol)) {  // whose type and code are the same from both sides
        std::swap(packet.local_port, packet.remote_port);
    }
    return packet;
}

/// A host with 10.0.0.0/24 and fd00::/120 and with policies, and another one, 10.9.0.0/24 and fd09::/120, at the
/// other end of a wire. By themselves they say nothing on it.
struct Host {
    Host() {
        const std::string one = "address 02:00:00:00:00:01";  // nobody asks whose an address is
        there.shell("ip link add wire " + one + " type veth peer name wire " + one + " netns " + elsewhere.path());
        const auto settle = [](const NetworkNamespace& where, const std::string& four, const std::string& six) {
            where.shell("ip link set wire arp off addrgenmode none up && ip route add local " + four +
                        " dev lo && ip route add default dev wire && ip -6 route add local " + six +
                        " dev lo && ip -6 route add default dev wire");
        };
        settle(there, "10.0.0.0/24", "fd00::/120");
        settle(elsewhere, "10.9.0.0/24", "fd09::/120");
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

    void load(std::vector<Policy> policies) {
        rest = policies.size();
        policies.push_back({.name = "the rest", .direction = Direction::in, .priority = kLastPriority});
        auto next = kernel_entries(policies);
        REQUIRE(next);
        xfrm::Transaction removal;
        for (const KernelEntry& each : loaded) {
            removal.remove(each.policy.id());
        }
        REQUIRE(kernel->apply(removal));
        loaded = *std::move(next);
        xfrm::Transaction changes;
        for (const KernelEntry& each : loaded) {
            changes.add(each.policy);
        }
        const auto applied = kernel->apply(changes);
        REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
    }

    /// Sends it. The policy that it meets has no SA, so the kernel asks for one: by the reqid, whose. Nothing where
    /// it met none.
    std::optional<std::size_t> choice_on_leaving(const Packet& packet) {
        send(there, packet);
        std::optional<std::size_t> place;
        while (true) {
            const auto event = events->next();
            REQUIRE_MESSAGE(event, (event ? "" : event.error().sentence));
            if (!*event) {
                break;
            }
            const auto* acquire = std::get_if<xfrm::Acquire>(&**event);
            if (acquire != nullptr) {
                CHECK(!place);
                place = acquire->templates.at(0).reqid.value - 1;
            }
        }
        if (place) {
            forget_placeholders();
        }
        return place;
    }

    /// Has the other host send it. The kernel notes when it used a policy, and what fits none meets the rest: so one
    /// policy was used, and is made one that never was.
    std::optional<std::size_t> choice_on_arrival(const Packet& packet) {
        send(elsewhere, turned(packet));
        std::optional<std::size_t> place;
        for (int tries = 0; !place; ++tries) {  // the kernel takes it in its own time
            REQUIRE_MESSAGE(tries < kMostTries, "the packet has met no policy");
            const auto states = kernel->policies();
            REQUIRE_MESSAGE(states, (states ? "" : states.error().sentence));
            for (const xfrm::PolicyState& each : *states) {
                if (each.used_at != 0) {
                    CHECK(!place);
                    place = place_of(each.policy);
                }
            }
        }
        return place == rest ? std::nullopt : place;
    }

    /// Of the policy whose entry it is; the entry becomes one that was never used.
    std::size_t place_of(const xfrm::Policy& policy) {
        const auto entry =
            std::ranges::find(loaded, policy.id(), [](const KernelEntry& each) { return each.policy.id(); });
        REQUIRE(entry != loaded.end());
        xfrm::Transaction anew;
        anew.replace(entry->policy, entry->policy);
        REQUIRE(kernel->apply(anew));
        return entry->place;
    }

    static void send(const NetworkNamespace& from, const Packet& packet) {
        const bool four = packet.family() == Family::ipv4;
        const bool portly = packet.protocol == IPPROTO_UDP || packet.protocol == IPPROTO_TCP;
        const int kind = packet.protocol == IPPROTO_UDP ? SOCK_DGRAM : portly ? SOCK_STREAM : SOCK_RAW;
        const UniqueFd socket = from.run([&] {
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

    static constexpr int kMostTries = 10'000;

    NetworkNamespace there;
    NetworkNamespace elsewhere;
    std::optional<xfrm::Kernel> kernel;
    std::optional<xfrm::Events> events;
    std::optional<netlink::Socket> raw;
    std::vector<KernelEntry> loaded;
    std::size_t rest = 0;  ///< the place of a policy for all that comes in, behind all others
};

/// Of `choose`, for random sets and packets.
void check_choices(Direction direction, int sets, std::optional<std::size_t> (Host::*choose)(const Packet&)) {
    constexpr int kPackets = 110;
    const unsigned seed = std::random_device{}();
    INFO("seed ", seed);
    Dice dice(seed);
    Host host;
    int matched = 0;
    for (int set = 0; set < sets; ++set) {
        std::vector<Policy> policies;
        for (std::size_t place = 0; place < 1 + dice.below(12); ++place) {
            Policy& policy = policies.emplace_back(dice.policy(place));
            policy.direction = direction;
            policy.priority = kFirstPriority + static_cast<std::uint32_t>(place);
            if (direction == Direction::in) {
                policy.disposition = static_cast<Disposition>(dice.below(3));
            }
        }
        host.load(policies);
        for (int i = 0; i < kPackets; ++i) {
            const Packet packet = dice.packet();
            const auto expected = first_match(policies, packet);
            matched += expected ? 1 : 0;
            INFO("set ", set, ", packet ", packet.text());
            REQUIRE(tested(policies, direction, packet) == expected);
            REQUIRE((host.*choose)(packet) == expected);
        }
    }
    CHECK(matched > sets * kPackets / 4);
}

}  // namespace

TEST_SUITE_BEGIN("policies in the kernel");

constexpr int kSets = 100;

TEST_CASE("of what goes out, the kernel chooses what the tester says, and what a loop over the policies says") {
    check_choices(Direction::out, kSets, &Host::choice_on_leaving);
}

TEST_CASE("of what comes in, too, whatever becomes of it") {
    // Emulation makes it last minutes.
    const bool slow = std::getenv("KEYSLUICE_GUEST") != nullptr;
    check_choices(Direction::in, slow ? kSets / 4 : kSets, &Host::choice_on_arrival);
}

TEST_SUITE_END();
