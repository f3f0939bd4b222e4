// Which certificate a client sees, what is stapled to it, and on which protocol both agree.
#include "tls/identities.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "crypto/credentials.hpp"
#include "tests/support/raw_peer.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kEcdsa = "ECDSA+SHA256:ECDSA+SHA384";
constexpr const char* kRsa = "RSA-PSS+SHA256:RSA+SHA256";
constexpr std::array kVersions{TLS1_2_VERSION, TLS1_3_VERSION};

/// Certificates whose subjects tell them apart.
struct House {
    CertificateFolder folder;
    Issued authority = folder.make({.subject = "authority", .names = "", .authority = true});
    Issued first = make("first", "DNS:shop.example,DNS:www.shop.example");
    Issued first_rsa = make("first-rsa", "DNS:Shop.Example", KeyType::rsa2048);
    Issued api = make("api", "DNS:api.example");
    Issued any = make("any", "DNS:*.example,DNS:f*.example");
    Issued any_rsa = make("any-rsa", "DNS:*.example", KeyType::rsa2048);
    Issued nameless = make("nameless", "IP:192.0.2.1");

    Issued make(const std::string& subject, const std::string& names, KeyType key = KeyType::p256) {
        return folder.make({.subject = subject, .names = names, .key = key, .issuer = &authority});
    }
    static House& shared() {
        static House house;
        return house;
    }
};

Identity identity(const Issued& issued, std::vector<std::string> names = {}) {
    return {.certificate = issued.certificate_file, .private_key = issued.key_file, .names = std::move(names)};
}

ServerSettings settings_of(const Issued& first, std::vector<Identity> more) {
    ServerSettings settings = server_settings();
    settings.certificate = first.certificate_file;
    settings.private_key = first.key_file;
    settings.certificates = std::move(more);
    return settings;
}

struct Client {
    std::string name = {};
    const char* signatures = nullptr;
    int version = TLS1_3_VERSION;
    std::vector<std::uint8_t> protocols = {};
    bool wants_status = false;
    const char* suites = nullptr;
};

struct Visit {
    Visit(const Context& context, const Client& client, std::chrono::system_clock::time_point today = {})
        : server(Session::accept(context, {}, today).value()), peer(Role::client, [&](SSL_CTX* raw) {
              SSL_CTX_set_min_proto_version(raw, client.version);
              SSL_CTX_set_max_proto_version(raw, client.version);
              if (client.signatures != nullptr) {
                  SSL_CTX_ctrl(raw, SSL_CTRL_SET_SIGALGS_LIST, 0, const_cast<char*>(client.signatures));
              }
              if (client.suites != nullptr) {
                  SSL_CTX_set_cipher_list(raw, client.suites);
              }
              SSL_CTX_set_alpn_protos(raw, client.protocols.data(), static_cast<unsigned>(client.protocols.size()));
          }) {
        if (!client.name.empty()) {
            std::string name = client.name;
            SSL_ctrl(peer.ssl(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
        }
        if (client.wants_status) {
            SSL_ctrl(peer.ssl(), SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, TLSEXT_STATUSTYPE_ocsp, nullptr);
        }
        verdict = peer.shake_hands(*server);
    }

    std::string shown() const {
        const CertificatePtr certificate(SSL_get1_peer_certificate(peer.ssl()));
        return certificate ? crypto::common_name_of(*certificate) : "nobody";
    }
    std::string stapled() const {
        unsigned char* der = nullptr;
        const long size = SSL_ctrl(peer.ssl(), SSL_CTRL_GET_TLSEXT_STATUS_REQ_OCSP_RESP, 0, static_cast<void*>(&der));
        return size > 0 ? std::string(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)) : "";
    }

    std::unique_ptr<Session> server;
    RawPeer peer;
    Result<void> verdict;
};

std::string shown(const Context& context, const std::string& name, const char* signatures, int version) {
    const Visit visit(context, {.name = name, .signatures = signatures, .version = version});
    CHECK(visit.server->established() == (visit.shown() != "nobody"));
    return visit.shown();
}

std::string reason_of(const ServerSettings& settings) {
    const auto context = Context::server(settings, std::chrono::system_clock::now());
    return context ? "none" : std::string(context.error().reason);
}

std::vector<std::uint8_t> wire(std::initializer_list<std::string_view> protocols) {
    Writer list;
    for (const std::string_view each : protocols) {
        list.prefixed<std::uint8_t>(as_bytes(each));
    }
    return std::move(list).release();
}

}  // namespace

