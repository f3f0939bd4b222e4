#include "daemon/control/preparation.hpp"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <string>

#include "daemon/control/stapling.hpp"
#include "tests/support/certificates.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

const Position kSection{"k.toml", 10, 1};
const Position kCertificate{"k.toml", 11, 1};
const Position kKey{"k.toml", 12, 1};
const Position kCa{"k.toml", 13, 1};
const Position kConnect{"k.toml", 14, 1};

Configuration with(TlsService service) {
    service.name = "shop";
    Configuration configuration;
    const std::vector<Position> connect(service.connect.size(), kConnect);
    configuration.services.push_back(std::move(service));
    configuration.sources.push_back({.section = kSection,
                                     .certificate = kCertificate,
                                     .private_key = kKey,
                                     .ca = kCa,
                                     .listen = {},
                                     .connect = connect});
    return configuration;
}

/// The only thing that is wrong.
Diagnostic fault_of(TlsService service,
                    std::chrono::system_clock::time_point now = std::chrono::system_clock::now()) {
    const Diagnostics diagnostics = check_files(with(std::move(service)), now);
    REQUIRE(diagnostics.size() == 1);
    CHECK_FALSE(diagnostics[0].sentence.empty());
    return diagnostics[0];
}

struct Shop {
    Shop()
        : issued(folder.make({})),
          server{.certificate = issued.certificate_file, .private_key = issued.key_file},
          client{.mode = Mode::client, .ca = issued.certificate_file, .server_name = "shop.example"} {}
    testing::CertificateFolder folder;
    testing::Issued issued;
    TlsService server;
    TlsService client;
};

/// Gives it the TLS feature status_request.
void demand_stapling(testing::Issued& issued, const testing::Issued& authority) {
    X509_EXTENSION* feature = X509V3_EXT_conf_nid(nullptr, nullptr, NID_tlsfeature, "status_request");
    REQUIRE(feature != nullptr);
    X509_add_ext(issued.certificate.get(), feature, -1);
    X509_EXTENSION_free(feature);
    X509_sign(issued.certificate.get(), authority.key.get(), EVP_sha256());
    const crypto::BioPtr file(BIO_new_file(issued.certificate_file.c_str(), "w"));
    PEM_write_bio_X509(file.get(), issued.certificate.get());
}

}  // namespace

TEST_CASE("files that can be loaded are no fault") {
    const Shop shop;
    CHECK(check_files(with(shop.server), std::chrono::system_clock::now()).empty());
    CHECK(check_files(with(shop.client), std::chrono::system_clock::now()).empty());
    CHECK(check_files({}, std::chrono::system_clock::now()).empty());
}

TEST_CASE("the line that names the private key is blamed for it") {
    Shop shop;
    std::string_view reason;
    SUBCASE("missing") {
        shop.server.private_key = "/nonexistent/shop.key";
        reason = "private-key-unreadable";
    }
    SUBCASE("of another certificate") {
        shop.server.private_key = shop.folder.make({}).key_file;
        reason = "private-key-mismatch";
    }
    SUBCASE("behind a passphrase") {
        shop.server.private_key = shop.folder.write_encrypted(shop.issued);
        reason = "private-key-encrypted";
    }
    SUBCASE("rubbish") {
        shop.server.private_key = shop.folder.write("rubbish", "rubbish");
        reason = "private-key-malformed";
    }
    const Diagnostic fault = fault_of(shop.server);
    CHECK(fault.where == kKey);
    CHECK(fault.reason == reason);
    CHECK(fault.sentence.find(shop.server.private_key) != std::string::npos);
}

TEST_CASE("the line that names the certificate is blamed for it") {
    Shop shop;
    auto now = std::chrono::system_clock::now();
    std::string_view reason;
    SUBCASE("missing file") {
        shop.server.certificate = "/nonexistent/shop.pem";
        reason = "certificate-unreadable";
    }
    SUBCASE("rubbish") {
        shop.server.certificate = shop.folder.write("rubbish", "rubbish");
        reason = "certificate-malformed";
    }
    SUBCASE("expired") {
        now += std::chrono::hours(48);
        reason = "certificate-expired";
    }
    SUBCASE("not yet valid") {
        now -= std::chrono::hours(48);
        reason = "certificate-not-yet-valid";
    }
    const Diagnostic fault = fault_of(shop.server, now);
    CHECK(fault.where == kCertificate);
    CHECK(fault.reason == reason);
}

TEST_CASE("the line that names the authorities is blamed for them") {
    Shop shop;
    SUBCASE("missing file") {
        shop.client.ca = "/nonexistent/ca.pem";
        const Diagnostic fault = fault_of(shop.client);
        CHECK(fault.where == kCa);
        CHECK(fault.reason == "ca-unreadable");
    }
    SUBCASE("rubbish") {
        shop.client.ca = shop.folder.write("rubbish", "rubbish");
        CHECK(fault_of(shop.client).where == kCa);
    }
    SUBCASE("client certificates without anybody to trust") {
        shop.server.client_certificate = ClientCertificate::required;
        const Diagnostic fault = fault_of(shop.server);
        CHECK(fault.where == kCa);
        CHECK(fault.reason == "ca-missing");
    }
}

