#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "daemon/control/configuration.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

/// A connection with `more` from line 3 on, and a child.
std::string connection(const std::string& more) {
    return "[[ike.connection]]\nname = \"a\"\n" + more + "\n[[ike.connection.child]]\nname = \"c\"\n";
}

const std::string kClient =
    "auth = \"eap-mschapv2\"\nca = \"/ca.pem\"\nremote = \"192.0.2.7\"\n"
    "eap_password = \"file:/alice.password\"\n";
const std::string kServer =
    "auth = \"certificate\"\ncertificate = \"/c.pem\"\nprivate_key = \"file:/c.key\"\n"
    "remote_auth = \"eap-mschapv2\"\n";
const std::string kUsers = "eap_password = \"directory:/users\"\n";

std::string said(const std::string& more) {
    const ConfigurationResult result = parse_configuration(connection(more), "f", {});
    std::string lines;
    for (const Diagnostic& diagnostic : result ? Diagnostics{} : result.error()) {
        lines += (lines.empty() ? "" : "\n") + to_string(diagnostic) + " (" + std::string(diagnostic.reason) + ")";
    }
    return result ? "ok" : lines;
}

IkeConnection read(const std::string& more) {
    INFO(said(more));
    const ConfigurationResult result = parse_configuration(connection(more), "f", {});
    REQUIRE(result);
    return result->ike.connections.front();
}

}  // namespace

TEST_SUITE_BEGIN("eap reader");

TEST_CASE("a client") {
    const IkeConnection one = read(kClient + "eap_identity = \"alice\"");
    CHECK(one.rules->auth == ike::Auth::eap_mschapv2);
    CHECK(one.rules->remote_auth == ike::Auth::certificate);
    CHECK(one.rules->eap_rules.identity == "alice");
    CHECK(one.rules->eap_rules.methods == std::vector{eap::Type::mschapv2});
    CHECK(one.rules->local_id == ike::parse_identity("alice").value());
    CHECK(one.eap_password.path == "/alice.password");
    CHECK(one.psk.kind == SecretReference::Kind::none);

    const IkeConnection named = read(kClient + "local_id = \"laptop.example\"");
    CHECK(named.rules->eap_rules.identity == "laptop.example");
    const IkeConnection both = read(kClient + "eap_identity = \"alice\"\nlocal_id = \"laptop.example\"");
    CHECK(both.rules->eap_rules.identity == "alice");
    CHECK(both.rules->local_id == ike::parse_identity("laptop.example").value());
}

TEST_CASE("a server") {
    const IkeConnection one = read(kServer + kUsers);
    CHECK(one.rules->auth == ike::Auth::certificate);
    CHECK(one.rules->remote_auth == ike::Auth::eap_mschapv2);
    CHECK(one.rules->eap_rules.methods == std::vector{eap::Type::mschapv2});
    CHECK(one.eap_password.kind == SecretReference::Kind::directory);
    CHECK(one.eap_password.path == "/users");
}

TEST_CASE("without EAP, its keys have no effect") {
    const IkeConnection one = read("psk = \"file:/k\"\nlocal_id = \"me\"\neap_identity = \"alice\"\n" + kUsers);
    CHECK(one.eap_password.kind == SecretReference::Kind::none);
    CHECK(one.rules->eap_rules.methods.empty());
}

TEST_CASE("the other end shows a certificate") {
    CHECK(said(kClient + "eap_identity = \"a\"\nremote_auth = \"psk\"\npsk = \"file:/k\"").contains("(eap-alone)"));
    CHECK(said(kClient + "eap_identity = \"a\"\nremote_auth = \"eap-mschapv2\"").contains("(eap-alone)"));
    CHECK(said("local_id = \"me\"\npsk = \"file:/k\"\nremote_auth = \"eap-mschapv2\"\n" + kUsers) ==
          "f:1:1: remote_auth = \"eap-mschapv2\" needs auth = \"certificate\": what it proves, somebody between the "
          "two ends could have from anywhere (eap-alone)");
}

TEST_CASE("only who begins proves something by EAP") {
    CHECK(said("auth = \"eap-mschapv2\"\nca = \"/ca.pem\"\neap_identity = \"a\"\neap_password = \"file:/p\"")
              .contains("with remote = \"any\" there is nobody to begin with (eap-role)"));
    CHECK(said(kServer + kUsers + "remote = \"192.0.2.7\"\nstart = \"on-load\"")
              .contains("so the peer has to begin: expected start = \"manual\" (eap-role)"));
}

TEST_CASE("passwords: where they may stand") {
    CHECK(said(kServer).contains("eap_password"));
    CHECK(said(kServer).contains("(key-missing)"));
    CHECK(said(kServer + "eap_password = \"file:/p\"").contains("\"directory:/PATH\", with a file for each user"));
    CHECK(said("auth = \"eap-mschapv2\"\nca = \"/ca.pem\"\nremote = \"192.0.2.7\"\neap_identity = \"a\"\n" + kUsers)
              .contains("our own password stands in one file"));
    CHECK(said(kClient).contains("lacks the key local_id"));
    CHECK(said(kClient + "eap_identity = \"\"").contains("(out-of-range)"));
    CHECK(said(kClient + "eap_identity = \"" + std::string(254, 'a') + "\"").contains("(out-of-range)"));
}

