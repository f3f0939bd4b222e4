#include "tls/tickets.hpp"

#include <doctest/doctest.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <vector>

#include "tests/support/protected_record.hpp"
#include "tests/support/raw_peer.hpp"
#include "tests/support/ticket_office.hpp"
#include "tests/support/tls_pair.hpp"
#include "tls/session.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using namespace keysluice::testing;
using namespace std::chrono_literals;

namespace {

using SessionPtr = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;
using Configure = std::function<void(SSL_CTX*)>;

constexpr std::array<Version, 2> kVersions{Version::tls12, Version::tls13};
constexpr auto kLifetime = 300s;
/// The clock may stand anywhere.
constexpr Instant kStart{70'000s};

struct Fixture {
    std::shared_ptr<FakeTicketOffice> office = std::make_shared<FakeTicketOffice>();
    ServerSettings settings = server_settings();

    Fixture() { settings.resumption = {.office = office, .audience = "shop", .lifetime = kLifetime}; }

    void ask_for_certificates() {
        settings.client_certificate = ClientCertificate::required;
        settings.ca = Pki::shared().authority.certificate_file;
    }
    Context context() const { return server_context(settings); }
};

/// One connection of a client that has a ticket, or none yet.
struct Visit {
    std::unique_ptr<RawPeer> client;
    std::unique_ptr<Session> server;
    Result<void> verdict;

    Visit(
        const Context& context, Version version, SSL_SESSION* with = nullptr, Instant at = kStart,
        const Configure& configure = [](SSL_CTX*) {}, const std::function<void(SSL*)>& begin = [](SSL*) {})
        : client(std::make_unique<RawPeer>(Role::client,
                                           [&](SSL_CTX* raw) {
                                               const int number =
                                                   version == Version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
                                               SSL_CTX_set_min_proto_version(raw, number);
                                               SSL_CTX_set_max_proto_version(raw, number);
                                               configure(raw);
                                           })),
          server(Session::accept(context, at).value()) {
        if (with != nullptr) {
            SSL_set_session(client->ssl(), with);
        }
        begin(client->ssl());
        verdict = client->shake_hands(*server);
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    /// A client forgets the session of a connection that has ended without a close_notify.
    ~Visit() { SSL_set_shutdown(client->ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

    bool resumed() const {
        return verdict && server->established() && server->summary().resumed &&
               SSL_session_reused(client->ssl()) == 1;
    }
    bool full() const { return verdict && server->established() && !server->summary().resumed; }
    SessionPtr ticket() const { return SessionPtr(SSL_get1_session(client->ssl())); }
};

void show_certificate(SSL_CTX* raw) {
    const Pki& pki = Pki::shared();
    SSL_CTX_use_certificate(raw, pki.client.certificate.get());
    SSL_CTX_use_PrivateKey(raw, pki.client.key.get());
}

/// Both ways, with nothing but what the session exports.
void check_exported(const Visit& visit) {
    const auto keys = visit.server->export_keys();
    REQUIRE(keys);
    RecordProtection writer(keys->version, keys->cipher, keys->write);
    RecordProtection reader(keys->version, keys->cipher, keys->read);
    CHECK(as_text(visit.client->read(writer.seal(ContentType::application_data, as_bytes("welcome")))) == "welcome");
    CHECK(as_text(visit.client->read(writer.seal(ContentType::application_data, as_bytes("back")))) == "back");
    for (const std::string_view text : {"thank", "you"}) {
        SSL_write(visit.client->ssl(), text.data(), static_cast<int>(text.size()));
        const auto sent = visit.client->take_output();
        const auto opened = reader.open(records_in(sent).at(0));
        REQUIRE(opened);
        CHECK(as_text(Bytes(*opened).first(text.size())) == text);
    }
}

}  // namespace

TEST_CASE("a ticket of one engine works on another, and the keys that leave are those of the next records") {
    const Fixture fixture;
    const Context one = fixture.context();
    const Context another = fixture.context();
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Visit first(one, version);
        REQUIRE(first.full());
        CHECK(first.server->export_keys()->write.sequence == (version == Version::tls13 ? 2 : 1));
        check_exported(first);
        const Visit second(another, version, first.ticket().get());
        CHECK(second.resumed());
        CHECK(second.server->export_keys()->write.sequence == 1);
        check_exported(second);
        const Visit third(one, version, second.ticket().get());
        CHECK(third.resumed());
        check_exported(third);
    }
}

TEST_CASE("a context without an office gives out no ticket, and neither does one whose office has no key") {
    Fixture fixture;
    const Context without_key = fixture.context();
    fixture.office->keys.clear();
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Visit first(without_key, version);
        CHECK(first.full());
        CHECK(SSL_SESSION_has_ticket(first.ticket().get()) == 0);
        const Visit none(server_context(), version);
        CHECK(none.full());
        CHECK(SSL_SESSION_has_ticket(none.ticket().get()) == 0);
    }
}

TEST_CASE("a ticket outlives the rotation of the keys for as long as its own is kept") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Fixture fixture;
        const Context context = fixture.context();
        const SessionPtr ticket = Visit(context, version).ticket();
        fixture.office->keys = {1, 2, 3};
        CHECK(Visit(context, version, ticket.get()).resumed());
        fixture.office->keys = {2, 3, 4};
        const Visit late(context, version, ticket.get());
        CHECK(late.full());
        CHECK(Visit(context, version, late.ticket().get()).resumed());
    }
}