TEST_CASE("a client sees the certificate that has its name, of a kind that it can verify") {
    const House& house = House::shared();
    const Context context = server_context(settings_of(
        house.first, {identity(house.first_rsa), identity(house.api), identity(house.any), identity(house.any_rsa),
                      identity(house.nameless, {"named.test", "*.named.test"})}));
    struct Case {
        std::string name;
        std::string ecdsa;
        std::string rsa;
    };
    const std::vector<Case> cases{
        {"shop.example", "first", "first-rsa"},
        {"SHOP.eXample", "first", "first-rsa"},
        {"api.example", "api", "any-rsa"},    // of the other kind, the wildcard
        {"other.example", "any", "any-rsa"},  // one label
        {"a.other.example", "first", "first-rsa"},
        {"www.shop.example", "first", "nobody"},  // which the other one does not have
        {"foo.example", "any", "any-rsa"},        // "f*" is no pattern
        {"example", "first", "first-rsa"},
        {"named.test", "nameless", "nobody"},
        {"a.named.test", "nameless", "nobody"},
        {"unknown.test", "first", "first-rsa"},
        {"", "first", "first-rsa"},
    };
    for (const int version : kVersions) {
        for (const Case& each : cases) {
            CAPTURE(each.name);
            CAPTURE(version);
            CHECK(shown(context, each.name, kEcdsa, version) == each.ecdsa);
            CHECK(shown(context, each.name, kRsa, version) == each.rsa);
        }
    }
}

TEST_CASE("a certificate with exactly the name goes before a wildcard of a kind that OpenSSL likes better") {
    const House& house = House::shared();
    const Context context =
        server_context(settings_of(house.first, {identity(house.first_rsa, {"rsa.example"}), identity(house.any)}));
    const std::string both = std::string(kEcdsa) + ":" + kRsa;
    for (const int version : kVersions) {
        CAPTURE(version);
        CHECK(shown(context, "rsa.example", both.c_str(), version) == "first-rsa");
        CHECK(shown(context, "rsa.example", nullptr, version) == "first-rsa");
        CHECK(shown(context, "rsa.example", kEcdsa, version) == "any");
        CHECK(shown(context, "rsa.example", kRsa, version) == "first-rsa");
        CHECK(shown(context, "other.example", both.c_str(), version) == "any");
    }
    // Under TLS 1.2, the cipher suites count as well.
    const Visit visit(context,
                      {.name = "rsa.example", .version = TLS1_2_VERSION, .suites = "ECDHE-ECDSA-AES128-GCM-SHA256"});
    CHECK(visit.shown() == "any");
}

TEST_CASE("the first certificate alone is for everybody") {
    const House& house = House::shared();
    const Context context = server_context(settings_of(house.first, {}));
    CHECK(shown(context, "unknown.test", nullptr, TLS1_3_VERSION) == "first");
    CHECK(shown(context, "", nullptr, TLS1_2_VERSION) == "first");
}

TEST_CASE("which certificate is for a name is never left open") {
    const House& house = House::shared();
    CHECK(reason_of(settings_of(house.first, {identity(house.api), identity(house.api)})) == "certificate-ambiguous");
    CHECK(
        reason_of(settings_of(house.first, {identity(house.api), identity(house.any, {"x.test", "API.example"})})) ==
        "certificate-ambiguous");
    CHECK(reason_of(settings_of(house.first, {identity(house.api), identity(house.any_rsa, {"api.example"})})) ==
          "none");
    CHECK(reason_of(settings_of(house.first, {identity(house.any, {"x.test", "x.test"})})) == "none");
    // The first one is for those that no other is for.
    const auto settings = settings_of(house.first, {identity(house.any, {"shop.example"})});
    CHECK(shown(server_context(settings), "shop.example", nullptr, TLS1_3_VERSION) == "any");
    CHECK(shown(server_context(settings), "", nullptr, TLS1_3_VERSION) == "first");
    CHECK(reason_of(settings_of(house.first, {identity(house.nameless)})) == "certificate-nameless");
    CHECK(reason_of(settings_of(house.nameless, {})) == "none");
}

TEST_CASE("a certificate that can't be used is refused with its file's name, wherever it stands") {
    House& house = House::shared();
    const Issued weak = house.make("weak", "DNS:weak.example", KeyType::rsa1024);
    const auto context = Context::server(settings_of(house.first, {identity(house.api), identity(weak)}),
                                         std::chrono::system_clock::now());
    REQUIRE_FALSE(context);
    CHECK(context.error().reason == "certificate-refused");
    CHECK(context.error().sentence.starts_with(weak.certificate_file.native() + ": "));
    Identity mixed = identity(house.api);
    mixed.private_key = house.any.key_file;
    CHECK(reason_of(settings_of(house.first, {mixed})) == "private-key-mismatch");
    mixed.certificate = "/nonexistent";
    CHECK(reason_of(settings_of(house.first, {mixed})) == "certificate-unreadable");
}