const std::string kTlsFiles = "certificate = \"/c.pem\"\nprivate_key = \"file:/c.key\"\nca = \"/ca.pem\"\n";

TEST_CASE("EAP-TLS: a client") {
    const std::string client = "auth = \"eap-tls\"\nremote = \"192.0.2.7\"\n" + kTlsFiles;
    const IkeConnection one = read(client + "local = \"192.0.2.1\"\neap_password = \"file:/p\"");
    CHECK(one.rules->auth == ike::Auth::eap_tls);
    CHECK(one.rules->remote_auth == ike::Auth::certificate);
    CHECK(one.rules->eap_rules.methods == std::vector{eap::Type::tls});
    CHECK(one.rules->eap_rules.identity.empty());  // the certificate's subject, once that is known
    CHECK(one.eap_by_subject);
    CHECK_FALSE(one.rules->eap_only);
    CHECK_FALSE(one.rules->eap_server_id);
    CHECK(one.certificate == "/c.pem");
    CHECK(one.private_key.path == "/c.key");
    CHECK(one.ca == "/ca.pem");
    CHECK(one.eap_password.kind == SecretReference::Kind::none);

    const IkeConnection named = read(client +
                                     "eap_identity = \"alice@example\"\neap_only = true\n"
                                     "eap_server_id = \"aaa.example\"");
    CHECK(named.rules->local_id == ike::parse_identity("alice@example").value());
    CHECK_FALSE(named.eap_by_subject);
    CHECK(named.rules->eap_only);
    CHECK(named.rules->eap_server_id == ike::parse_identity("aaa.example").value());
    CHECK(read(client + "local_id = \"laptop\"").rules->eap_rules.identity == "laptop");
    CHECK(said("auth = \"eap-tls\"\nremote = \"192.0.2.7\"\nca = \"/ca.pem\"").contains("auth = \"eap-tls\""));
    CHECK(said(client + "eap_server_id = \"no name\"").contains("eap_server_id: 'no name' is no identity"));
    CHECK(said(client + "remote_auth = \"psk\"\npsk = \"file:/k\"").contains("(eap-alone)"));
}

TEST_CASE("EAP-TLS: a server") {
    const std::string server = "auth = \"certificate\"\nremote_auth = \"eap-tls\"\n";
    const IkeConnection one = read(server + kTlsFiles + "eap_only = true\ncrl = [\"/ca.crl\"]");
    CHECK(one.rules->remote_auth == ike::Auth::eap_tls);
    CHECK(one.rules->eap_rules.methods == std::vector{eap::Type::tls});
    CHECK(one.rules->eap_only);
    CHECK(one.ca == "/ca.pem");
    CHECK(one.crl.size() == 1);
    CHECK(said(server + "certificate = \"/c.pem\"\nprivate_key = \"file:/c.key\"")
              .contains("remote_auth = \"eap-tls\""));
    CHECK(said("psk = \"file:/k\"\nlocal_id = \"me\"\nremote_auth = \"eap-tls\"\n" + kTlsFiles)
              .contains("(eap-alone)"));
}

TEST_CASE("EAP alone is for methods that prove both ends") {
    const std::string expected =
        "eap_only = true: only with \"eap-tls\" in auth or remote_auth does EAP prove who both ends are: a method "
        "for "
        "this must provide \"mutual authentication of the peers\" and be \"resistant to dictionary attacks\" (RFC "
        "5998 "
        "section 4) (eap-alone)";
    CHECK(said(kClient + "eap_identity = \"a\"\neap_only = true").contains(expected));
    CHECK(said(kServer + kUsers + "eap_only = true").contains(expected));
    CHECK(said("psk = \"file:/k\"\nlocal_id = \"me\"\neap_only = true").contains(expected));
    CHECK(read(kServer + kUsers + "eap_only = false").rules->remote_auth == ike::Auth::eap_mschapv2);
}

TEST_CASE("a password that came with the call is for the text that came with it") {
    const std::string given =
        "auth = \"eap-mschapv2\"\nca = \"/ca.pem\"\nremote = \"192.0.2.7\"\neap_identity = \"alice\"\n"
        "eap_password = \"option:eap_password\"\n";
    CHECK(said(given) ==
          "f:7:16: eap_password: \"option:eap_password\" is what comes as the option eap_password of "
          "org.keysluice1.Manager.AddConnection, and none came with this (password-not-given)");
    const test::RuntimeFolder folder;
    const std::filesystem::path file = folder / "keysluice.toml";
    std::ofstream(file) << "";
    const auto password = std::make_shared<const eap::Password>(as_bytes("sesame"));
    const auto with = [&](GivenSecrets secrets) {
        Overlay overlay;
        overlay.texts.emplace("bus:a", Overlay::Text{connection(given), std::move(secrets)});
        return read_configuration(file, {}, overlay);
    };
    const auto result = with({.eap_password = password});
    REQUIRE(result);
    CHECK(result->ike.connections.front().given_eap_password == password);
    CHECK_FALSE(with({.psk = password}));
}