TEST_CASE("a session is resumed until its lifetime is over, and resuming does not prolong it") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Fixture fixture;
        const Context context = fixture.context();
        const SessionPtr ticket = Visit(context, version).ticket();
        CHECK(SSL_SESSION_get_ticket_lifetime_hint(ticket.get()) == 300);
        const Visit late(context, version, ticket.get(), kStart + kLifetime - 1ns);
        CHECK(late.resumed());
        CHECK(Visit(context, version, ticket.get(), kStart + kLifetime).full());
        CHECK(Visit(context, version, late.ticket().get(), kStart + kLifetime).full());
        CHECK(Visit(context, version, ticket.get(), kStart - 1s).full());  // of another clock
        const Visit half(context, Version::tls13, Visit(context, Version::tls13).ticket().get(), kStart + 100s);
        REQUIRE(half.resumed());
        CHECK(SSL_SESSION_get_ticket_lifetime_hint(half.ticket().get()) == 200);
    }
}

TEST_CASE("a session is not carried over to another service, nor to other demands on the client") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        Fixture fixture;
        fixture.settings.ca = Pki::shared().authority.certificate_file;
        const SessionPtr ticket = Visit(fixture.context(), version).ticket();
        CHECK(Visit(fixture.context(), version, ticket.get()).resumed());
        fixture.settings.resumption.audience = "bank";
        CHECK(Visit(fixture.context(), version, ticket.get()).full());
        fixture.settings.resumption.audience = "shop";
        fixture.settings.client_certificate = ClientCertificate::optional;
        CHECK(Visit(fixture.context(), version, ticket.get()).full());
    }
}

TEST_CASE("a session is resumed so often and no more, wherever and by whichever of its tickets") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        Fixture fixture;
        fixture.settings.resumption.max_uses = 3;
        const Context one = fixture.context();
        const Context another = fixture.context();
        const SessionPtr ticket = Visit(one, version).ticket();
        CHECK(Visit(one, version, ticket.get()).resumed());
        const Visit second(another, version, ticket.get());
        CHECK(second.resumed());
        CHECK(Visit(one, version, second.ticket().get()).resumed());
        CHECK(Visit(one, version, second.ticket().get()).full());
        const Visit last(another, version, ticket.get());
        CHECK(last.full());
        CHECK(Visit(another, version, last.ticket().get()).resumed());
        fixture.office->full = true;
        const Visit uncounted(one, version);
        CHECK(uncounted.full());
        CHECK(Visit(one, version, uncounted.ticket().get()).full());
    }
}

TEST_CASE("a session of TLS 1.2 is tied to the name that it began with, one of TLS 1.3 is not") {
    const auto asking_for = [](const char* name) {
        return [name](SSL* ssl) {
            SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name));
        };
    };
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        const Context context = Fixture().context();
        const SessionPtr ticket =
            Visit(context, version, nullptr, kStart, [](SSL_CTX*) {}, asking_for("a.example")).ticket();
        const auto again = [&](const char* name) {
            const Visit visit(context, version, ticket.get(), kStart, [](SSL_CTX*) {}, asking_for(name));
            CHECK(visit.server->summary().server_name == name);  // the one of this handshake
            return visit.resumed();
        };
        CHECK(again("a.example"));
        CHECK(again("A.EXAMPLE"));
        CHECK(again("b.example") == (version == Version::tls13));
        CHECK(Visit(context, version, ticket.get()).resumed() == (version == Version::tls13));
    }
}

