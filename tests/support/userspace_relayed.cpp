#include "tests/support/userspace_relayed.hpp"

#include "tests/support/tls_pair.hpp"

namespace keysluice::test {

UserspaceRelayed::UserspaceRelayed(const testing::Suite& suite, PlainPair pair, Duration close_timeout,
                                   std::vector<std::uint8_t> preface, RekeyAfter rekey_after)
    : plain(std::move(pair.test)), farewells_(loop_) {
    testing::TlsPair sessions(testing::server_context(), testing::client_context(testing::only(suite)));
    sessions.shake_hands();
    REQUIRE(sessions.established());
    ktls::TcpPair sockets = tcp_pair();
    set_nonblocking(sockets.server.get());
    client = std::make_unique<TlsClient>(std::move(sockets.client), std::move(sessions.client));
    relay_socket_ = sockets.server.get();
    relay_ = std::make_unique<UserspaceRelay>(
        loop_, *this, Negotiated{std::move(sockets.server), std::move(pair.relay), std::move(sessions.server)},
        close_timeout, std::move(preface), rekey_after);
    relay_->start();
}

void UserspaceRelayed::shrink_buffers(int bytes) {
    set_buffers(relay_socket_, bytes, bytes);
    set_buffers(client->socket(), bytes, bytes);
}

testing::RecordProtection UserspaceRelayed::forger() {
    const auto keys = client->session().export_keys();
    REQUIRE(keys);
    return {keys->version, keys->cipher, keys->write};
}

void UserspaceRelayed::on_ended(UserspaceRelay& /*relay*/, const Error* error, UniqueFd farewell) {
    REQUIRE_FALSE(outcome);
    outcome = error != nullptr ? std::string(error->reason) : "";
    if (farewell) {
        farewells_.add(std::move(farewell));
    }
    loop_.bury(std::move(relay_));
}

void UserspaceRelayed::turn(Duration longest) {
    client->pump();
    plain.pump();
    loop_.turn(longest);
}

void UserspaceRelayed::turn_for(Duration time) {
    const Instant until = now() + time;
    while (now() < until) {
        turn();
    }
}

int UserspaceRelayed::wake_ups() {
    int count = 0;
    const Instant until = now() + std::chrono::milliseconds(200);
    while (now() < until) {
        loop_.turn(until - now());
        ++count;
    }
    return count;
}

}  // namespace keysluice::test
