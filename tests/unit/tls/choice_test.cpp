// Versions, cipher suites and groups as a service chooses them: who is let in, who is not, in both roles.
#include <doctest/doctest.h>
#include <openssl/err.h>

#include "tests/support/raw_peer.hpp"
#include "tests/support/tls_pair.hpp"
#include "tls/cipher_policy.hpp"
#include "tls/group_policy.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;

namespace {

constexpr int kX25519 = NID_X25519;
constexpr int kP256 = NID_X9_62_prime256v1;
constexpr int kP384 = NID_secp384r1;

bool has_ml_kem() {
    return check_group("X25519MLKEM768").has_value();
}

std::function<void(SSL_CTX*)> with_groups(const char* list) {
    return [list = std::string(list)](SSL_CTX* context) {
        std::string copy = list;
        REQUIRE(SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, copy.data()) == 1);
    };
}

std::function<void(SSL_CTX*)> tls12(const char* ciphers) {
    return [ciphers](SSL_CTX* context) {
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        REQUIRE(SSL_CTX_set_cipher_list(context, ciphers) == 1);
    };
}

std::function<void(SSL_CTX*)> tls13(const char* suites) {
    return [suites](SSL_CTX* context) {
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
        REQUIRE(SSL_CTX_set_ciphersuites(context, suites) == 1);
    };
}

std::unique_ptr<Session> server_with(const Protocol& protocol) {
    ServerSettings settings = server_settings();
    settings.protocol = protocol;
    return Session::accept(server_context(settings)).value();
}

std::unique_ptr<Session> client_with(const Protocol& protocol) {
    ClientSettings settings = client_settings();
    settings.protocol = protocol;
    return Session::connect(client_context(settings)).value();
}

int group_of(const RawPeer& peer) {
    return static_cast<int>(SSL_get_negotiated_group(peer.ssl()));
}

struct Case {
    std::string_view what;
    Protocol ours;
    std::function<void(SSL_CTX*)> peer;
    std::string_view cipher_suite;  ///< what is agreed on; empty: nothing is
    std::string_view reason;        ///< why not
};

const std::vector<Case>& cases() {
    static const std::vector<Case> kCases{
        {"one suite of TLS 1.2, the other has it among others",
         {.tls12_ciphers = {"ECDHE-ECDSA-AES256-GCM-SHA384"}},
         tls12("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"),
         "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
         ""},
        {"one suite of TLS 1.2, the other has others",
         {.tls12_ciphers = {"ECDHE-ECDSA-AES256-GCM-SHA384"}},
         tls12("ECDHE-ECDSA-AES128-GCM-SHA256"),
         "",
         "no-shared-cipher"},
        {"one suite of TLS 1.3, the other has it among others",
         {.tls13_ciphersuites = {"TLS_CHACHA20_POLY1305_SHA256"}},
         tls13("TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"),
         "TLS_CHACHA20_POLY1305_SHA256",
         ""},
        {"one suite of TLS 1.3, the other has others",
         {.tls13_ciphersuites = {"TLS_CHACHA20_POLY1305_SHA256"}},
         tls13("TLS_AES_128_GCM_SHA256"),
         "",
         "no-shared-cipher"},
        {"suites of TLS 1.3 leave those of TLS 1.2 alone",
         {.tls13_ciphersuites = {"TLS_CHACHA20_POLY1305_SHA256"}},
         tls12("ECDHE-ECDSA-AES128-GCM-SHA256"),
         "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
         ""},
        {"TLS 1.2 at most, the other has both",
         {.max_version = Version::tls12},
         [](SSL_CTX*) {},
         "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
         ""},
        {"TLS 1.2 at most, the other wants 1.3",
         {.max_version = Version::tls12},
         tls13("TLS_AES_128_GCM_SHA256"),
         "",
         "version-too-old"},
    };
    return kCases;
}

void check_outcome(const Case& each, const Session& session, const Result<void>& verdict) {
    CHECK(verdict.has_value() == !each.cipher_suite.empty());
    CHECK(session.established() == !each.cipher_suite.empty());
    if (session.established()) {
        CHECK(session.summary().cipher_suite == each.cipher_suite);
    }
    CHECK(ERR_peek_error() == 0);
}

}  // namespace

TEST_CASE("a server takes the versions and suites that it was told") {
    for (const Case& each : cases()) {
        CAPTURE(each.what);
        const auto session = server_with(each.ours);
        RawPeer peer(Role::client, each.peer);
        const auto verdict = peer.shake_hands(*session);
        check_outcome(each, *session, verdict);
        if (!verdict) {
            CAPTURE(verdict.error().sentence);
            CHECK(verdict.error().reason == each.reason);
        }
    }
}

