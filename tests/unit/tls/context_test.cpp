#include "tls/context.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>

#include <functional>

#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;
using namespace std::chrono_literals;

namespace {

std::chrono::system_clock::time_point now() {
    return std::chrono::system_clock::now();
}

struct Bad {
    std::string_view what;
    std::function<void(ServerSettings&)> change;
    std::string_view reason;
    std::string_view in_sentence;
};

void check_refused(const Result<Context>& made, std::string_view reason, std::string_view in_sentence) {
    REQUIRE(!made);
    CHECK(made.error().reason == reason);
    CAPTURE(made.error().sentence);
    CHECK(made.error().sentence.contains(in_sentence));
    CHECK(!made.error().sentence.ends_with('.'));
    CHECK(ERR_peek_error() == 0);
}

}  // namespace

TEST_CASE("a server context takes a P-256 or an RSA certificate, with its chain") {
    CHECK(Context::server(server_settings(), now()));
    const Pki& pki = Pki::shared();
    auto settings = server_settings();
    settings.certificate = pki.rsa_server.certificate_file;
    settings.private_key = pki.rsa_server.key_file;
    CHECK(Context::server(settings, now()));
    CertificateFolder folder;
    settings.certificate = folder.write("chain.pem", "a comment\n" + contents_of(pki.rsa_server.certificate_file) +
                                                         contents_of(pki.authority.certificate_file));
    const auto context = Context::server(settings, now());
    REQUIRE(context);
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(context->get(), &chain);
    CHECK(sk_X509_num(chain) == 1);
}

TEST_CASE("each thing that can be wrong with a server's files has its own reason and names the file") {
    CertificateFolder folder;
    const Issued expired = folder.make({.subject = "late.example", .from = -48h, .until = -24h});
    const Issued early = folder.make({.subject = "early.example", .from = 24h, .until = 48h});
    const Issued weak = folder.make({.key = KeyType::rsa1024});
    const Issued other = folder.make({});
    const auto folder_path = folder.path();
    const auto use = [](const Issued& issued) {
        return [&issued](ServerSettings& settings) {
            settings.certificate = issued.certificate_file;
            settings.private_key = issued.key_file;
        };
    };
    const auto certificate = [](std::filesystem::path file) {
        return [file](ServerSettings& settings) { settings.certificate = file; };
    };
    const auto key = [](std::filesystem::path file) {
        return [file](ServerSettings& settings) { settings.private_key = file; };
    };
    const std::string pem = contents_of(other.certificate_file);
    const std::vector<Bad> kCases{
        {"no certificate", certificate(""), "certificate-missing", "server needs a certificate"},
        {"no file", certificate("/nowhere/a.pem"), "certificate-unreadable", "/nowhere/a.pem: "},
        {"a folder", certificate(folder_path), "certificate-unreadable", "not a regular file"},
        {"empty", certificate(folder.write("empty.pem", "")), "certificate-malformed", "empty.pem"},
        {"garbage", certificate(folder.write("garbage.pem", "hello\n")), "certificate-malformed", "garbage.pem"},
        {"a key", certificate(other.key_file), "certificate-malformed", "there is none in it"},
        {"cut off", certificate(folder.write("cut.pem", pem.substr(0, 200))), "certificate-malformed", "cut.pem"},
        {"second cut off", certificate(folder.write("cut2.pem", pem + pem.substr(0, 200))), "certificate-malformed",
         "cut2.pem"},
        {"expired", use(expired), "certificate-expired", "CN=late.example expired at 2"},
        {"not yet valid", use(early), "certificate-not-yet-valid", "CN=early.example is valid from 2"},
        {"weak", use(weak), "certificate-refused", "too small"},
        {"no key file", key("/nowhere/a.key"), "private-key-unreadable", "/nowhere/a.key: "},
        {"no key", key(other.certificate_file), "private-key-malformed", other.certificate_file.native()},
        {"wrong key", key(other.key_file), "private-key-mismatch", "CN=shop.example"},
        {"encrypted key", key(folder.write_encrypted(other)), "private-key-encrypted", "passphrase"},
    };
    for (const Bad& each : kCases) {
        CAPTURE(each.what);
        auto settings = server_settings();
        each.change(settings);
        check_refused(Context::server(settings, now()), each.reason, each.in_sentence);
    }
}

TEST_CASE("an expired certificate behind the leaf counts as well") {
    CertificateFolder folder;
    const Pki& pki = Pki::shared();
    const Issued expired = folder.make({.subject = "old authority", .authority = true, .from = -48h, .until = -24h});
    auto settings = server_settings();
    settings.certificate =
        folder.write("chain.pem", contents_of(pki.server.certificate_file) + contents_of(expired.certificate_file));
    check_refused(Context::server(settings, now()), "certificate-expired", "CN=old authority");
}

