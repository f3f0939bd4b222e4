#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/protected_pair.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using namespace keysluice::test;

namespace {

Prefix prefix(std::string_view text) {
    return Prefix::parse(text).value();
}

Events events_in(const NetworkNamespace& there, int receive_buffer = Events::kReceiveBuffer) {
    auto events = there.run([&] { return Events::open(receive_buffer); });
    REQUIRE_MESSAGE(events, (events ? "" : events.error().sentence));
    return *std::move(events);
}

/// The next event; nothing after three seconds without one.
std::optional<Event> wait_for(Events& events) {
    pollfd readable{.fd = events.fd(), .events = POLLIN, .revents = 0};
    static_cast<void>(::poll(&readable, 1, 3000));
    auto event = events.next();
    REQUIRE_MESSAGE(event, (event ? "" : event.error().sentence));
    return *std::move(event);
}

template <typename Kind>
Kind expect(Events& events) {
    const auto event = wait_for(events);
    REQUIRE(event);
    REQUIRE(std::holds_alternative<Kind>(*event));
    return std::get<Kind>(*event);
}

/// A network with a trap for everything to 10.9.0.0/16.
struct Trap {
    Trap() {
        there.shell(
            "ip link add one type veth peer name other && ip addr add 10.8.0.1/32 dev one && "
            "ip link set one up && ip link set other up && ip route add 10.9.0.0/16 dev one src 10.8.0.1");
        auto opened = there.run([] { return Kernel::open(); });
        REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().sentence));
        const Policy trap{.selector = {.source = prefix("10.8.0.0/16"), .destination = prefix("10.9.0.0/16")},
                          .priority = 1000,
                          .templates = {{.mode = Mode::transport, .reqid = {77}}},
                          .if_id = {},
                          .mark = {}};
        Transaction changes;
        changes.add(trap);
        const auto applied = opened->apply(changes);
        REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
    }

    /// Sends one datagram from port 1111 to port 2222.
    void knock(std::uint8_t host) const {
        const UniqueFd socket = there.run([] { return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_port = htons(1111);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0);
        sockaddr_in to = own;
        to.sin_port = htons(2222);
        to.sin_addr.s_addr = htonl(0x0a090000U + host);
        static_cast<void>(
            ::sendto(socket.get(), "x", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
    }

    NetworkNamespace there;
};

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("xfrm: a packet in a trap asks for an SA") {
        const Trap trap;
        Events events = events_in(trap.there);
        CHECK_FALSE(events.next().value());
        trap.knock(5);
        const auto acquire = expect<Acquire>(events);
        CHECK(acquire.source.text() == "10.8.0.1");
        CHECK(acquire.destination.text() == "10.9.0.5");
        CHECK(acquire.packet == Selector{.source = prefix("10.8.0.1"),
                                         .destination = prefix("10.9.0.5"),
                                         .protocol = IPPROTO_UDP,
                                         .source_port = {1111, 0xffff},
                                         .destination_port = {2222, 0xffff}});
        CHECK(acquire.policy == Selector{.source = prefix("10.8.0.0/16"), .destination = prefix("10.9.0.0/16")});
        REQUIRE(acquire.templates.size() == 1);
        CHECK(acquire.templates[0] == Template{.mode = Mode::transport, .reqid = {77}});
        CHECK(acquire.sequence != 0);
        CHECK(acquire.policy_index != 0);

        // The same need is told once.
        trap.knock(5);
        CHECK_FALSE(events.next().value());
        // A placeholder stands for it, under the number that the answer has to name.
        const auto sas = trap.there.run([] { return Kernel::open(); })->sas();
        REQUIRE(sas);
        REQUIRE(sas->size() == 1);
        CHECK(sas->front().id.spi == Spi{});
        CHECK(sas->front().acquire_sequence == acquire.sequence);
        CHECK(sas->front().algorithm.empty());
    }

    TEST_CASE("xfrm: a need that nobody answers expires") {
        const Trap trap;
        trap.there.shell("echo 1 > /proc/sys/net/core/xfrm_acq_expires");
        Events events = events_in(trap.there);
        trap.knock(5);
        static_cast<void>(expect<Acquire>(events));
        const auto expire = expect<Expire>(events);
        CHECK(expire.id.spi == Spi{});
        CHECK(expire.hard);
        CHECK(expire.id.destination.text() == "10.9.0.5");
        CHECK(expire.reqid == ReqId{77});
    }

    TEST_CASE("xfrm: lost events are told, and later ones come again") {
        const Trap trap;
        Events events = events_in(trap.there, 4096);
        for (std::uint8_t host = 1; host <= 40; ++host) {
            trap.knock(host);
        }
        int lost = 0;
        int acquires = 0;
        while (const auto event = events.next().value()) {
            lost += std::holds_alternative<Lost>(*event) ? 1 : 0;
            acquires += std::holds_alternative<Acquire>(*event) ? 1 : 0;
        }
        CHECK(lost == 1);
        CHECK(acquires >= 1);
        CHECK(acquires < 40);
        // A need that the kernel could not tell leaves no placeholder behind: the next packet asks anew.
        const auto sas = trap.there.run([] { return Kernel::open(); })->sas();
        REQUIRE(sas);
        CHECK(static_cast<int>(sas->size()) == acquires);

        trap.knock(40);
        CHECK(expect<Acquire>(events).destination.text() == "10.9.0.40");
    }

    TEST_CASE("xfrm: an SA that answers a need takes the placeholder's place") {
        if (!kernel_has_esp()) {
            return;
        }
        const Trap trap;
        Events events = events_in(trap.there);
        trap.knock(5);
        const auto acquire = expect<Acquire>(events);
        Kernel kernel = trap.there.run([] { return Kernel::open(); }).value();
        Sa sa;
        sa.direction = Direction::out;
        sa.source = acquire.source;
        sa.destination = acquire.destination;
        sa.spi = {0xc0000005};
        sa.mode = Mode::transport;
        sa.reqid = acquire.templates.at(0).reqid;
        sa.algorithms = aes_gcm(1);
        sa.acquire_sequence = acquire.sequence;
        Transaction changes;
        changes.add(std::move(sa));
        REQUIRE(kernel.apply(changes));
        const auto sas = kernel.sas();
        REQUIRE(sas);
        REQUIRE(sas->size() == 1);
        CHECK(sas->front().id.spi == Spi{0xc0000005});
    }

    TEST_CASE("xfrm: limits are told before and when they are reached") {
        if (!kernel_has_esp()) {
            return;
        }
        ProtectedPair pair{{.algorithms = aes_gcm}};
        Events events = events_in(pair.spaces.left);
        REQUIRE(pair.left.kernel.apply(pair.changes(pair.left, [](Sa& sa) {
            sa.soft.packets = 1;
            sa.hard.packets = 4;
        })));
        REQUIRE(pair.right.kernel.apply(pair.changes(pair.right)));
        const auto payload = key_of(1, 100);
        CHECK(send_datagram(pair.left, pair.right, payload) == payload);
        CHECK_FALSE(events.next().value());
        CHECK(send_datagram(pair.left, pair.right, payload) == payload);
        const auto soft = expect<Expire>(events);
        CHECK_FALSE(soft.hard);
        CHECK(soft.id == pair.left.sending);
        CHECK(soft.source == pair.left.outer);
        CHECK(soft.reqid == ReqId{7});
        CHECK(soft.packets >= 1);
        for (int i = 0; i < 3; ++i) {
            static_cast<void>(send_datagram(pair.left, pair.right, payload, 300));
        }
        const auto hard = expect<Expire>(events);
        CHECK(hard.hard);
        CHECK(hard.id == pair.left.sending);
        const auto gone = pair.left.kernel.sa(pair.left.sending);
        REQUIRE_FALSE(gone);
        CHECK(gone.error().reason == "xfrm-missing");
    }

    TEST_CASE("xfrm: ESP in UDP from another port is told") {
        if (!kernel_has_esp()) {
            return;
        }
        ProtectedPair pair{{.algorithms = aes_gcm, .encapsulated = true}};
        Events events = events_in(pair.spaces.left);
        REQUIRE(pair.left.kernel.apply(pair.changes(pair.left)));
        REQUIRE(pair.right.kernel.apply(pair.changes(pair.right, [](Sa& sa) {
            if (sa.direction == Direction::out) {
                sa.encapsulation->source_port = 40123;
            }
        })));
        const auto payload = key_of(1, 100);
        CHECK(send_datagram(pair.right, pair.left, payload) == payload);
        const auto change = expect<MappingChange>(events);
        CHECK(change.id == pair.left.receiving);
        CHECK(change.reqid == ReqId{7});
        CHECK(change.before.text() == "10.0.0.2:4500");
        CHECK(change.after.text() == "10.0.0.2:40123");
    }
}