TEST_CASE("a client takes the versions and suites that it was told") {
    for (const Case& each : cases()) {
        CAPTURE(each.what);
        const auto session = client_with(each.ours);
        RawPeer peer(Role::server, each.peer);
        const auto verdict = peer.shake_hands(*session);
        check_outcome(each, *session, verdict);
        if (!verdict) {
            CHECK(verdict.error().reason == "peer-alert");
        }
    }
}

TEST_CASE("a server takes the groups that it was told, and asks for one of them where the client guessed wrong") {
    const auto p384 = server_with({.groups = {"P-384"}, .export_keys = true});
    RawPeer guesses_wrong(Role::client, with_groups("X25519:P-384"));
    REQUIRE(guesses_wrong.shake_hands(*p384));
    CHECK(group_of(guesses_wrong) == kP384);
    CHECK(p384->export_keys());

    const auto x25519 = server_with({.groups = {"X25519"}});
    RawPeer lacks_it(Role::client, with_groups("P-256:P-384"));
    const auto verdict = lacks_it.shake_hands(*x25519);
    REQUIRE(!verdict);
    CHECK(verdict.error().reason == "no-shared-group");
    CHECK(lacks_it.alert() == SSL_AD_HANDSHAKE_FAILURE);

    const auto old = server_with({.max_version = Version::tls12, .groups = {"secp384r1", "P-256"}});
    RawPeer client(Role::client, with_groups("X25519:P-256:P-384"));
    REQUIRE(client.shake_hands(*old));
    CHECK(group_of(client) == kP384);
    const auto older = server_with({.max_version = Version::tls12, .groups = {"P-384"}});
    RawPeer refused(Role::client, with_groups("X25519:P-256"));
    CHECK(!refused.shake_hands(*older));
}

TEST_CASE("a client offers the groups that it was told") {
    const auto session = client_with({.groups = {"P-256", "X25519"}, .export_keys = true});
    RawPeer server(Role::server, with_groups("X25519:P-256"));
    REQUIRE(server.shake_hands(*session));
    CHECK(group_of(server) == kP256);
    const auto asked_again = client_with({.groups = {"P-256", "X25519"}, .export_keys = true});
    RawPeer other(Role::server, with_groups("X25519"));
    REQUIRE(other.shake_hands(*asked_again));
    CHECK(group_of(other) == kX25519);
    CHECK(asked_again->export_keys());
    const auto lonely = client_with({.groups = {"X448"}});
    RawPeer without(Role::server, with_groups("X25519:P-256"));
    const auto verdict = without.shake_hands(*lonely);
    REQUIRE(!verdict);
    CHECK(verdict.error().reason == "peer-alert");
}

TEST_CASE("ML-KEM is negotiated where OpenSSL has it, and passed over where it is optional") {
    const Protocol protocol{.groups = {"?X25519MLKEM768", "X25519"}};
    const auto session = server_with(protocol);
    RawPeer old(Role::client, with_groups("X25519:P-256"));
    REQUIRE(old.shake_hands(*session));
    CHECK(group_of(old) == kX25519);
    if (has_ml_kem()) {
        const auto server = server_with({.groups = {"X25519MLKEM768"}});
        RawPeer client(Role::client, with_groups("X25519MLKEM768"));
        CHECK(client.shake_hands(*server));
        CHECK(usable_groups(protocol.groups, Version::tls13).value() ==
              std::vector<std::string>{"X25519MLKEM768", "X25519"});
    } else {
        const auto lacking = check_group("X25519MLKEM768");
        REQUIRE(!lacking);
        CHECK(lacking.error().reason == "group-unknown");
        CHECK(lacking.error().sentence.contains("came with OpenSSL 3.5: write \"?X25519MLKEM768\""));
        CHECK(usable_groups(protocol.groups, Version::tls13).value() == std::vector<std::string>{"X25519"});
        CHECK(usable_groups({"?X25519MLKEM768"}, Version::tls13).error().reason == "no-usable-group");
    }
}

