#include "daemon/shared/service.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace keysluice;
using namespace std::chrono_literals;

namespace {

TlsService shop() {
    return {
        .name = "shop",
        .mode = Mode::client,
        .listen = {parse_endpoint("127.0.0.1:80").value(), parse_endpoint("unix:/run/shop").value()},
        .connect = {parse_endpoint("shop.example:443").value(), parse_endpoint("[2001:db8::1]:443").value()},
        .certificate = "/etc/shop.pem",
        .private_key = "/etc/shop.key",
        .ocsp = "/etc/shop.der",
        .certificates = {{.certificate = "/etc/b.pem",
                          .private_key = "/etc/b.key",
                          .ocsp = "/etc/b.der",
                          .names = {"b.example", "*.b.example"}},
                         {.certificate = "/etc/c.pem", .private_key = "/etc/c.key"}},
        .alpn = {"h2", "http/1.1"},
        .routes = {{.names = {"api.example"}, .alpn = {"h2"}, .connect = {parse_endpoint("127.0.0.1:81").value()}}},
        .ca = "/etc/ca.pem",
        .crl = {"/etc/a.crl", "/etc/b.crl"},
        .client_certificate = ClientCertificate::required,
        .peer_subjects = {"CN=*,O=Shop"},
        .peer_names = {"dns:*.shop.example", "ip:::1"},
        .peer_keys = {"sha256:00"},
        .verify_peer = VerifyPeer::none,
        .server_name = "shop.example",
        .min_version = TlsVersion::tls13,
        .ciphersuites = {"TLS_AES_256_GCM_SHA384"},
        .key_exchange_groups = {"?X25519MLKEM768", "P-256"},
        .plaintext = Plaintext::relay,
        .offload = Offload::off,
        .deliver = Deliver::handoff,
        .application_users = {"shop"},
        .limits = {.connections = 1,
                   .connections_per_address = 2,
                   .handshakes_per_second = 3,
                   .handshakes_per_second_per_address = 100'000'000,
                   .idle = 5s,
                   .lifetime = 168h},
        .send_proxy = SendProxy::v2,
        .accept_proxy = AcceptProxy::any,
        .rekey_after = {.volume = 64ULL << 30U, .time = 168h},
        .handshake_timeout = 1ms,
        .connect_timeout = 2s,
        .close_timeout = 3min,
        .drain_timeout = 168h,
        .session_lifetime = 24h,
        .session_max_uses = 500};
}

std::string why(Bytes message) {
    const auto service = decode_service(message);
    REQUIRE_FALSE(service);
    CHECK(service.error().reason == "bad-service-message");
    return service.error().sentence;
}

/// The message with one text in it exchanged for another of the same length.
std::vector<std::uint8_t> edited(std::string_view from, std::string_view to) {
    REQUIRE(from.size() == to.size());
    std::vector<std::uint8_t> message = encode(shop());
    const std::size_t place = as_text(message).find(from);
    REQUIRE(place != std::string_view::npos);
    std::copy(to.begin(), to.end(), message.begin() + static_cast<std::ptrdiff_t>(place));
    return message;
}

}  // namespace

TEST_CASE("a service survives its encoding") {
    for (const TlsService& service : {shop(), TlsService{.name = "a"}}) {
        const auto message = encode(service);
        CHECK(decode_service(message).value() == service);
        CHECK(encode(decode_service(message).value()) == message);
    }
}

