#include "daemon/engine/installation.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "daemon/engine/translate.hpp"
#include "ktls/record.hpp"
#include "ktls/socket.hpp"
#include "tests/support/kernel.hpp"
#include "tests/support/reading.hpp"
#include "tests/support/suites.hpp"
#include "tests/support/tls_client.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;
using keysluice::testing::client_context;
using keysluice::testing::kSuites;
using keysluice::testing::only;
using keysluice::testing::pattern;
using keysluice::testing::server_context;
using keysluice::testing::Suite;
using keysluice::testing::TlsPair;

namespace {

/// A connection behind its handshake: the server's end still without the kernel, the client in userspace for good.
struct Established {
    explicit Established(const Suite& suite, const tls::Context& server_side = server_context())
        : Established(TlsPair(server_side, client_context(only(suite))), tcp_pair()) {}

    std::unique_ptr<tls::Session> server;
    ktls::TcpPair sockets;
    TlsClient client;

   private:
    Established(TlsPair pair, ktls::TcpPair connected)
        : server((pair.shake_hands(), std::move(pair.server))),
          sockets(std::move(connected)),
          client(std::move(sockets.client), std::move(pair.client)) {
        REQUIRE(server->established());
        REQUIRE(client.established());
    }
};

/// A kernel that takes everything: whether it does is not asked before it is used.
ktls::Capabilities everything() {
    ktls::Capabilities all;
    for (const ktls::Version version : ktls::kVersions) {
        for (const ktls::Cipher cipher : ktls::kCiphers) {
            all.set_carries(version, cipher, true);
        }
    }
    return all;
}

void check_stays(const Established& connection, const ktls::Capabilities& kernel, std::string_view reason,
                 bool rekey = false) {
    const auto placed = place(connection.sockets.server.get(), *connection.server, kernel, rekey);
    require_ok(placed);
    CHECK(placed->carrier == Carrier::userspace);
    CHECK(placed->reason == reason);
}

}  // namespace

TEST_CASE("a kernel without kTLS carries nothing, and says why") {
    Established connection(kSuites[0]);
    ktls::Capabilities none;
    SUBCASE("because it has none") {
        none.absent = Error{"kernel-without-ktls", "no module"};
        check_stays(connection, none, "kernel-without-ktls");
    }
    SUBCASE("because it lacks the cipher") {
        check_stays(connection, none, "cipher-not-in-kernel");
        none.set_carries(ktls::Version::tls12, ktls::Cipher::aes128_gcm, true);
        check_stays(connection, none, "cipher-not-in-kernel");
    }
    // It goes on in userspace.
    REQUIRE(connection.server->write(as_bytes("hello")));
    const auto wire = testing::take_output(*connection.server);
    CHECK(as_text(testing::receive_all(connection.client.session(), wire).data) == "hello");
}

TEST_CASE("where keys must change and the kernel can't do that, TLS 1.3 stays") {
    ktls::Capabilities kernel = everything();
    SUBCASE("in neither direction") {}
    SUBCASE("in one direction alone") {
        kernel.rekeys_receiving = true;
    }
    check_stays(Established(kSuites[0]), kernel, "rekey-not-in-kernel", true);
    const auto reason = [](const Suite& suite, const ktls::Capabilities& of) {
        const Established connection(suite);
        const auto placed = place(connection.sockets.server.get(), *connection.server, of, true);
        require_ok(placed);
        return placed->reason;
    };
    CHECK(reason(kSuites[4], kernel) != "rekey-not-in-kernel");  // TLS 1.2
    kernel.rekeys_receiving = kernel.rekeys_sending = true;
    CHECK(reason(kSuites[0], kernel) != "rekey-not-in-kernel");
}

TEST_CASE("a session that reads and writes itself already stays") {
    Established connection(kSuites[0]);
    REQUIRE(connection.server->write(as_bytes("hello")));
    check_stays(connection, everything(), "plaintext-pending");
}

TEST_CASE("a session whose output is not sent yet stays") {
    TlsPair pair(server_context(), client_context(only(kSuites[0])));
    const ktls::TcpPair sockets = tcp_pair();
    // Established, but the Finished is still here.
    while (!pair.client->established()) {
        require_ok(testing::move_records(*pair.client, *pair.server));
        require_ok(testing::move_records(*pair.server, *pair.client));
    }
    const auto placed = place(sockets.client.get(), *pair.client, everything(), false);
    require_ok(placed);
    CHECK(placed->carrier == Carrier::userspace);
    CHECK(placed->reason == "keys-unavailable");
}