TEST_CASE("what is no group for TLS is refused, optional or not") {
    for (const std::string name : {"", "?", "X25519 ", "DEFAULT", "X25519:P-256", "*X25519", "-X25519", "ffdhe2048",
                                   "sect163k1", "?X25519MLKEM786", "??X25519"}) {
        CAPTURE(name);
        const auto checked = check_group(name);
        REQUIRE(!checked);
        CHECK(checked.error().reason == "group-unknown");
        CHECK(checked.error().sentence.contains("X25519, X448, P-256"));
        CHECK(!usable_groups({"X25519", name}, Version::tls13));
    }
    CHECK(check_group("?X25519MLKEM786").error().sentence.contains("did you mean \"X25519MLKEM768\"?"));
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("groups of TLS 1.3 are of no use to TLS 1.2, and another name for the same group counts once") {
    CHECK(usable_groups({"?X25519MLKEM768"}, Version::tls12).error().reason == "no-usable-group");
    CHECK(usable_groups({"P-256", "prime256v1", "?secp256r1", "P-521"}, Version::tls12).value() ==
          std::vector<std::string>{"P-256", "P-521"});
}

TEST_CASE("a suite is named as OpenSSL names it, and sound") {
    const auto refusal = [](Version version, std::string_view name) {
        const auto checked = check_cipher(version, name);
        REQUIRE(!checked);
        CHECK(checked.error().sentence.contains(version == Version::tls13 ? "TLS_AES_256_GCM_SHA384"
                                                                          : "ECDHE-RSA-AES256-GCM-SHA384"));
        return checked.error();
    };
    for (const std::string_view name :
         {"", "HIGH", "@SECLEVEL=0", "ECDHE+AESGCM", "aes128-gcm-sha256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}) {
        CAPTURE(name);
        CHECK(refusal(Version::tls12, name).reason == "cipher-unknown");
        CHECK(refusal(Version::tls13, name).reason == "cipher-unknown");
    }
    const std::vector<std::pair<std::string_view, std::string_view>> kUnsound{
        {"ECDHE-ECDSA-AES128-SHA256", "AEAD cipher"},     {"AES128-GCM-SHA256", "do not come from ECDHE"},
        {"DHE-RSA-AES128-GCM-SHA256", "come from ECDHE"}, {"PSK-AES128-GCM-SHA256", "come from ECDHE"},
        {"ECDHE-ECDSA-AES128-CCM8", "down to 8 bytes"},   {"NULL-SHA256", "AEAD cipher"},
    };
    for (const auto& [name, why] : kUnsound) {
        CAPTURE(name);
        const Error error = refusal(Version::tls12, name);
        CHECK(error.reason == "cipher-not-allowed");
        CHECK(error.sentence.contains(why));
    }
    CHECK(refusal(Version::tls13, "TLS_AES_128_CCM_8_SHA256").reason == "cipher-not-allowed");
    CHECK(check_cipher(Version::tls12, "TLS_AES_128_GCM_SHA256").error().sentence ==
          "TLS_AES_128_GCM_SHA256 is a cipher suite of TLS 1.3, which has its place in ciphersuites");
    CHECK(check_cipher(Version::tls13, "ECDHE-RSA-AES128-GCM-SHA256").error().sentence ==
          "ECDHE-RSA-AES128-GCM-SHA256 is a cipher suite of TLS 1.2, which has its place in ciphers");
    CHECK(check_cipher(Version::tls12, "ECDHE-ECDSA-AES256-CCM"));
    CHECK(check_cipher(Version::tls13, "TLS_AES_128_CCM_SHA256"));
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a client that verifies nobody takes any certificate, and no weaker rules") {
    ClientSettings settings = client_settings();
    settings.verify = false;
    settings.ca = "";
    settings.server_name = "elsewhere.example";
    ClientSettings strict = settings;
    strict.verify = true;
    strict.ca = Pki::shared().stranger.certificate_file;
    TlsPair refused(server_context(), client_context(strict));
    refused.shake_hands();
    CHECK(refused.client_result.error().reason == "certificate-rejected");

    TlsPair taken(server_context(), client_context(settings));
    taken.shake_hands();
    REQUIRE(taken.established());
    CHECK(taken.server->summary().server_name == "elsewhere.example");
    settings.server_name = "";
    TlsPair nameless(server_context(), client_context(settings));
    nameless.shake_hands();
    CHECK(nameless.established());

    const auto session = Session::connect(client_context(settings)).value();
    RawPeer peer(Role::server, [](SSL_CTX* context) {
        SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_options(context, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    });
    const auto verdict = peer.shake_hands(*session);
    REQUIRE(!verdict);
    CHECK(verdict.error().reason == "no-extended-master-secret");
}