TEST_CASE("the defaults are the contract's") {
    const TlsService service;
    CHECK(service.mode == Mode::server);
    CHECK(service.client_certificate == ClientCertificate::none);
    CHECK(service.min_version == TlsVersion::tls12);
    CHECK(service.max_version == TlsVersion::tls13);
    CHECK(service.verify_peer == VerifyPeer::full);
    CHECK(service.plaintext_remote == PlaintextRemote::refuse);
    CHECK(service.plaintext == Plaintext::refuse);
    CHECK(service.offload == Offload::automatic);
    CHECK(service.deliver == Deliver::relay);
    CHECK(service.limits == Limits{});
    CHECK(service.send_proxy == SendProxy::none);
    CHECK(service.accept_proxy == AcceptProxy::none);
    CHECK_FALSE(service.rekey_after.set());
    CHECK(service.handshake_timeout == 10s);
    CHECK(service.connect_timeout == 5s);
    CHECK(service.close_timeout == 1min);
    CHECK(service.drain_timeout == 1h);
    CHECK(service.session_lifetime == 5min);
    CHECK(service.session_max_uses == 0);
}

TEST_CASE("the fullest service fits into one message") {
    TlsService service = shop();
    service.name = std::string(64, 'x');
    service.listen.assign(64, parse_endpoint("unix:/" + std::string(106, 'x')).value());
    const std::string label = std::string(62, 'x') + ".";
    service.connect.assign(64, HostEndpoint{label + label + label + label + "x", 65535});
    service.certificate = service.private_key = service.ca = "/" + std::string(4094, 'x');
    service.ciphers = service.ciphersuites = std::vector<std::string>(32, std::string(63, 'x'));
    service.key_exchange_groups.assign(32, "?" + std::string(63, 'x'));
    const auto message = encode(service);
    CHECK(message.size() < 128 * 1024);
    CHECK(decode_service(message).value() == service);
}

TEST_CASE("a message cut off anywhere is refused") {
    const auto message = encode(shop());
    for (std::size_t size = 0; size < message.size(); ++size) {
        CAPTURE(size);
        CHECK(why(Bytes(message).first(size)) == "a service message ends too early");
    }
}

TEST_CASE("a message with something behind its end is refused") {
    auto message = encode(shop());
    message.push_back(0);
    CHECK(why(message) == "a service message has 1 bytes behind its end");
}

TEST_CASE("another version is refused") {
    auto message = encode(shop());
    message[0] = 1;
    CHECK(why(message).starts_with("a service message has version 1, this program knows version 2"));
}

TEST_CASE("values out of their range are refused") {
    CHECK(why(edited("shop", "sh p")) == "a service message has a name out of its range");
    CHECK(why(edited("127.0.0.1:80", "127.0.0.1:8x")) == "a service message has an endpoint out of its range");
    CHECK(why(edited("127.0.0.1:80", "host.test:80")) == "a service message has an endpoint out of its range");
    CHECK(why(edited("127.0.0.1:80", "127.0.0.1:08")) == "a service message has an endpoint out of its range");
    CHECK(why(edited("/etc/shop.pem", "xetc/shop.pem")) == "a service message has an absolute path out of its range");
    CHECK(why(edited("/etc/shop.key", std::string_view("/etc/shop\0key", 13))) ==
          "a service message has a text out of its range");
    CHECK(why(edited("TLS_AES_256_GCM", "TLS_AES_256 GCM")) == "a service message has an algorithm out of its range");
    CHECK(why(edited("?X25519", "??25519")) == "a service message has an algorithm out of its range");
}

TEST_CASE("certificates, routes and names out of their range are refused") {
    CHECK(why(edited("/etc/b.der", "xetc/b.der")) == "a service message has an absolute path out of its range");
    CHECK(why(edited("127.0.0.1:81", "127.0.0.1:8x")) == "a service message has an endpoint out of its range");
    TlsService service{.name = "a", .alpn = {""}};
    CHECK(why(encode(service)) == "a service message has a name out of its range");
    service.alpn = {std::string(kLongestName + 1, 'x')};
    CHECK(why(encode(service)) == "a service message has a name out of its range");
}

