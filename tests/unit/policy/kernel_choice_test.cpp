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
#include "policy/tester.hpp"
#include "tests/support/network_namespace.hpp"
#include "xfrm/kernel.hpp"

using namespace keysluice;
using namespace keysluice::policy;
using namespace keysluice::test;

namespace {

constexpr std::uint8_t kUnportly = 200;  ///< a protocol without ports

struct Packet {
    std::uint8_t protocol = 0;
    IpAddress local;
    IpAddress remote;
    std::uint16_t local_port = 0;
    std::uint16_t remote_port = 0;

    [[nodiscard]] Family family() const { return local.family(); }
    [[nodiscard]] Box box() const {
        return {Interval{protocol, protocol}, Interval{number_of(local), number_of(local)},
                Interval{number_of(remote), number_of(remote)}, Interval{local_port, local_port},
                Interval{remote_port, remote_port}};
    }
    [[nodiscard]] std::string text() const {
        return std::to_string(protocol) + " " + local.text() + " " + std::to_string(local_port) + " > " +
               remote.text() + " " + std::to_string(remote_port);
    }
};

/// What an administrator would do by hand.
std::optional<std::size_t> first_match(const std::vector<Policy>& policies, const Packet& packet) {
    const auto address_fits = [](const std::vector<AddressRange>& ranges, const IpAddress& address) {
        return ranges.empty() || std::ranges::any_of(ranges, [&](const AddressRange& each) {
                   return each.first <= address && address <= each.last;
               });
    };
    const auto port_fits = [](const std::vector<PortRange>& ranges, std::uint16_t port) {
        return ranges.empty() || std::ranges::any_of(ranges, [&](const PortRange& each) {
                   return each.first <= port && port <= each.last;
               });
    };
    for (std::size_t place = 0; place < policies.size(); ++place) {
        const Policy& each = policies[place];
        if (each.protocol.value_or(packet.protocol) == packet.protocol && address_fits(each.local, packet.local) &&
            address_fits(each.remote, packet.remote) && port_fits(each.local_ports, packet.local_port) &&
            port_fits(each.remote_ports, packet.remote_port)) {
            return place;
        }
    }
    return std::nullopt;
}

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

/// Sets and packets from the same few addresses and ports, so that they meet.
class Dice {
   public:
    explicit Dice(unsigned seed) : random_(seed) {}

    bool one_in(unsigned count) { return below(count) == 0; }
    unsigned below(unsigned end) { return std::uniform_int_distribution<unsigned>(0, end - 1)(random_); }

    Policy policy(std::size_t place) {
        Policy made{.name = std::to_string(place), .disposition = Disposition::protect};
        made.protection.reqid = {static_cast<std::uint32_t>(place + 1)};
        const Family family = one_in(2) ? Family::ipv4 : Family::ipv6;
        for (auto* side : {&made.local, &made.remote}) {
            while (!one_in(2)) {
                side->push_back(addresses(side == &made.local, one_in(4) ? other(family) : family));
            }
        }
        if (!one_in(3)) {
            made.protocol = protocol(family);
        }
        if (made.protocol && (has_ports(*made.protocol) || is_icmp(*made.protocol))) {
            for (auto* side : {&made.local_ports, &made.remote_ports}) {
                while (!one_in(2)) {
                    const auto first = port();
                    side->push_back({first, std::max(first, port())});
                }
            }
        }
        return made;
    }

    Packet packet() {
        const Family family = one_in(2) ? Family::ipv4 : Family::ipv6;
        Packet made{.protocol = protocol(family), .local = address(true, family), .remote = address(false, family)};
        if (made.protocol != kUnportly) {
            made.local_port = port();
            made.remote_port = port();
        }
        return made;
    }

   private:
    static Family other(Family family) { return family == Family::ipv4 ? Family::ipv6 : Family::ipv4; }

    IpAddress address(bool local, Family family) {
        const unsigned host = 1 + below(30);
        return *IpAddress::parse(family == Family::ipv4 ? (local ? "10.0.0." : "10.9.0.") + std::to_string(host)
                                                        : (local ? "fd00::" : "fd09::") + std::to_string(host));
    }
    AddressRange addresses(bool local, Family family) {
        const IpAddress one = address(local, family);
        const IpAddress two = one_in(3) ? one : address(local, family);
        return {std::min(one, two), std::max(one, two)};
    }
    std::uint8_t protocol(Family family) {
        const std::array<std::uint8_t, 4> all{
            IPPROTO_UDP, IPPROTO_TCP, kUnportly,
            family == Family::ipv4 ? std::uint8_t{IPPROTO_ICMP} : std::uint8_t{IPPROTO_ICMPV6}};
        return all.at(below(4));
    }
    /// Also a type and a code.
    std::uint16_t port() { return static_cast<std::uint16_t>(150 + below(30)); }

    std::mt19937 random_;
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
