#include "daemon/engine/proxy_header.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "daemon/shared/sockets.hpp"
#include "tests/support/plain_end.hpp"
#include "tests/support/tcp_pair.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

proxy::TcpEnd end(std::string_view address, std::uint16_t port) {
    return {IpAddress::parse(address).value(), port};
}

}  // namespace

TEST_CASE("the ends of an accepted TCP connection are the client's first") {
    const ktls::TcpPair pair = tcp_pair();
    const auto accepted = ends_of(pair.server.get());
    const auto connected = ends_of(pair.client.get());
    REQUIRE(std::holds_alternative<proxy::TcpEnds>(accepted));
    REQUIRE(std::holds_alternative<proxy::TcpEnds>(connected));
    const auto& ends = std::get<proxy::TcpEnds>(accepted);
    CHECK(ends.source.address.text() == "127.0.0.1");
    CHECK(ends.source.port != 0);
    CHECK(ends.source == std::get<proxy::TcpEnds>(connected).destination);
    CHECK(ends.destination == std::get<proxy::TcpEnds>(connected).source);
    CHECK(describe_peer(*client_of(accepted)) == describe_peer(pair.server.get()));
}

TEST_CASE("the ends of a unix socket, and of none") {
    const PlainPair pair = plain_unix_pair();
    CHECK(ends_of(pair.relay.get()) == proxy::Ends(proxy::UnixEnds{}));
    CHECK(ends_of(-1) == proxy::Ends());

    const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string abstract = std::string(1, '\0') + "keysluice-proxy-test-" + std::to_string(getpid());
    std::copy(abstract.begin(), abstract.end(), address.sun_path);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + abstract.size());
    REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    CHECK(ends_of(listener.get()) == proxy::Ends(proxy::UnixEnds{"", abstract}));
}

TEST_CASE("whom a header names is the client") {
    CHECK(describe_peer(*client_of(proxy::TcpEnds{end("192.0.2.1", 4711), end("198.51.100.7", 443)})) ==
          "192.0.2.1:4711");
    CHECK(describe_peer(*client_of(proxy::TcpEnds{end("2001:db8::1", 0), end("::1", 443)})) == "[2001:db8::1]:0");
    CHECK(describe_peer(*client_of(proxy::UnixEnds{"/a", "/b"})) == "a local process");
    CHECK_FALSE(client_of({}));
}

TEST_CASE("what a session says of the client's TLS") {
    tls::Summary session{.version = tls::Version::tls13,
                         .cipher = tls::Cipher::aes128_gcm,
                         .cipher_suite = "TLS_AES_128_GCM_SHA256",
                         .openssl_suite = "TLS_AES_128_GCM_SHA256",
                         .server_name = "shop.example",
                         .alpn = "",
                         .peer_certified = false,
                         .peer_certificate = "",
                         .peer_common_name = ""};
    proxy::Header header{.alpn = "of the proxy in front", .authority = "as well"};
    describe_tls(session, header);
    CHECK(header.alpn == "");
    CHECK(header.authority == "shop.example");
    CHECK(*header.tls == proxy::ClientTls{.version = "TLSv1.3", .cipher = "TLS_AES_128_GCM_SHA256"});
    CHECK(header.tls->verify != 0);

    session.version = tls::Version::tls12;
    session.alpn = "h2";
    session.openssl_suite = "ECDHE-ECDSA-AES128-GCM-SHA256";
    session.peer_certified = true;
    session.peer_common_name = "me";
    describe_tls(session, header);
    CHECK(header.alpn == "h2");
    CHECK(*header.tls == proxy::ClientTls{.certificate = true,
                                          .authenticated = true,
                                          .verify = 0,
                                          .version = "TLSv1.2",
                                          .cipher = "ECDHE-ECDSA-AES128-GCM-SHA256",
                                          .common_name = "me"});

    // RFC 5280 4.2.1.6: a certificate may name its subject by subjectAltName only.
    session.peer_common_name = "";
    describe_tls(session, header);
    CHECK(header.tls->authenticated);
    CHECK(header.tls->verify == 0);
}

TEST_CASE("which versions are sent and taken") {
    const proxy::Header header{.ends = proxy::TcpEnds{end("192.0.2.1", 1), end("192.0.2.2", 2)}};
    CHECK(preface_of(SendProxy::none, header).empty());
    CHECK(preface_of(SendProxy::v1, header) == proxy::write_v1(header.ends));
    CHECK(preface_of(SendProxy::v2, header) == proxy::write_v2(header));
    CHECK((versions_of(AcceptProxy::v1).v1 && !versions_of(AcceptProxy::v1).v2));
    CHECK((!versions_of(AcceptProxy::v2).v1 && versions_of(AcceptProxy::v2).v2));
    CHECK((versions_of(AcceptProxy::any).v1 && versions_of(AcceptProxy::any).v2));
}

TEST_CASE("a common name is told as it stands in the certificate") {
    testing::TlsPair pair(testing::server_context(), testing::client_context());
    pair.shake_hands();
    REQUIRE(pair.established());
    CHECK(pair.client->summary().peer_common_name == "shop.example");
    CHECK(pair.server->summary().peer_common_name == "");
    CHECK(pair.server->summary().openssl_suite != "");
}