TEST_CASE("limits of keys out of their range are refused") {
    for (const RekeyAfter after : {RekeyAfter{.volume = RekeyAfter::kLeast - 1}, RekeyAfter{.volume = UINT64_MAX}}) {
        CHECK(why(encode(TlsService{.name = "a", .rekey_after = after})) ==
              "a service message has a volume out of its range");
    }
    for (const RekeyAfter after : {RekeyAfter{.time = 999ms}, RekeyAfter{.time = 169h}}) {
        CHECK(why(encode(TlsService{.name = "a", .rekey_after = after})) ==
              "a service message has a time out of its range");
    }
}

TEST_CASE("versions in the wrong order and too many algorithms are refused") {
    TlsService service = shop();
    service.max_version = TlsVersion::tls12;
    CHECK(why(encode(service)) == "a service message has a version out of its range");
    auto message = encode(TlsService{.name = "a"});
    // In front of resumption, five choices, users, limits, rekey_after and four timeouts.
    const std::size_t groups = message.size() - 67;
    REQUIRE(message[groups] == 0);
    message[groups] = 33;
    CHECK(why(message) == "a service message has the number of algorithms out of its range");
}

TEST_CASE("no byte of a message may become anything that isn't encoded the same way") {
    const auto message = encode(shop());
    for (std::size_t place = 0; place < message.size(); ++place) {
        for (const std::uint8_t value : std::initializer_list<std::uint8_t>{0x00, 0x01, 0x03, 0x41, 0x80, 0xff}) {
            auto changed = message;
            changed[place] = value;
            if (const auto service = decode_service(changed)) {
                CHECK(encode(*service) == changed);
            }
        }
    }
}

TEST_CASE("timeouts and enumerators are checked") {
    const std::size_t size = encode(shop()).size();
    struct Case {
        std::size_t place;
        std::uint8_t value;
        std::string_view what;
    };
    for (const Case& test :
         {Case{size - 13, 0, "a timeout"}, Case{size - 16, 0xff, "a timeout"}, Case{size - 29, 4, "an enumerator"},
          Case{size - 30, 3, "an enumerator"}, Case{size - 34, 0xff, "a timeout"}, Case{size - 46, 0xff, "a limit"},
          Case{size - 62, 2, "an enumerator"}, Case{size - 63, 3, "an enumerator"},
          Case{size - 64, 2, "an enumerator"}}) {
        auto message = encode(shop());
        message[test.place] = test.value;
        CHECK(why(message) == "a service message has " + std::string(test.what) + " out of its range");
    }
}

TEST_CASE("a session lives 5 s to 24 h or not at all, and has so many uses at most") {
    const auto refused = [](std::chrono::milliseconds lifetime, std::uint32_t uses) {
        return why(encode(TlsService{.name = "a", .session_lifetime = lifetime, .session_max_uses = uses}));
    };
    CHECK(refused(4999ms, 0) == "a service message has a lifetime out of its range");
    CHECK(refused(24h + 1ms, 0) == "a service message has a lifetime out of its range");
    CHECK(refused(5s, 1'000'001) == "a service message has a number of uses out of its range");
    CHECK(decode_service(encode(TlsService{.name = "a", .session_lifetime = 0ms})));
}

TEST_CASE("names of algorithms") {
    for (const char* name : {"a", "?a", "TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "P-256"}) {
        CHECK(is_algorithm_name(name));
    }
    for (const std::string& name : {std::string(), std::string("?"), std::string("a:b"), std::string("a b"),
                                    std::string(64, 'a'), std::string("@SECLEVEL=0"), std::string("a?")}) {
        CHECK_FALSE(is_algorithm_name(name));
    }
}

TEST_CASE("service names") {
    for (const char* name : {"a", "shop", "A.b_c-9", "."}) {
        CHECK(is_service_name(name));
    }
    CHECK(is_service_name(std::string(64, 'a')));
    for (const std::string& name : {std::string(), std::string("a b"), std::string("a/b"), std::string(65, 'a'),
                                    std::string("\xc3\xa9"), std::string("a\0", 2)}) {
        CHECK_FALSE(is_service_name(name));
    }
}
