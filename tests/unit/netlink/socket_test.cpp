#include "netlink/socket.hpp"

#include <doctest/doctest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "netlink/attribute.hpp"
#include "tests/support/netlink_forger.hpp"
#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

/// A request with a header of type Header behind the netlink header.
template <typename Header>
struct Request {
    explicit Request(std::uint16_t type, Header value = {}) : header(value) {
        message.nlmsg_len = sizeof(Request);
        message.nlmsg_type = type;
    }
    nlmsghdr message{};
    Header header;
};

netlink::Socket route_socket() {
    auto socket = netlink::Socket::open(NETLINK_ROUTE);
    REQUIRE(socket);
    return *std::move(socket);
}

}  // namespace

TEST_CASE("a dump shows every answer and ends") {
    netlink::Socket socket = route_socket();
    // Twice: the second dump of one socket has a sequence number of its own.
    for (int round = 0; round < 2; ++round) {
        Request<ifinfomsg> links{RTM_GETLINK};
        int seen = 0;
        bool loopback = false;
        const auto dumped = socket.dump(links.message, "the links", [&](const nlmsghdr& answer) -> Result<void> {
            ++seen;
            const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&answer));
            loopback = loopback || link->ifi_index == 1;
            return {};
        });
        CHECK(dumped);
        CHECK(seen >= 1);
        CHECK(loopback);
    }
}

TEST_CASE("the visitor's failure ends a dump, and the next dump does not see its rest") {
    netlink::Socket socket = route_socket();
    Request<ifinfomsg> links{RTM_GETLINK};
    const auto stopped = socket.dump(links.message, "the links",
                                     [](const nlmsghdr&) -> Result<void> { return fail("enough", "seen enough"); });
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().reason == "enough");

    Request<ifaddrmsg> addresses{RTM_GETADDR};
    bool only_addresses = true;
    const auto dumped = socket.dump(addresses.message, "the addresses", [&](const nlmsghdr& answer) -> Result<void> {
        only_addresses = only_addresses && answer.nlmsg_type == RTM_NEWADDR;
        return {};
    });
    CHECK(dumped);
    CHECK(only_addresses);
}

TEST_CASE("a refused dump says in the kernel's own words why") {
    netlink::Socket socket = route_socket();
    // Strict checking: "Invalid values in header for address dump request" (net/ipv4/devinet.c).
    Request<ifaddrmsg> addresses{
        RTM_GETADDR, {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_flags = 0, .ifa_scope = 0, .ifa_index = 0}};
    const auto dumped =
        socket.dump(addresses.message, "the addresses", [](const nlmsghdr&) -> Result<void> { return {}; });
    REQUIRE_FALSE(dumped);
    CHECK(dumped.error().reason == "netlink-refused");
    CHECK(dumped.error().sentence.find("the addresses") != std::string::npos);
    CHECK(dumped.error().sentence.find("(\"ipv4: Invalid values in header") != std::string::npos);
}

TEST_CASE("a protocol that does not exist is refused when the socket is opened") {
    const auto socket = netlink::Socket::open(31);
    REQUIRE_FALSE(socket);
    CHECK(socket.error().reason == "netlink-unavailable");
}

TEST_CASE("a batch is answered request by request") {
    netlink::Socket socket = route_socket();
    const auto link = [](int index) {
        netlink::Request request{RTM_GETLINK};
        ifinfomsg wanted{};
        wanted.ifi_index = index;
        request.structure(wanted);
        return request;
    };
    // Twice: the answers to the second batch are not those to the first.
    for (int round = 0; round < 2; ++round) {
        std::vector<netlink::Request> requests{link(1), link(0x7ffffff0), link(1)};
        netlink::Request malformed{RTM_GETADDR};
        ifaddrmsg strict{};
        strict.ifa_family = AF_INET;
        strict.ifa_prefixlen = 24;
        requests.push_back(malformed.structure(strict));
        const auto answers = socket.transact(requests, "some links");
        REQUIRE_MESSAGE(answers, (answers ? "" : answers.error().sentence));
        REQUIRE(answers->size() == 4);
        CHECK((*answers)[0].error == 0);
        CHECK((*answers)[0].reply.size() > sizeof(nlmsghdr) + sizeof(ifinfomsg));
        CHECK((*answers)[1].error == ENODEV);
        CHECK((*answers)[1].reply.empty());
        CHECK((*answers)[2].error == 0);
        CHECK((*answers)[3].error != 0);
    }
    CHECK(socket.transact({}, "nothing")->empty());
}