TEST_CASE("a resumed session has its client's certificate, which is verified again") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        Fixture fixture;
        fixture.ask_for_certificates();
        const Context context = fixture.context();
        const SessionPtr ticket = Visit(context, version, nullptr, kStart, show_certificate).ticket();
        const Visit again(context, version, ticket.get());
        CHECK(again.resumed());
        CHECK(again.server->summary().peer_common_name == "client 7");
        const auto refused = [&](const Context& now, std::string_view reason = "certificate-rejected") {
            const Visit visit(now, version, ticket.get(), kStart, show_certificate);
            return !visit.verdict && visit.verdict.error().reason == reason;
        };
        auto& settings = fixture.settings;
        settings.rules.subjects = {crypto::parse_subject_rule("CN=somebody else").value()};
        CHECK(refused(fixture.context(), "peer-not-welcome"));
        settings.rules.subjects = {crypto::parse_subject_rule("CN=client 7").value()};
        CHECK(Visit(fixture.context(), version, ticket.get()).resumed());
        CertificateFolder folder;
        settings.revocation_lists = {folder.revoke(Pki::shared().authority, {&Pki::shared().client})};
        CHECK(refused(fixture.context()));
        settings.revocation_lists = {};
        const Context later = fixture.context();
        X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(later.get()), time(nullptr) + 48 * 3600);
        CHECK(refused(later));
        fixture.settings.ca = Pki::shared().stranger.certificate_file;
        CHECK(refused(fixture.context()));
    }
}

TEST_CASE("a client whose session is not resumed is judged by the certificate that it shows then") {
    for (const Version version : kVersions) {
        CAPTURE(name_of(version));
        Fixture fixture;
        fixture.ask_for_certificates();
        const SessionPtr ticket = Visit(fixture.context(), version, nullptr, kStart, show_certificate).ticket();
        fixture.settings.rules.subjects = {crypto::parse_subject_rule("CN=somebody else").value()};
        const Visit bare(fixture.context(), version, ticket.get());
        REQUIRE_FALSE(bare.verdict);
        CHECK(bare.verdict.error().reason == "client-certificate-missing");
        const Visit stranger(fixture.context(), version, ticket.get(), kStart, [](SSL_CTX* raw) {
            SSL_CTX_use_certificate(raw, Pki::shared().stranger.certificate.get());
            SSL_CTX_use_PrivateKey(raw, Pki::shared().stranger.key.get());
        });
        REQUIRE_FALSE(stranger.verdict);
        CHECK(stranger.verdict.error().reason == "certificate-rejected");
        CHECK(stranger.verdict.error().sentence.contains("a stranger"));
    }
}

TEST_CASE("intermediate certificates go into the ticket, as far as there is room") {
    CertificateFolder folder;
    const Pki& pki = Pki::shared();
    const Issued middle =
        folder.make({.subject = "middle", .names = "", .issuer = &pki.authority, .authority = true});
    const Issued leaf = folder.make({.subject = "client 8", .names = "", .issuer = &middle});
    const Issued ballast = folder.make({.key = KeyType::rsa2048, .issuer = &pki.authority});
    for (const Version version : kVersions) {
        for (const int extra : {0, 9, 20}) {
            CAPTURE(name_of(version));
            CAPTURE(extra);
            Fixture fixture;
            fixture.ask_for_certificates();
            const Context context = fixture.context();
            const Visit first(context, version, nullptr, kStart, [&](SSL_CTX* raw) {
                SSL_CTX_use_certificate(raw, leaf.certificate.get());
                SSL_CTX_use_PrivateKey(raw, leaf.key.get());
                SSL_CTX_add1_chain_cert(raw, middle.certificate.get());
                for (int i = 0; i < extra; ++i) {
                    SSL_CTX_add1_chain_cert(raw, ballast.certificate.get());
                }
            });
            REQUIRE(first.full());
            check_exported(first);
            const Visit again(context, version, first.ticket().get(), kStart, show_certificate);
            CHECK(again.resumed() == (extra < 10));
            CHECK(again.full() == (extra >= 10));
        }
    }
}

TEST_CASE("resuming TLS 1.2 takes the extended master secret, too") {
    const Fixture fixture;
    const Context context = fixture.context();
    const SessionPtr ticket = Visit(context, Version::tls12).ticket();
    const Visit without(context, Version::tls12, ticket.get(), kStart,
                        [](SSL_CTX* raw) { SSL_CTX_set_options(raw, SSL_OP_NO_EXTENDED_MASTER_SECRET); });
    REQUIRE(!without.verdict);
    CHECK(without.verdict.error().reason == "no-extended-master-secret");
}