TEST_CASE("a further certificate keeps the rules of the service") {
    const House& house = House::shared();
    ServerSettings settings = settings_of(house.first, {identity(house.api)});
    settings.client_certificate = ClientCertificate::required;
    settings.ca = house.authority.certificate_file;
    settings.protocol.min_version = Version::tls13;
    const Context context = server_context(settings);
    const Visit bare(context, {.name = "api.example"});
    REQUIRE_FALSE(bare.verdict);
    CHECK(bare.verdict.error().reason == "client-certificate-missing");
    const Visit old(context, {.name = "api.example", .version = TLS1_2_VERSION});
    REQUIRE_FALSE(old.verdict);
    CHECK(old.verdict.error().reason == "version-too-old");
}

TEST_CASE("the chain of a certificate is what its file has, whomever clients are verified by") {
    const House& house = House::shared();
    ServerSettings settings = settings_of(house.first, {identity(house.api)});
    settings.client_certificate = ClientCertificate::optional;
    settings.ca = house.authority.certificate_file;
    const Context context = server_context(settings);
    for (const std::string name : {"", "api.example"}) {
        const Visit visit(context, {.name = name});
        CHECK(visit.shown() == (name.empty() ? "first" : "api"));
        CHECK(sk_X509_num(SSL_get_peer_cert_chain(visit.peer.ssl())) == 1);
    }
}

TEST_CASE("what the authority says of a certificate is stapled to it, and to no other, while it is current") {
    House& house = House::shared();
    const auto now = std::chrono::system_clock::now();
    ServerSettings settings = settings_of(house.first, {identity(house.api), identity(house.any)});
    settings.certificate = house.folder.write_chain({&house.first, &house.authority});
    settings.ocsp = house.folder.staple(house.first, house.authority);
    settings.certificates[0].certificate = house.folder.write_chain({&house.api, &house.authority});
    settings.certificates[0].ocsp = house.folder.staple(house.api, house.authority, {.until = 1h});
    const Context context = server_context(settings);
    for (const int version : kVersions) {
        const auto stapled = [&](const std::string& name, std::chrono::system_clock::time_point at) {
            return Visit(context, {.name = name, .version = version, .wants_status = true}, at).stapled();
        };
        CHECK(stapled("", now) == contents_of(settings.ocsp));
        CHECK(stapled("api.example", now) == contents_of(settings.certificates[0].ocsp));
        CHECK(stapled("api.example", now + 2h) == "");
        CHECK(stapled("api.example", now - 2h) == "");
        CHECK(stapled("", now + 2h) == contents_of(settings.ocsp));
        CHECK(stapled("other.example", now) == "");
        CHECK(Visit(context, {.version = version}, now).stapled() == "");
    }
    settings.certificates[1].ocsp = settings.ocsp;
    CHECK(reason_of(settings) == "ocsp-issuer-missing");
}

TEST_CASE("the server's order decides on the protocol; without an overlap there is an alert") {
    ServerSettings settings = server_settings();
    settings.alpn = {"h2", "http/1.1"};
    const Context context = server_context(settings);
    for (const int version : kVersions) {
        const Visit both(context, {.version = version, .protocols = wire({"http/1.1", "x", "h2"})});
        CHECK(both.server->established());
        CHECK(both.server->summary().alpn == "h2");
        const Visit second(context, {.version = version, .protocols = wire({"http/1.1"})});
        CHECK(second.server->summary().alpn == "http/1.1");
        const Visit none(context, {.version = version});
        CHECK(none.server->established());
        CHECK(none.server->summary().alpn == "");
        const Visit foreign(context, {.version = version, .protocols = wire({"h", "h22"})});
        REQUIRE_FALSE(foreign.verdict);
        CHECK(foreign.verdict.error().reason == "no-shared-protocol");
        CHECK(foreign.peer.alert() == SSL_AD_NO_APPLICATION_PROTOCOL);
    }
    const Visit silent(server_context(), {.protocols = wire({"h2"})});
    CHECK(silent.server->established());
    CHECK(silent.server->summary().alpn == "");
}

TEST_CASE("a client offers its protocols") {
    ServerSettings theirs = server_settings();
    theirs.alpn = {"imap", "h2"};
    ClientSettings ours = client_settings();
    ours.alpn = {"h2", "imap"};
    TlsPair pair(server_context(theirs), client_context(ours));
    pair.shake_hands();
    REQUIRE(pair.established());
    CHECK(pair.client->summary().alpn == "imap");
    CHECK(pair.server->summary().alpn == "imap");
}