TEST_CASE("a whole batch of refusals arrives, each with its words") {
    netlink::Socket socket = route_socket();
    std::vector<netlink::Request> requests;
    for (std::size_t i = 0; i < netlink::Socket::kBatch; ++i) {
        netlink::Request request{RTM_GETLINK};
        // Strict checking: "Invalid values in header for get link request" (net/core/rtnetlink.c).
        ifinfomsg wanted{};
        wanted.ifi_index = 1;
        wanted.ifi_flags = 1;
        requests.push_back(request.structure(wanted));
    }
    const auto answers = socket.transact(requests, "links");
    REQUIRE(answers);
    for (const netlink::Answer& answer : *answers) {
        CHECK(answer.error == EINVAL);
        CHECK(answer.text.find("Invalid values in header") != std::string::npos);
    }
}

TEST_CASE("a dump that was interrupted says so at its end") {
    const NetworkNamespace there;
    auto socket = there.run([] { return netlink::Socket::open(NETLINK_ROUTE); });
    REQUIRE(socket);
    const NetlinkForger kernel(there, NETLINK_ROUTE);
    REQUIRE(kernel.say(bytes_of({.header = {.nlmsg_len = sizeof(ForgedEnd),
                                            .nlmsg_type = NLMSG_DONE,
                                            .nlmsg_flags = NLM_F_MULTI | NLM_F_DUMP_INTR,
                                            .nlmsg_seq = 1,
                                            .nlmsg_pid = 0},
                                 .error = 0})));
    Request<ifinfomsg> links{RTM_GETLINK};
    const auto dumped = socket->dump(links.message, "the links", [](const nlmsghdr&) -> Result<void> { return {}; });
    REQUIRE_FALSE(dumped);
    CHECK(dumped.error().reason == "netlink-dump-interrupted");
    CHECK(dumped.error().sentence.contains("the links"));
}

TEST_CASE("answers that find no room are missed") {
    const NetworkNamespace there;
    auto socket = there.run([] { return netlink::Socket::open(NETLINK_ROUTE); });
    REQUIRE(socket);
    NetlinkForger(there, NETLINK_ROUTE).fill_up();
    std::vector<netlink::Request> requests;
    requests.emplace_back(RTM_GETLINK).structure(ifinfomsg{});
    const auto answers = socket->transact(requests, "a link");
    REQUIRE_FALSE(answers);
    CHECK(answers.error().reason == "netlink-answers-lost");
    CHECK(answers.error().sentence.contains("a link"));
}

TEST_CASE("a kernel that does not answer is not waited for, for ever") {
    netlink::Socket socket = route_socket();
    nlmsghdr nothing{};
    nothing.nlmsg_len = sizeof(nothing);
    nothing.nlmsg_type = NLMSG_NOOP;
    const auto dumped = socket.dump(nothing, "nothing", [](const nlmsghdr&) -> Result<void> { return {}; });
    REQUIRE_FALSE(dumped);
    CHECK(dumped.error().reason == "netlink-silent");
    CHECK(dumped.error().sentence == "the kernel did not answer nothing within 2 s");
}

TEST_CASE("a request that nobody takes was not carried out") {
    // A protocol for programs among themselves, with no kernel at its end.
    auto socket = netlink::Socket::open(NETLINK_USERSOCK);
    REQUIRE(socket);
    Request<ifinfomsg> links{RTM_GETLINK};
    const auto dumped = socket->dump(links.message, "the links", [](const nlmsghdr&) -> Result<void> { return {}; });
    REQUIRE_FALSE(dumped);
    CHECK(dumped.error().reason == "netlink-send-failed");
    std::vector<netlink::Request> requests(1, netlink::Request{RTM_GETLINK});
    CHECK(socket->transact(requests, "a link").error().reason == "netlink-send-failed");
}
