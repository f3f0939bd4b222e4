#include "daemon/engine/description.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>

#include "daemon/engine/application.hpp"
#include "daemon/engine/submitter.hpp"
#include "include/keysluice/handoff.h"
#include "tests/support/tcp_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

std::string text(const SecretBuffer& json) {
    return {json.begin(), json.end()};
}

std::string member(const std::string& message, const char* key) {
    std::array<char, 200> room{};
    return keysluice_text(message.c_str(), key, room.data(), room.size()) < 0 ? "none" : room.data();
}

}  // namespace

TEST_CASE("an application is told of a connection, and reads it with what we give to applications") {
    const std::string id = "7";
    tls::Summary summary;
    summary.cipher_suite = "TLS_AES_128_GCM_SHA256";
    summary.server_name = "a\"b\\c";
    summary.alpn = "h2";
    summary.peer_certified = true;
    summary.peer_certificate = "CN=\xc3\xa9";
    summary.resumed = true;
    const std::array<std::uint8_t, 4> der{0xff, 0x00, 0x10, 0x83};
    const std::array<std::uint8_t, 32> receive{1, 2, 3};
    const std::array<std::uint8_t, 32> send{4, 5};
    const TrafficSecrets secrets{.receive = Secret<48>(receive), .send = Secret<48>(send)};
    const auto described = describe({.id = &id,
                                     .service = "shop",
                                     .peer = "192.0.2.1:4711",
                                     .summary = summary,
                                     .certificate = der,
                                     .secrets = &secrets});
    REQUIRE(described);
    CHECK(text(*described) ==
          R"({"version":1,"id":"7","service":"shop","peer":"192.0.2.1:4711","tls":"1.3",)"
          R"("cipher_suite":"TLS_AES_128_GCM_SHA256","server_name":"a\"b\\c","alpn":"h2","resumed":true,)"
          R"("certificate_subject":"CN=\u00c3\u00a9","certificate":"/wAQgw==",)"
          R"("receive_secret":"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",)"
          R"("send_secret":"BAUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})");

    std::string message = text(*described);
    CHECK(member(message, "peer") == "192.0.2.1:4711");
    CHECK(member(message, "server_name") == "a\"b\\c");
    CHECK(member(message, "certificate_subject") == "CN=\xc3\xa9");
    CHECK(member(message, "b") == "none");
    std::array<std::uint8_t, 48> secret{};
    CHECK(keysluice_take_secret(message.data(), "receive_secret", secret.data(), secret.size()) == 32);
    CHECK(Bytes(secret).first(32).front() == 1);
    CHECK(std::equal(receive.begin(), receive.end(), secret.begin()));
    CHECK_FALSE(message.contains("AQID"));
}

TEST_CASE("without a certificate, secrets and an id there is no word of them") {
    tls::Summary summary;
    summary.version = tls::Version::tls12;
    summary.cipher_suite = "X";
    const auto described = describe({.service = "s", .peer = "p", .summary = summary});
    REQUIRE(described);
    CHECK(text(*described) == R"({"version":1,"service":"s","peer":"p","tls":"1.2","cipher_suite":"X",)"
                              R"("server_name":"","alpn":"","resumed":false})");
    CHECK(text(describe_refusal("9", {"not-tcp", "a\nb"})) ==
          R"({"version":1,"id":"9","reason":"not-tcp","sentence":"a\u000ab"})");
}

TEST_CASE("what does not fit into a packet is not sent in part") {
    const tls::Summary summary;
    const std::vector<std::uint8_t> large(kLargestDescription);
    const auto described = describe({.service = "s", .peer = "p", .summary = summary, .certificate = large});
    REQUIRE_FALSE(described);
    CHECK(described.error().reason == "description-too-large");
}

TEST_CASE("users are numbers, and nobody is nobody") {
    CHECK(is_among({"0", "1000"}, 1000));
    CHECK(is_among({"0"}, 0));
    CHECK_FALSE(is_among({}, 0));
    CHECK_FALSE(is_among({"1000x", "x", ""}, 1000));
    CHECK_FALSE(is_among({"4294967295"}, static_cast<uid_t>(-1)));
}

TEST_CASE("only a connected TCP socket can be submitted") {
    ktls::TcpPair pair = tcp_pair();
    const auto accepted = accept_submitted(std::move(pair.server));
    REQUIRE(accepted);
    CHECK(accepted->peer.family() == AF_INET);
    CHECK(accept_submitted(UniqueFd(socket(AF_INET, SOCK_STREAM, 0))).error().reason == "not-connected");
    CHECK(accept_submitted(UniqueFd(socket(AF_INET, SOCK_DGRAM, 0))).error().reason == "not-tcp");
    CHECK(accept_submitted(UniqueFd(socket(AF_UNIX, SOCK_STREAM, 0))).error().reason == "not-tcp");
    CHECK(accept_submitted(UniqueFd(open("/dev/null", O_RDONLY))).error().reason == "not-tcp");
    CHECK(accept_submitted(UniqueFd()).error().reason == "not-tcp");
}
