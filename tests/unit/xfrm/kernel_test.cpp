#include "xfrm/kernel.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/netlink_forger.hpp"
#include "tests/support/network_namespace.hpp"
#include "tests/support/protected_pair.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using namespace keysluice::test;

namespace {

Kernel kernel_in(const NetworkNamespace& there) {
    auto kernel = there.run([] { return Kernel::open(); });
    REQUIRE_MESSAGE(kernel, (kernel ? "" : kernel.error().sentence));
    return *std::move(kernel);
}

/// 10.x.y.0/24 to 192.168.0.0/16.
Policy policy(unsigned number, std::uint32_t priority = 5000) {
    const std::string source = "10." + std::to_string(number / 256) + "." + std::to_string(number % 256) + ".0/24";
    return {
        .direction = Direction::out,
        .selector = {.source = Prefix::parse(source).value(), .destination = Prefix::parse("192.168.0.0/16").value()},
        .priority = priority};
}

Sa impossible_sa() {
    Sa sa;
    sa.source = IpAddress::parse("192.0.2.1").value();
    sa.destination = IpAddress::parse("192.0.2.2").value();
    sa.spi = {0xc0000001};
    sa.algorithms = Aead{.name = "rfc4106(nonsense)", .key = Secret<36>(key_of(1, 20))};
    return sa;
}

std::vector<Policy> listed(Kernel& kernel) {
    auto states = kernel.policies();
    REQUIRE(states);
    std::vector<Policy> policies;
    for (const PolicyState& state : *states) {
        policies.push_back(state.policy);
    }
    std::ranges::sort(policies);
    return policies;
}

void require_ok(const Result<void>& result) {
    REQUIRE_MESSAGE(result, (result ? "" : result.error().sentence));
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("xfrm: policies come back as they were installed") {
        const NetworkNamespace there;
        Kernel kernel = kernel_in(there);
        const Policy tunnel{.direction = Direction::fwd,
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
                            .mark = Mark{.value = 2, .mask = 0xff}};
        const Policy transport{.direction = Direction::out,
                               .selector = {.source = Prefix::parse("10.0.0.1").value(),
                                            .destination = Prefix::parse("10.0.0.0/8").value()},
                               .priority = 7,
                               .templates = {{.protocol = Protocol::ah, .mode = Mode::transport, .level = Level::use},
                                             {.mode = Mode::transport, .reqid = {5}}}};
        Policy block = policy(1);
        block.direction = Direction::in;
        block.action = Action::block;
        std::vector<Policy> expected{tunnel, transport, block};
        Transaction changes;
        for (const Policy& one : expected) {
            changes.add(one);
        }
        require_ok(kernel.apply(changes));
        std::ranges::sort(expected);
        CHECK((listed(kernel) == expected));

        Transaction removal;
        removal.remove(tunnel.id()).remove(block.id());
        require_ok(kernel.apply(removal));
        CHECK((listed(kernel) == std::vector{transport}));
        // What is not there need not be removed.
        removal.remove(SaId{.destination = IpAddress::parse("10.0.0.1").value(), .spi = {0xc0000001}});
        require_ok(kernel.apply(removal));
    }

    TEST_CASE("xfrm: policies for the same packets are told apart by their user, and packets know none") {
        const NetworkNamespace there;
        there.shell(
            "ip link add one type veth peer name other && ip link set one arp off up && ip link set other up && "
            "ip address add 10.0.0.1/24 dev one");
        Kernel kernel = kernel_in(there);
        const UniqueFd socket = there.run([] { return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
        REQUIRE(socket);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(9);
        to.sin_addr.s_addr = htonl(0x0a000002);
        const auto passes = [&] {
            return ::sendto(socket.get(), "", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 1;
        };
        const Selector all{.source = Prefix::parse("10.0.0.0/24").value(),
                           .destination = Prefix::parse("10.0.0.0/24").value()};
        std::vector<Policy> expected(3, {.direction = Direction::out, .selector = all});
        expected[0].priority = 10;
        expected[0].action = Action::block;
        expected[1].priority = 5;
        expected[1].selector.user = 1;
        expected[2].priority = 3;
        expected[2].selector.user = UINT32_MAX;
        expected[2].action = Action::block;
        for (const Policy& each : expected) {
            require_ok(kernel.apply(Transaction().add(each)));
            CHECK(passes() == (each.action == Action::allow));
        }
        std::ranges::sort(expected);
        CHECK((listed(kernel) == expected));
        require_ok(kernel.apply(Transaction().remove(expected[2].id())));
        CHECK(passes());
        require_ok(kernel.apply(Transaction().remove(expected[1].id())));
        CHECK_FALSE(passes());
        CHECK((listed(kernel) == std::vector{expected[0]}));
    }

    TEST_CASE("xfrm: where the answer gets lost, nobody knows what the kernel has done") {
        const NetworkNamespace there;
        Kernel kernel = kernel_in(there);
        NetlinkForger(there, NETLINK_XFRM).fill_up();
        Transaction changes;
        changes.add(policy(1));
        const auto applied = kernel.apply(changes);
        REQUIRE_FALSE(applied);
        CHECK(applied.error().reason == "xfrm-uncertain");
        CHECK(applied.error().sentence.contains("whether the kernel made the changes is unknown"));
        Kernel another = kernel_in(there);
        CHECK((listed(another) == std::vector{policy(1)}));
    }

    TEST_CASE("xfrm: where one part fails, what was done before and after it is undone") {
        const NetworkNamespace there;
        Kernel kernel = kernel_in(there);
        Transaction first;
        first.add(policy(2, 10)).add(policy(3, 10));
        require_ok(kernel.apply(first));
        const auto before = listed(kernel);

        Transaction changes;
        changes.add(policy(1)).replace(policy(2, 99), policy(2, 10)).replace(policy(5), std::nullopt);
        // Undone in reverse, else the one in between would stay.
        changes.replace(policy(2, 77), policy(2, 99));
        SUBCASE("one that exists, which stays") {
            changes.add(policy(3, 99)).add(policy(4));
            const auto applied = kernel.apply(changes);
            REQUIRE_FALSE(applied);
            CHECK(applied.error().reason == "xfrm-exists");
            CHECK(applied.error().sentence ==
                  "the kernel refused the out policy for 10.0.3.0/24 to 192.168.0.0/16: File exists");
        }
        SUBCASE("an SA with an algorithm that does not exist") {
            changes.add(impossible_sa()).add(policy(4));
            const auto applied = kernel.apply(changes);
            REQUIRE_FALSE(applied);
            CHECK(applied.error().reason == "netlink-not-supported");
            CHECK(applied.error().sentence ==
                  "this kernel does not know the ESP SA c0000001 to 192.0.2.2: Function not implemented (\"Requested "
                  "AEAD algorithm not found\")");
        }
        SUBCASE("in a later batch") {
            for (unsigned i = 0; i < 250; ++i) {
                changes.add(policy(1000 + i));
            }
            changes.add(policy(3)).add(policy(4));
            const auto applied = kernel.apply(changes);
            REQUIRE_FALSE(applied);
            CHECK(applied.error().reason == "xfrm-exists");
        }
        SUBCASE("and the removals were not begun") {
            changes.add(policy(3)).remove(policy(2).id());
            CHECK_FALSE(kernel.apply(changes));
        }
        CHECK((listed(kernel) == before));
    }

    TEST_CASE("xfrm: a thousand changes at once arrive, and go") {
        const NetworkNamespace there;
        Kernel kernel = kernel_in(there);
        Transaction additions;
        Transaction removals;
        for (unsigned i = 0; i < 1000; ++i) {
            additions.add(policy(i));
            removals.remove(policy(i).id());
        }
        require_ok(kernel.apply(additions));
        CHECK(listed(kernel).size() == 1000);
        require_ok(kernel.apply(removals));
        CHECK(listed(kernel).empty());
        require_ok(kernel.apply({}));
    }

    TEST_CASE("xfrm: an SA comes back as it was installed") {
        if (!kernel_has_esp()) {
            return;
        }
        const NetworkNamespace there;
        Kernel kernel = kernel_in(there);
        Sa sa;
        sa.direction = Direction::in;
        sa.source = IpAddress::parse("fd00::1").value();
        sa.destination = IpAddress::parse("fd00::2").value();
        sa.spi = {0xc0000001};
        sa.reqid = {0x11223344};
        sa.mode = Mode::transport;
        sa.algorithms =
            Classic{.cipher = {.name = algorithms::kAesCbc, .key = Secret<36>(key_of(1, 16))},
                    .auth = {.name = algorithms::kHmacSha384, .key = Secret<64>(key_of(1, 48)), .trunc_bits = 192}};
        sa.esn = true;
        sa.replay_window = 256;
        sa.selector = Selector{.source = Prefix::parse("fd00::1").value(),
                               .destination = Prefix::parse("fd00::2").value(),
                               .protocol = 17,
                               .destination_port = {53, 0xffff}};
        sa.hard = {.bytes = 2000, .packets = 20, .seconds = 200};
        sa.soft = {.bytes = 1000, .packets = 10, .seconds = 100};
        // The loopback device has nothing to offer, and the kernel does without it silently.
        sa.offload = Offload{.device = 1, .inbound = true};
        sa.mark = Mark{.value = 2, .mask = 0xff};
        const SaId id = sa.id();
        const Selector selector = *sa.selector;
        Transaction changes;
        changes.add(std::move(sa));
        require_ok(kernel.apply(changes));

        const auto state = kernel.sa(id);
        REQUIRE_MESSAGE(state, (state ? "" : state.error().sentence));
        CHECK(state->id == id);
        CHECK(state->source.text() == "fd00::1");
        CHECK(state->reqid == ReqId{0x11223344});
        CHECK(state->mode == Mode::transport);
        CHECK(state->direction.has_value() == kernel.dialect().sa_direction);
        CHECK(state->direction.value_or(Direction::in) == Direction::in);
        CHECK(state->algorithm == algorithms::kAesCbc);
        CHECK(state->authentication == algorithms::kHmacSha384);
        CHECK(state->esn);
        CHECK(state->replay_window == 256);
        CHECK(state->selector == selector);
        CHECK(state->hard == Limits{.bytes = 2000, .packets = 20, .seconds = 200});
        CHECK(state->soft == Limits{.bytes = 1000, .packets = 10, .seconds = 100});
        CHECK(state->offload == std::nullopt);
        CHECK(state->added_at > 1'000'000'000);
        CHECK(state->used_at == 0);

        const auto all = kernel.sas();
        REQUIRE(all);
        REQUIRE(all->size() == 1);
        CHECK(all->front().id == id);

        // The same name again, with another key: refused, and the first one stays.
        Sa again;
        again.source = state->source;
        again.destination = id.destination;
        again.spi = id.spi;
        again.mark = id.mark;
        again.algorithms = aes_gcm(1);
        Transaction repeated;
        repeated.add(std::move(again));
        const auto applied = kernel.apply(repeated);
        REQUIRE_FALSE(applied);
        CHECK(applied.error().reason == "xfrm-exists");
        CHECK(kernel.sas()->size() == 1);

        Transaction removal;
        removal.remove(id);
        require_ok(kernel.apply(removal));
        CHECK(kernel.sa(id).error().reason == "xfrm-missing");
    }

    TEST_CASE("xfrm: whoever may not use it is told so") {
        const NetworkNamespace there;
        const auto child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            const NetworkNamespace::Inside inside{there};
            bool told = ::setresuid(65534, 65534, 65534) == 0;
            const auto kernel = Kernel::open();
            told = told && !kernel && kernel.error().reason == "netlink-not-permitted";
            const auto events = Events::open();
            told = told && !events && events.error().reason == "netlink-unavailable";
            ::_exit(told ? 0 : 1);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
}
