#include "tests/support/policed_host.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <tuple>

#include "policy/discard_rules.hpp"
#include "policy/priorities.hpp"

namespace keysluice::test {

namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    SocketAddress(const IpAddress& address, std::uint16_t port) {
        if (address.family() == Family::ipv4) {
            auto* four = reinterpret_cast<sockaddr_in*>(&storage);
            four->sin_family = AF_INET;
            four->sin_port = htons(port);
            std::memcpy(&four->sin_addr, address.octets().data(), 4);
            size = sizeof(sockaddr_in);
        } else {
            auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
            six->sin6_family = AF_INET6;
            six->sin6_port = htons(port);
            std::memcpy(&six->sin6_addr, address.octets().data(), 16);
            size = sizeof(sockaddr_in6);
        }
    }
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

UniqueFd bound(const IpAddress& address, std::uint16_t port, int type) {
    UniqueFd socket{
        ::socket(address.family() == Family::ipv4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const SocketAddress own{address, port};
    const int on = 1;
    REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
    REQUIRE(::bind(socket.get(), own.get(), own.size) == 0);
    return socket;
}

}  // namespace

PolicedHost::PolicedHost() {
    here().shell("ip addr add 10.0.0.3/24 dev veth && ip addr add fd00::3/64 dev veth nodad");
    there().shell("ip addr add 10.0.0.4/24 dev veth && ip addr add fd00::4/64 dev veth nodad");
    // Nobody looks for a neighbour while packets are counted.
    for (const auto& [from, to, host] :
         {std::tuple(&here(), &there(), "2 4"), std::tuple(&there(), &here(), "1 3")}) {
        from->shell("mac=$(nsenter --net=" + to->path() +
                    " ip -o link show veth | sed 's/.*ether \\([0-9a-f:]*\\).*/\\1/'); for n in " +
                    std::string(host) +
                    "; do ip neigh replace 10.0.0.$n lladdr $mac dev veth nud permanent && "
                    "ip neigh replace fd00::$n lladdr $mac dev veth nud permanent || exit 1; done");
    }
    auto opened = here().run([] { return xfrm::Kernel::open(); });
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().sentence));
    kernel.emplace(*std::move(opened));
    count_anew();
}

void PolicedHost::count_anew() {
    counter.reset();
    auto opened = here().run([] { return control::DiscardCounter::open({500, 4500}); });
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().sentence));
    counter.emplace(*std::move(opened));
}

void PolicedHost::load(std::vector<policy::Policy> policies) {
    const auto priorities = policy::place_priorities(std::vector<std::uint32_t>(policies.size()));
    for (std::size_t place = 0; place < policies.size(); ++place) {
        policies[place].priority = priorities[place];
    }
    const auto counting = counter->load(policies);
    REQUIRE_MESSAGE(counting, (counting ? "" : counting.error().sentence));
    auto next = policy::kernel_entries(policies, counter->discards());
    REQUIRE(next);
    xfrm::Transaction removal;
    for (const policy::KernelEntry& each : entries) {
        removal.remove(each.policy.id());
    }
    REQUIRE(kernel->apply(removal));
    entries = *std::move(next);
    loaded = policies;
    xfrm::Transaction changes;
    for (const policy::KernelEntry& each : entries) {
        changes.add(each.policy);
    }
    const auto applied = kernel->apply(changes);
    REQUIRE_MESSAGE(applied, (applied ? "" : applied.error().sentence));
}

std::vector<std::uint64_t> PolicedHost::counts() {
    auto counts = counter->counts();
    REQUIRE_MESSAGE(counts, (counts ? "" : counts.error().sentence));
    REQUIRE(counts->size() == loaded.size());
    return *std::move(counts);
}

std::string PolicedHost::counted() {
    const auto all = counts();
    std::string text;
    for (std::size_t place = 0; place < all.size(); ++place) {
        if (all[place] != 0) {
            text += policy::discard_label(loaded[place]) + " " + std::to_string(all[place]) + " ";
        }
    }
    return text;
}

bool PolicedHost::counts_out() const {
    if (counter->discards() == policy::Discards::drained) {
        return true;
    }
    REQUIRE(counter->obstacle());
    if (std::getenv("KEYSLUICE_GUEST") != nullptr) {
        FAIL(counter->obstacle()->sentence);
    }
    MESSAGE("skipped: ", counter->obstacle()->sentence);
    return false;
}

std::uint64_t PolicedHost::statistic(const std::string& name) const {
    return here().run([&name] {
        std::ifstream file("/proc/thread-self/net/xfrm_stat");
        std::string each;
        std::uint64_t count = 0;
        while (file >> each >> count) {
            if (each == name) {
                return count;
            }
        }
        FAIL("no such statistic: ", name);
        return count;
    });
}

void PolicedHost::send(const NetworkNamespace& from, const Sent& sent) {
    const SocketAddress to{sent.to, sent.to_port};
    const NetworkNamespace::Inside inside{from};
    if (sent.type == SOCK_DGRAM) {
        const UniqueFd socket = bound(sent.from, sent.from_port, SOCK_DGRAM);
        for (unsigned done = 0; done < sent.times; ++done) {
            // What is discarded may be refused.
            const ssize_t size = ::sendto(socket.get(), "hello", 5, 0, to.get(), to.size);
            REQUIRE((size == 5 || errno == EPERM));
        }
        return;
    }
    for (unsigned done = 0; done < sent.times; ++done) {
        const UniqueFd socket = bound(sent.from, sent.from_port, SOCK_STREAM);
        REQUIRE(::connect(socket.get(), to.get(), to.size) == -1);
        REQUIRE((errno == EINPROGRESS || errno == EPERM));
    }
}

Mailbox::Mailbox(const NetworkNamespace& where, const IpAddress& address, std::uint16_t port)
    : socket_(where.run([&] { return bound(address, port, SOCK_DGRAM); })) {
    const int room = 64 << 20;
    REQUIRE(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) == 0);
}

unsigned Mailbox::empty() const {
    char buffer[16];
    unsigned count = 0;
    while (::recv(socket_.get(), buffer, sizeof(buffer), MSG_DONTWAIT) >= 0) {
        ++count;
    }
    return count;
}

}  // namespace keysluice::test
