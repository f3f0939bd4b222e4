#include "tests/support/kernel.hpp"

#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "ktls/inet_diag.hpp"
#include "ktls/loopback.hpp"
#include "ktls/probe.hpp"
#include "ktls/record.hpp"
#include "ktls/statistics.hpp"
#include "netlink/socket.hpp"
#include "tests/support/carried_pair.hpp"

using namespace keysluice;
using namespace keysluice::ktls;
using namespace keysluice::test;

namespace {

constexpr std::size_t kMebibyte = 1'048'576;

std::vector<std::uint8_t> payload(std::size_t size, std::uint8_t seed) {
    std::vector<std::uint8_t> bytes(size);
    std::uint32_t state = seed + 1U;
    for (std::uint8_t& byte : bytes) {
        state = state * 1'664'525U + 1'013'904'223U;
        byte = static_cast<std::uint8_t>(state >> 24U);
    }
    return bytes;
}

/// Moves the bytes without blocking in either call, as buffers allow.
std::vector<std::uint8_t> move_bytes(int from, int to, Bytes bytes) {
    std::vector<std::uint8_t> received;
    std::vector<std::uint8_t> buffer(65536);
    const std::size_t expected = bytes.size();
    while (received.size() < expected) {
        const ssize_t sent =
            bytes.empty() ? 0 : ::send(from, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
        pollfd readable{.fd = to, .events = POLLIN, .revents = 0};
        REQUIRE(::poll(&readable, 1, 10'000) == 1);
        const auto record = receive_record(to, buffer);
        require_ok(record);
        if (const auto* data = std::get_if<Data>(&*record)) {
            received.insert(received.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(data->size));
        } else {
            REQUIRE(*record == ktls::Record{WouldBlock{}});
        }
    }
    return received;
}

std::uint16_t local_port(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    std::uint16_t port = 0;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&address) + 2, 2, reinterpret_cast<std::uint8_t*>(&port));
    return static_cast<std::uint16_t>((port << 8U) | (port >> 8U));
}

const TestKeys kSomeKeys = TestKeys::make(Version::tls13, Cipher::aes128_gcm, 3);

std::string_view reason(const Result<void>& result) {
    return result ? "" : result.error().reason;
}

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("the probe finds every cipher of both versions") {
        if (!kernel_has_ktls()) {
            CHECK(kernel_capabilities().absent->reason == "kernel-without-ktls");
            CHECK_FALSE(kernel_capabilities().carries_any());
            return;
        }
        for (const Version version : kVersions) {
            for (const Cipher cipher : kCiphers) {
                CAPTURE(name(version));
                CAPTURE(name(cipher));
                CHECK(kernel_capabilities().carries(version, cipher));
            }
        }
        // Sending and receiving got it together.
        CHECK(kernel_capabilities().rekeys_receiving == kernel_capabilities().rekeys_sending);
        MESSAGE(std::string{kernel_capabilities().rekeys_receiving ? "this kernel rekeys"
                                                                   : "this kernel does not rekey"});
    }

    TEST_CASE("a mebibyte arrives unchanged both ways, with every cipher of both versions") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const Version version : kVersions) {
            for (const Cipher cipher : kCiphers) {
                CAPTURE(name(version));
                CAPTURE(name(cipher));
                const TcpPair pair = carried_pair(version, cipher);
                const KeyPair keys = KeyPair::make(version, cipher);
                CHECK(in_force(pair.client.get(), keys.client.for_kernel<Tx>()).value());
                CHECK(in_force(pair.client.get(), keys.server.for_kernel<Rx>()).value());
                CHECK(in_force(pair.server.get(), keys.client.for_kernel<Rx>()).value());
                CHECK(in_force(pair.server.get(), keys.server.for_kernel<Tx>()).value());

                const auto there = payload(kMebibyte, 1);
                CHECK((move_bytes(pair.client.get(), pair.server.get(), there) == there));
                const auto back = payload(kMebibyte, 2);
                CHECK((move_bytes(pair.server.get(), pair.client.get(), back) == back));
                CHECK_FALSE(in_force(pair.client.get(), keys.client.for_kernel<Tx>()).value());
            }
        }
    }

    TEST_CASE(
        "a connection is taken over in its middle: the kernel goes on with the sequence number that it is given") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const Version version : kVersions) {
            const TcpPair pair = tcp_pair();
            const KeyPair keys = KeyPair::make(version, Cipher::aes256_gcm);
            require_ok(attach(pair.server.get()));
            require_ok(install(pair.server.get(), keys.client.for_kernel<Rx>(0x1'0000'0005)));
            // Bytes that came before the keys are decrypted too.
            RecordSealer sealer{keys.client, 0x1'0000'0005};
            const auto record = sealer.seal(ContentType::application_data, as_bytes("the sixth"));
            REQUIRE(::send(pair.client.get(), record.data(), record.size(), 0) ==
                    static_cast<ssize_t>(record.size()));
            std::vector<std::uint8_t> buffer(100);
            REQUIRE(::recv(pair.server.get(), buffer.data(), buffer.size(), 0) == 9);
            CHECK(as_text(Bytes{buffer}.first(9)) == "the sixth");
        }
    }

    TEST_CASE("other keys are not in force, and none are not") {
        if (!kernel_has_ktls()) {
            return;
        }
        const TcpPair pair = tcp_pair();
        const int fd = pair.server.get();
        CHECK_FALSE(in_force(fd, kSomeKeys.for_kernel<Rx>()).value());
        require_ok(attach(fd));
        CHECK_FALSE(in_force(fd, kSomeKeys.for_kernel<Rx>()).value());
        require_ok(install(fd, kSomeKeys.for_kernel<Rx>()));
        CHECK(in_force(fd, kSomeKeys.for_kernel<Rx>()).value());
        CHECK_FALSE(in_force(fd, kSomeKeys.for_kernel<Tx>()).value());
        CHECK_FALSE(in_force(fd, kSomeKeys.for_kernel<Rx>(1)).value());
        CHECK_FALSE(in_force(fd, TestKeys::make(Version::tls13, Cipher::aes128_gcm, 4).for_kernel<Rx>()).value());
        CHECK_FALSE(in_force(fd, TestKeys::make(Version::tls13, Cipher::aes256_gcm, 3).for_kernel<Rx>()).value());
        CHECK(in_force(-1, kSomeKeys.for_kernel<Rx>()).error().reason == "ktls-read-back-failed");
    }

    TEST_CASE("what the kernel refuses has a reason") {
        if (!kernel_has_ktls()) {
            return;
        }
        const TcpPair pair = tcp_pair();
        const int fd = pair.server.get();
        CHECK(reason(install(fd, kSomeKeys.for_kernel<Rx>())) == "ulp-missing");
        require_ok(attach(fd));
        CHECK(reason(attach(fd)) == "ulp-in-use");
        require_ok(install(fd, kSomeKeys.for_kernel<Rx>()));
        const TestKeys other_cipher = TestKeys::make(Version::tls13, Cipher::chacha20_poly1305, 3);
        CHECK(reason(install(fd, other_cipher.for_kernel<Tx>())) == "cipher-not-in-kernel");
        CHECK(install(fd, other_cipher.for_kernel<Tx>()).error().sentence ==
              "the kernel refused the keys for sending (TLS 1.3, ChaCha20-Poly1305): Invalid argument");
        CHECK(reason(install(fd, kSomeKeys.for_kernel<Rx>())) ==
              (kernel_capabilities().rekeys_receiving ? "" : "keys-in-use"));

        const UniqueFd unconnected{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        CHECK(reason(attach(unconnected.get())) == "not-connected");
    }

    TEST_CASE("sock_diag and tls_stat tell of a carried connection") {
        if (!kernel_has_ktls()) {
            return;
        }
        const Statistics before = read_statistics().value();
        const TcpPair pair = carried_pair(Version::tls13, Cipher::chacha20_poly1305);
        const std::uint16_t port = local_port(pair.server.get());
        const auto listed = list_sockets({.local = {port}, .remote = {}});
        require_ok(listed);
        REQUIRE(listed->size() == 1);
        CHECK(listed->front().local.port == port);
        CHECK(listed->front().tls == TlsInfo{.version = Version::tls13,
                                             .cipher = Cipher::chacha20_poly1305,
                                             .tx = Carrier::software,
                                             .rx = Carrier::software});
        std::uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);
        REQUIRE(::getsockopt(pair.server.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0);
        CHECK(listed->front().cookie == cookie);
        CHECK(list_sockets({.local = {port}, .remote = {port}})->size() == 2);

        const Statistics after = read_statistics().value();
        CHECK(after.current_tx_software == before.current_tx_software + 2);
        CHECK(after.current_rx_software == before.current_rx_software + 2);
        CHECK(after.tx_software == before.tx_software + 2);
        CHECK(after.decrypt_errors == before.decrypt_errors);
    }
}