TEST_CASE("what no single line says is the service's") {
    Shop shop;
    shop.client.server_name.clear();
    const Diagnostic fault = fault_of(shop.client);
    CHECK(fault.where == kSection);
    CHECK(fault.reason == "server-name-missing");
}

TEST_CASE("of several certificates, the lines of the one that is wrong are blamed") {
    Shop shop;
    const testing::Issued further = shop.folder.make({.names = "DNS:api.example"});
    Position where = {"k.toml", 23, 1};
    std::string_view reason = "private-key-mismatch";
    TlsService service = shop.server;
    service.certificates = {{.certificate = further.certificate_file, .private_key = further.key_file},
                            {.certificate = further.certificate_file, .private_key = further.key_file}};
    service.certificates[1].names = {"other.example"};
    SUBCASE("a key of another certificate") {
        service.certificates[1].private_key = shop.issued.key_file;
    }
    SUBCASE("two for one name") {
        service.certificates[1].names = {"api.example"};
        where.line = 22;
        reason = "certificate-ambiguous";
    }
    SUBCASE("an OCSP response of nobody's") {
        service.certificates[1].ocsp = shop.folder.write("rubbish", "rubbish");
        where.line = 24;
        reason = "ocsp-malformed";
    }
    SUBCASE("an OCSP response of nobody's for the first one") {
        service.ocsp = shop.folder.write("rubbish", "rubbish");
        where.line = 15;
        reason = "ocsp-malformed";
    }
    Configuration configuration = with(std::move(service));
    configuration.sources[0].ocsp = {"k.toml", 15, 1};
    configuration.sources[0].certificates = {
        {.certificate = {"k.toml", 17, 1}, .private_key = {"k.toml", 18, 1}, .ocsp = {"k.toml", 19, 1}},
        {.certificate = {"k.toml", 22, 1}, .private_key = {"k.toml", 23, 1}, .ocsp = {"k.toml", 24, 1}}};
    const Diagnostics faults = check_files(configuration, std::chrono::system_clock::now());
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].reason == reason);
    CHECK(faults[0].where == where);
}

TEST_CASE("a credential's line is found by its name") {
    const TlsService service{.certificates = {{.certificate = "/c", .private_key = "credential:api"}}};
    ServiceSource source{.section = {}, .certificate = {}, .private_key = kKey, .ca = {}, .listen = {}};
    source.certificates = {{.certificate = {}, .private_key = {"k.toml", 18, 1}, .ocsp = {}}};
    CHECK(blame(service, source, "private-key-unreadable", "/run/credentials/e/api: it can't be read").line == 18);
    CHECK(blame(service, source, "private-key-unreadable", "/run/credentials/e/shop: it can't be read") == kKey);
}

TEST_CASE("OCSP responses that do no good are doubted") {
    Shop shop;
    const testing::Issued authority = shop.folder.make({.subject = "authority", .names = "", .authority = true});
    const testing::Issued leaf = shop.folder.make({.issuer = &authority});
    const auto now = std::chrono::system_clock::now();
    const auto doubts = [&](const testing::StatusRequest& request, std::chrono::seconds later = {}) {
        const ServiceCertificate certificate{.certificate = shop.folder.write_chain({&leaf, &authority}),
                                             .private_key = leaf.key_file,
                                             .ocsp = shop.folder.staple(leaf, authority, request)};
        Configuration configuration = with({.certificates = {certificate}});
        configuration.sources[0].certificates = {{.certificate = {}, .private_key = {}, .ocsp = kSection}};
        std::string reasons;
        for (const Diagnostic& each : doubts_about_stapling(configuration, now + later)) {
            CHECK(each.where == kSection);
            CHECK(each.sentence.starts_with("WARNING: ocsp: "));
            reasons += std::string(each.reason) + " ";
        }
        return reasons;
    };
    CHECK(doubts({}) == "");
    CHECK(doubts({.until = std::chrono::hours(1)}, std::chrono::hours(2)) == "ocsp-not-current ");
    CHECK(doubts({.from = std::chrono::hours(1)}) == "ocsp-not-current ");
    CHECK(doubts({.revoked = true}) == "ocsp-not-good ");
}

TEST_CASE("a certificate that clients refuse without a current OCSP response is doubted when there is none") {
    Shop shop;
    const testing::Issued authority = shop.folder.make({.subject = "authority", .names = "", .authority = true});
    testing::Issued leaf = shop.folder.make({.issuer = &authority});
    demand_stapling(leaf, authority);
    const auto now = std::chrono::system_clock::now();
    TlsService service{.certificate = shop.folder.write_chain({&leaf, &authority})};
    const auto doubts = [&](std::chrono::seconds later = {}) {
        Configuration configuration = with(service);
        configuration.sources[0].ocsp = {"k.toml", 15, 1};
        return doubts_about_stapling(configuration, now + later);
    };
    const Diagnostics none = doubts();
    REQUIRE(none.size() == 1);
    CHECK(none[0].reason == "must-staple");
    CHECK(none[0].where == kCertificate);
    CHECK(none[0].sentence.starts_with("WARNING: " + service.certificate));
    service.ocsp = shop.folder.staple(leaf, authority, {.until = std::chrono::hours(1)});
    CHECK(doubts().empty());
    const Diagnostics old = doubts(std::chrono::hours(2));
    REQUIRE(old.size() == 2);
    CHECK(old[0].reason == "ocsp-not-current");
    CHECK(old[1].reason == "must-staple");
    CHECK(old[1].where.line == 15);
    service = {.certificate = shop.folder.write_chain({&authority})};
    CHECK(doubts().empty());
}