TEST_CASE("a session whose context exports no keys stays") {
    auto settings = testing::server_settings();
    settings.protocol.export_keys = false;
    const Established connection(kSuites[0], server_context(settings));
    check_stays(connection, everything(), "keys-unavailable");
}

TEST_CASE("a socket that the kernel can't take stays, and its session is as good as before") {
    const Established connection(kSuites[0]);
    const PlainPair unix_sockets = plain_unix_pair();
    const auto placed = place(unix_sockets.relay.get(), *connection.server, everything(), false);
    require_ok(placed);
    CHECK(placed->carrier == Carrier::userspace);
    CHECK(placed->reason == "not-tcp");
    REQUIRE(connection.server->write(as_bytes("hello")));
}

TEST_CASE("a kernel that does not use the keys that it was given is found out") {
    const Established connection(kSuites[0]);
    const auto keys = to_kernel(connection.server->export_keys().value());
    require_ok(keys);
    const auto without = read_back(connection.sockets.server.get(), *keys);
    REQUIRE_FALSE(without);
    CHECK(without.error().reason == "ktls-read-back-differs");
}

TEST_CASE("carriers have names") {
    CHECK(to_string(Carrier::kernel) == "kernel");
    CHECK(to_string(Carrier::userspace) == "userspace");
}

TEST_SUITE("kernel") {
    TEST_CASE("the kernel goes on where the handshake ended, with every cipher of both versions") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const Suite& suite : kSuites) {
            CAPTURE(suite.standard_name);
            Established connection(suite);
            const int fd = connection.sockets.server.get();
            // The peer is fast: its first record lies in the socket before the kernel has the keys.
            const auto up = pattern(100'000);
            connection.client.say(up);
            connection.client.pump();

            const auto placed = place(fd, *connection.server, kernel_capabilities(), false);
            require_ok(placed);
            REQUIRE(placed->carrier == Carrier::kernel);
            CHECK(placed->reason.empty());

            std::vector<std::uint8_t> received;
            Reading reading(fd);
            while (received.size() < up.size()) {
                connection.client.pump();
                wait_for(fd);
                const ktls::Record record = reading.next();
                if (const auto* data = std::get_if<ktls::Data>(&record)) {
                    const Bytes bytes = reading.bytes(data->size);
                    received.insert(received.end(), bytes.begin(), bytes.end());
                }
            }
            CHECK((received == up));

            const auto down = pattern(100'000);
            REQUIRE(::send(fd, down.data(), down.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(down.size()));
            send_alert(fd, ktls::AlertDescription::close_notify);
            while (!connection.client.closed && connection.client.failure.empty()) {
                wait_for(connection.client.socket());
                connection.client.pump();
            }
            CHECK(connection.client.failure.empty());
            CHECK((connection.client.received == down));
        }
    }

    TEST_CASE("keys that were placed are the session's own") {
        if (!kernel_has_ktls()) {
            return;
        }
        for (const Suite& suite : kSuites) {
            CAPTURE(suite.standard_name);
            const Established connection(suite);
            const auto exported = connection.server->export_keys();
            require_ok(exported);
            const auto keys = to_kernel(*exported);
            require_ok(keys);
            require_ok(place(connection.sockets.server.get(), *connection.server, kernel_capabilities(), false));
            CHECK(ktls::in_force(connection.sockets.server.get(), keys->tx).value());
            CHECK(ktls::in_force(connection.sockets.server.get(), keys->rx).value());
            CHECK(read_back(connection.sockets.server.get(), *keys));
            const Established other(suite);
            const auto its_keys = to_kernel(other.server->export_keys().value());
            require_ok(its_keys);
            CHECK(read_back(connection.sockets.server.get(), *its_keys).error().reason == "ktls-read-back-differs");
        }
    }

    TEST_CASE("a socket that has an upper layer already stays") {
        if (!kernel_has_ktls()) {
            return;
        }
        const Established connection(kSuites[0]);
        require_ok(ktls::attach(connection.sockets.server.get()));
        check_stays(connection, kernel_capabilities(), "ulp-in-use");
    }
}
