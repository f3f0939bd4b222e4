#include "xfrm/probe.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/network_namespace.hpp"
#include "tests/support/protected_pair.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;
using namespace keysluice::test;

namespace {

Capabilities probe_in(Kernel& kernel) {
    const Secret<64> key{key_of(1, 64)};
    return probe(kernel, {.key = key, .spi = {0xc0000001}});
}

bool says(const Error& error, std::string_view words) {
    return error.sentence.find(words) != std::string::npos;
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("xfrm: the probe says what there is, and leaves nothing behind") {
        const NetworkNamespace there;
        Kernel kernel = there.run([] { return Kernel::open(); }).value();
        const Capabilities found = probe_in(kernel);
        CHECK(kernel.sas()->empty());
        if (!kernel_has_esp()) {
            CHECK_FALSE(found.esp_ipv4);
            CHECK_FALSE(found.esp_ipv6);
            CHECK(found.algorithms.empty());
            REQUIRE(found.missing.size() == 2);
            CHECK(found.missing[0].reason == "kernel-without-esp");
            CHECK(says(found.missing[0], "CONFIG_INET_ESP"));
            CHECK(found.missing[1].reason == "kernel-lacks");
            CHECK(says(found.missing[1], "CONFIG_INET6_ESP"));
            return;
        }
        for (const Error& missing : found.missing) {
            MESSAGE(missing.sentence);
        }
        CHECK(found.missing.empty());
        CHECK(found.esp_ipv4);
        CHECK(found.esp_ipv6);
        CHECK(found.esn);
        CHECK(found.udp_encapsulation_ipv4);
        CHECK(found.udp_encapsulation_ipv6);
        CHECK(found.algorithms.size() == 11);
        CHECK(std::ranges::count(found.algorithms, algorithms::kAesCmac) == 1);
        CHECK(std::ranges::count(found.algorithms, algorithms::kHmacMd5) == 0);
    }

    TEST_CASE("xfrm: an SA with the trial's name does not disturb the probe, nor the probe it") {
        if (!kernel_has_esp()) {
            return;
        }
        const NetworkNamespace there;
        Kernel kernel = there.run([] { return Kernel::open(); }).value();
        Sa sa;
        sa.source = IpAddress::parse("192.0.2.1").value();
        sa.destination = IpAddress::parse("192.0.2.2").value();
        sa.spi = {0xc0000001};
        sa.algorithms = aes_gcm(1);
        Transaction changes;
        changes.add(std::move(sa));
        REQUIRE(kernel.apply(changes));
        CHECK(probe_in(kernel).missing.empty());
        CHECK(kernel.sas()->size() == 1);
    }

    TEST_CASE("xfrm: an older dialect is understood by newer kernels") {
        if (!kernel_has_esp()) {
            return;
        }
        const NetworkNamespace there;
        auto socket = there.run([] { return netlink::Socket::open(NETLINK_XFRM); }).value();
        Sa sa;
        sa.direction = Direction::out;
        sa.source = IpAddress::parse("192.0.2.1").value();
        sa.destination = IpAddress::parse("192.0.2.2").value();
        sa.spi = {0xc0000001};
        sa.algorithms = aes_gcm(1);
        sa.esn = true;
        std::vector<netlink::Request> requests;
        requests.push_back(encode_add(sa, {.sa_direction = false}));
        const auto answers = socket.transact(requests, "an SA of the old kind");
        REQUIRE(answers);
        CHECK(answers->front().error == 0);
    }
}