TEST_CASE("each service is checked, in their order") {
    const Shop shop;
    Configuration configuration = with({.certificate = "/nonexistent/a"});
    for (const TlsService& service : {shop.server, TlsService{.mode = Mode::client, .ca = "/nonexistent/b"}}) {
        configuration.services.push_back(service);
        configuration.sources.push_back({.section = {"k.toml", 20, 1},
                                         .certificate = {"k.toml", 21, 1},
                                         .private_key = {"k.toml", 22, 1},
                                         .ca = {"k.toml", 23, 1},
                                         .listen = {}});
    }
    const Diagnostics faults = check_files(configuration, std::chrono::system_clock::now());
    REQUIRE(faults.size() == 2);
    CHECK(faults[0].where.line == 11);
    CHECK(faults[1].where.line >= 20);
}

TEST_CASE("host names become addresses, in their place") {
    const Endpoint before = parse_endpoint("192.0.2.1:1").value();
    const Endpoint after = parse_endpoint("unix:/run/x").value();
    Configuration configuration = with({.connect = {before, HostEndpoint{"localhost", 993}, after}});
    const Diagnostics faults = resolve_hosts(configuration);
    REQUIRE(faults.empty());
    const auto& connect = configuration.services[0].connect;
    REQUIRE(connect.size() >= 3);
    CHECK(connect.front() == before);
    CHECK(connect.back() == after);
    for (std::size_t i = 1; i + 1 < connect.size(); ++i) {
        const std::string address = to_string(connect[i]);
        CHECK((address == "127.0.0.1:993" || address == "[::1]:993"));
    }
    CHECK(configuration.sources[0].connect == std::vector<Position>(connect.size(), kConnect));
}

TEST_CASE("host names of routes become addresses, too") {
    Configuration configuration =
        with({.routes = {{.connect = {HostEndpoint{"localhost", 993}}},
                         {.connect = {HostEndpoint{std::string(64, 'x') + ".example", 1}}}}});
    configuration.sources[0].routes = {{kConnect}, {kCa}};
    const Diagnostics faults = resolve_hosts(configuration);
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].where == kCa);
    const auto& found = configuration.services[0].routes[0].connect;
    REQUIRE_FALSE(found.empty());
    CHECK_FALSE(std::holds_alternative<HostEndpoint>(found[0]));
    CHECK(configuration.sources[0].routes[0] == std::vector<Position>(found.size(), kConnect));
}

TEST_CASE("addresses alone stay as they are") {
    const std::vector<Endpoint> connect{parse_endpoint("192.0.2.1:1").value(), parse_endpoint("[::1]:2").value()};
    Configuration configuration = with({.connect = connect});
    CHECK(resolve_hosts(configuration).empty());
    CHECK(configuration.services[0].connect == connect);
}

TEST_CASE("a name that can't be found is reported") {
    // A label of 64 bytes: the resolver refuses it without asking anybody.
    const std::string name = std::string(64, 'x') + ".example";
    Configuration configuration = with({.connect = {HostEndpoint{name, 1}}});
    const Diagnostics faults = resolve_hosts(configuration);
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].where == kConnect);
    CHECK(faults[0].reason == "host-not-found");
    CHECK(faults[0].sentence.starts_with("connect: " + name + " can't be looked up: "));
}

TEST_CASE("no number of engines means one for each CPU") {
    Configuration configuration;
    choose_engines(configuration);
    CHECK(configuration.daemon.engines >= 1);
    CHECK(configuration.daemon.engines <= 256);
    configuration.daemon.engines = 7;
    choose_engines(configuration);
    CHECK(configuration.daemon.engines == 7);
}

TEST_CASE("IKE alone needs an engine when it signs") {
    Configuration configuration;
    const auto rules = configuration.ike.connections.emplace_back().rules;
    rules->auth = ike::Auth::certificate;
    choose_engines(configuration);
    CHECK(configuration.daemon.engines >= 1);
    rules->auth = ike::Auth::eap_tls;
    configuration.daemon.engines = 0;
    choose_engines(configuration);
    CHECK(configuration.daemon.engines >= 1);
}

TEST_CASE("IKE alone needs no engines") {
    Configuration configuration;
    configuration.ike.connections.emplace_back();
    choose_engines(configuration);
    CHECK(configuration.daemon.engines == 0);
    configuration.services.emplace_back();
    choose_engines(configuration);
    CHECK(configuration.daemon.engines >= 1);
}