TEST_CASE("sock_diag finds sockets by their names, and no other that has come to their place") {
    const auto pair = connect_loopback();
    require_ok(pair);
    const std::uint16_t port = local_port(pair->server.get());
    const auto listed = list_sockets({.local = {port}, .remote = {}});
    require_ok(listed);
    const auto server =
        std::ranges::find_if(*listed, [](const SocketInfo& each) { return each.state == TCP_ESTABLISHED; });
    REQUIRE(server != listed->end());
    const SocketName name{.local = server->local, .remote = server->remote, .cookie = server->cookie};
    const SocketName other{.local = server->local, .remote = server->remote, .cookie = server->cookie + 1};
    // More than one batch.
    std::vector<SocketName> names(netlink::Socket::kBatch, other);
    names.push_back(name);
    const auto found = find_sockets(names);
    require_ok(found);
    REQUIRE(found->size() == names.size());
    CHECK_FALSE(found->front());
    CHECK(found->back() == *server);
    CHECK(find_sockets({})->empty());
}

TEST_CASE("a socket that is not TCP is refused as such") {
    const UniqueFd datagrams{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    CHECK(reason(attach(datagrams.get())) == "not-tcp");
    const UniqueFd local{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    CHECK(reason(attach(local.get())) == "not-tcp");
}

TEST_CASE("what is no socket is refused with the kernel's words") {
    CHECK(reason(attach(-1)) == "ktls-attach-failed");
    CHECK(reason(install(-1, kSomeKeys.for_kernel<Rx>())) == "ktls-install-failed");
    CHECK(install(-1, kSomeKeys.for_kernel<Tx>()).error().sentence ==
          "installing the keys for sending (TLS 1.3, AES-128-GCM): Bad file descriptor");
    std::array<std::uint8_t, 16> buffer{};
    CHECK(receive_record(-1, buffer).error().reason == "record-receive-failed");
}