TEST_CASE("the caller says what time it is") {
    check_refused(Context::server(server_settings(), now() + 48h), "certificate-expired", "expired at");
    check_refused(Context::server(server_settings(), now() - 48h), "certificate-not-yet-valid", "valid from");
}

TEST_CASE("protocol rules that make no sense are refused") {
    const std::vector<Bad> kCases{
        {"range",
         [](ServerSettings& s) { s.protocol.min_version = Version::tls13, s.protocol.max_version = Version::tls12; },
         "version-range-empty", "TLS 1.3"},
        {"unknown",
         [](ServerSettings& s) { s.protocol.tls12_ciphers = {"ECDHE-ECDSA-AES128-GCM-SHA256", "NONSENSE"}; },
         "cipher-unknown", "\"NONSENSE\""},
        {"expression", [](ServerSettings& s) { s.protocol.tls12_ciphers = {"HIGH"}; }, "cipher-unknown", "\"HIGH\""},
        {"CBC", [](ServerSettings& s) { s.protocol.tls12_ciphers = {"ECDHE-ECDSA-AES128-SHA256"}; },
         "cipher-not-allowed", "ECDHE-ECDSA-AES128-SHA256"},
        {"no forward secrecy", [](ServerSettings& s) { s.protocol.tls12_ciphers = {"AES128-GCM-SHA256"}; },
         "cipher-not-allowed", "AES128-GCM-SHA256"},
        {"unknown 1.3", [](ServerSettings& s) { s.protocol.tls13_ciphersuites = {"TLS_NONSENSE"}; }, "cipher-unknown",
         "TLS_NONSENSE"},
        {"1.2 name among the 1.3 names",
         [](ServerSettings& s) { s.protocol.tls13_ciphersuites = {"ECDHE-RSA-AES128-GCM-SHA256-X"}; },
         "cipher-unknown", "SHA256-X"},
        {"unknown group", [](ServerSettings& s) { s.protocol.groups = {"X25519", "NONSENSE"}; }, "group-unknown",
         "\"NONSENSE\""},
        {"client certificates from nobody",
         [](ServerSettings& s) { s.client_certificate = ClientCertificate::optional; }, "ca-missing",
         "whom to trust"},
        {"no ca file",
         [](ServerSettings& s) {
             s.client_certificate = ClientCertificate::required;
             s.ca = "/nowhere/ca.pem";
         },
         "ca-unreadable", "/nowhere/ca.pem: "},
    };
    for (const Bad& each : kCases) {
        CAPTURE(each.what);
        auto settings = server_settings();
        each.change(settings);
        check_refused(Context::server(settings, now()), each.reason, each.in_sentence);
    }
}

TEST_CASE("a client context needs to know whom to trust and whom it expects") {
    CHECK(Context::client(client_settings(), now()));
    auto settings = client_settings();
    settings.server_name = "";
    check_refused(Context::client(settings, now()), "server-name-missing", "server_name");
    for (const std::string name : {".", "a..b", "shop.example.", "two words", "new\nline", "*.example"}) {
        CAPTURE(name);
        settings.server_name = name;
        check_refused(Context::client(settings, now()), "server-name-malformed", "DNS name");
    }
    settings.server_name = std::string(254, 'a');
    check_refused(Context::client(settings, now()), "server-name-malformed", "DNS name");
    for (const std::string name : {"shop.example", "192.0.2.1", "2001:db8::1", "localhost", "a_b-c.example"}) {
        settings.server_name = name;
        CHECK(Context::client(settings, now()));
    }
    settings = client_settings();
    settings.ca = "";
    check_refused(Context::client(settings, now()), "ca-missing", "whom to trust");
    settings.ca = Pki::shared().server.key_file;
    check_refused(Context::client(settings, now()), "ca-malformed", "there is none in it");
    settings.verify = false;
    CHECK(Context::client(settings, now()));
    settings.server_name = "two words";
    check_refused(Context::client(settings, now()), "server-name-malformed", "DNS name");
    settings = client_settings();
    settings.certificate = Pki::shared().client.certificate_file;
    settings.private_key = Pki::shared().server.key_file;
    check_refused(Context::client(settings, now()), "private-key-mismatch", "CN=client 7");
}

TEST_CASE("an error never shows what a key file holds") {
    CertificateFolder folder;
    const std::string pem = contents_of(Pki::shared().server.key_file);
    auto settings = server_settings();
    settings.private_key = folder.write("broken.key", pem.substr(0, pem.size() / 2));
    const auto made = Context::server(settings, now());
    REQUIRE(!made);
    CHECK(made.error().reason == "private-key-malformed");
    CHECK(!made.error().sentence.contains(pem.substr(40, 10)));
}
