#include <doctest/doctest.h>

#include "tests/support/fake_surroundings.hpp"

using namespace keysluice;
using namespace keysluice::importer;

namespace {

Result<Imported> imported_from(std::string_view text) {
    FakeSurroundings host;
    host.there["/etc/stunnel/conf.d/a.conf"] = "[included]\naccept = 1\nconnect = 2\nclient = yes\n";
    return import_as(Kind::stunnel, source_of("/etc/stunnel/stunnel.conf", text), host, {});
}

std::string toml_from(std::string_view text) {
    const auto imported = imported_from(text);
    REQUIRE_MESSAGE(imported, imported.error().sentence);
    CHECK(fault_in(imported->toml).empty());
    return imported->toml;
}

bool complete(std::string_view text) {
    const auto imported = imported_from(text);
    REQUIRE(imported);
    return imported->complete();
}

constexpr std::string_view kServer = "[shop]\naccept = 443\nconnect = 8080\ncert = /etc/stunnel/shop.pem\n";

std::string server_with(std::string_view more) {
    return std::string(kServer) + std::string(more) + "\n";
}
std::string client_with(std::string_view more) {
    return "[out]\nclient = yes\naccept = 127.0.0.1:2345\nconnect = shop.example:443\n" + std::string(more) + "\n";
}

}  // namespace

TEST_SUITE("import: stunnel") {
    TEST_CASE("a client and a server, as in every manual") {
        const std::string client =
            toml_from("client = yes\n[23450]\naccept = 127.0.0.1:2345\nconnect = 192.168.0.3:23450\n");
        CHECK(has(client, "name = \"23450\"\nmode = \"client\"\nlisten = [\"127.0.0.1:2345\"]\n"));
        CHECK(has(client, "connect = [\"192.168.0.3:23450\"]\n"));
        CHECK(has(client, "verify_peer = \"none\"\n"));
        CHECK(has(client, "# No option has the server's certificate verified"));
        const std::string server = toml_from(kServer);
        CHECK(has(server, "mode = \"server\"\nlisten = [\"0.0.0.0:443\"]\nconnect = [\"127.0.0.1:8080\"]\n"));
        CHECK(has(server, "certificate = \"/etc/stunnel/shop.pem\"\nprivate_key = \"file:/etc/stunnel/shop.pem\"\n"));
        CHECK(complete(kServer));
    }

    TEST_CASE("a server without a certificate is an error with the line") {
        const auto imported = imported_from("debug = 7\n[2345]\naccept = 23450\nconnect = 2345\n");
        REQUIRE(!imported);
        CHECK(imported.error().reason == "import-impossible");
        CHECK(has(imported.error().sentence, "stunnel.conf:2: [2345]"));
        CHECK(imported_from("cert = /x.pem\n[2345]\naccept = 23450\nconnect = 2345\n"));
    }

    TEST_CASE("what changes nothing is a comment, what is lost counts") {
        const std::string text = "\xef\xbb\xbf; comment\nsetuid = stunnel4\npid = /run/x\n" + std::string(kServer);
        CHECK(
            has(toml_from(text), "# stunnel.conf:2: setuid = stunnel4: keysluice's units have users of their own\n"));
        CHECK(complete(text));
        CHECK(!complete(server_with("libwrap = yes")));
        CHECK(complete(server_with("libwrap = no")));
        CHECK(!complete(server_with("somethingNew = 1")));
        CHECK(has(toml_from(server_with("OCSPaia = yes")), "# stunnel.conf:5: OCSPaia = yes: "));
    }

    TEST_CASE("secrets are not repeated") {
        const std::string text = toml_from(server_with("ticketKeySecret = c0ffee\nprotocolPassword = c0ffee"));
        CHECK(!has(text, "c0ffee"));
        CHECK(has(text, "ticketKeySecret = (not repeated)"));
    }

    TEST_CASE("addresses") {
        CHECK(has(toml_from(server_with("connect = 192.0.2.9:1\nconnect = /run/x.sock\nconnect = ::1:2")),
                  "connect = [\"127.0.0.1:8080\", \"192.0.2.9:1\", \"unix:/run/x.sock\", \"[::1]:2\"]\n"));
        CHECK(has(toml_from(server_with("connect = 192.0.2.9:1")), "plaintext_remote = \"allow\""));
        CHECK(!has(toml_from(kServer), "plaintext_remote"));
        CHECK(has(toml_from("[a]\nclient = yes\naccept = :::https\nconnect = x.example:https\n"),
                  "listen = [\"[::]:443\"]\nconnect = [\"x.example:443\"]\n"));
        CHECK(has(toml_from("[a]\nclient = yes\naccept = localhost:1\nconnect = 2\n"), "listen = [\"127.0.0.1:1\"]"));
    }

    TEST_CASE("trust, in client mode") {
        const std::string full =
            toml_from(client_with("CApath = /etc/ssl/certs/\nverifyChain = yes\ncheckHost = a.example"));
        CHECK(has(full, "ca = \"/etc/ssl/certs/ca-certificates.crt\"\nserver_name = \"a.example\"\n"));
        CHECK(!has(full, "verify_peer"));
        // stunnel would take any name; here it is one.
        const std::string any = client_with("CAfile = /ca.pem\nverify = 2");
        CHECK(has(toml_from(any), "server_name = \"shop.example\"\n"));
        CHECK(!complete(any));
        CHECK(has(toml_from(client_with("CAfile = /ca.pem")),
                  "verify_peer = \"none\"\nserver_name = \"shop.example\"\n"));
        CHECK(!complete(client_with("CAfile = /ca.pem\ncheckHost = a.example\nverifyPeer = yes")));
        CHECK(has(toml_from(client_with("CAfile = /ca.pem\ncheckHost = a\nCRLfile = /x.crl\nverifyChain = yes")),
                  "crl = [\"/x.crl\"]\n"));
    }

    TEST_CASE("trust, in server mode") {
        const std::string required = toml_from(
            server_with("CAfile = /ca.pem\nverifyChain = yes\ncheckHost = a.example\ncheckEmail = b@c.example"));
        CHECK(has(required, "ca = \"/ca.pem\"\nclient_certificate = \"required\"\n"));
        CHECK(has(required, "peer_names = [\"dns:a.example\", \"email:b@c.example\"]\n"));
        CHECK(has(toml_from(server_with("CAfile = /ca.pem\nverify = 1")), "client_certificate = \"optional\"\n"));
        CHECK(!has(toml_from(server_with("CAfile = /ca.pem")), "client_certificate"));
        // What is to be verified is never served without.
        const std::string folder = server_with("CApath = /my/certs\nverifyChain = yes");
        CHECK(has(toml_from(folder), "this section is left out: verifyChain = yes: ca is one file"));
        CHECK(!complete(folder));
    }

    TEST_CASE("cryptography") {
        const std::string text = server_with(
            "ciphers = ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA\nciphersuites = TLS_AES_128_GCM_SHA256\n"
            "curves = prime256v1:X25519\nsslVersionMin = TLSv1.2\nsslVersionMax = TLSv1.3");
        CHECK(has(toml_from(text),
                  "ciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]\nciphersuites = "
                  "[\"TLS_AES_128_GCM_SHA256\"]\nkey_exchange_groups = [\"P-256\", \"X25519\"]\n"));
        CHECK(has(toml_from(text), "min_version = \"1.2\"\nmax_version = \"1.3\"\n"));
        CHECK(has(toml_from(text), "not AES128-SHA"));
        CHECK(has(toml_from(server_with("ciphers = HIGH:!aNULL")), "keysluice's own choice holds"));
        CHECK(has(toml_from(server_with("options = NO_TLSv1.2")), "min_version = \"1.3\""));
        CHECK(has(toml_from(server_with("options = NO_TICKET")), "session_lifetime = \"0s\""));
        CHECK(complete(server_with("options = NO_SSLv3\noptions = SINGLE_ECDH_USE")));
        CHECK(!complete(server_with("options = LEGACY_SERVER_CONNECT")));
        CHECK(!complete(server_with("sslVersionMin = TLSv1")));
    }

    TEST_CASE("times and the PROXY protocol") {
        const std::string text =
            toml_from(server_with("TIMEOUTbusy = 30\nTIMEOUTclose = 5\nTIMEOUTconnect = 7\n"
                                  "TIMEOUTidle = 600\nsessionCacheTimeout = 60\nprotocol = proxy"));
        CHECK(has(text,
                  "handshake_timeout = \"30s\"\nclose_timeout = \"5s\"\nconnect_timeout = \"7s\"\n"
                  "idle_timeout = \"600s\"\nsession_lifetime = \"60s\"\nsend_proxy = \"v1\"\n"));
        CHECK(!complete(server_with("TIMEOUTclose = 0")));
    }

    TEST_CASE("a service that can't be served is left out as a whole") {
        for (const char* line : {"exec = /bin/sh", "PSKsecrets = /x", "protocol = smtp", "transparent = destination",
                                 "sslVersion = TLSv1.1", "accept = nowhere", "cert = pkcs11:token=x"}) {
            CAPTURE(line);
            const std::string text = server_with(line) + "[other]\naccept = 444\nconnect = 1\ncert = /x.pem\n";
            const std::string toml = toml_from(text);
            CHECK(!has(toml, "name = \"shop\""));
            CHECK(has(toml, "name = \"other\""));
            CHECK(has(toml, "# stunnel.conf:2: accept = 443: left out with its section"));
            CHECK(!complete(text));
        }
    }

    TEST_CASE("further names of a service") {
        const std::string text =
            toml_from(server_with("[sub]\nsni = shop:*.sub.example\nconnect = 192.0.2.4:81\n"
                                  "cert = /sub.pem\nkey = /sub.key"));
        CHECK(has(text,
                  "[[tls.service.certificates]]\ncertificate = \"/sub.pem\"\nprivate_key = \"file:/sub.key\"\n"
                  "names = [\"*.sub.example\"]\n"));
        CHECK(has(text, "[[tls.service.routes]]\nnames = [\"*.sub.example\"]\nconnect = [\"192.0.2.4:81\"]\n"));
        CHECK(has(text, "plaintext_remote = \"allow\""));
        CHECK(
            has(toml_from("[x]\nsni = none:a.example\nconnect = 1\ncert = /x.pem\n"), "there is no section [none]"));
    }

    TEST_CASE("inclusions") {
        CHECK(has(toml_from("include = /etc/stunnel/conf.d\n"), "name = \"included\""));
        CHECK(has(toml_from("include = conf.d\n"), "name = \"included\""));
        FakeSurroundings host;
        host.there["/d/x"] = "include = /d\n";
        const auto round = import_as(Kind::stunnel, source_of("/s", "include = /d\n"), host, {});
        REQUIRE(!round);
        CHECK(round.error().reason == "import-too-large");
        CHECK(imported_from("include = /no/where\n").error().reason == "file-unreadable");
        CHECK(imported_from("include = /no/where/*\n"));
    }

    TEST_CASE("what is no stunnel.conf") {
        CHECK(imported_from("[a]\nnonsense\n").error().reason == "import-malformed");
        CHECK(
            imported_from("[a]\naccept = 1\nconnect = 2\nclient = yes\n[b]\naccept = 1\nconnect = 2\nclient = yes\n")
                .error()
                .reason == "import-impossible");
    }

    TEST_CASE("names and values that TOML can't have as they are") {
        const std::string text = toml_from(
            "[a b]\nclient = yes\naccept = 127.0.0.1:1\nconnect = 2\n"
            "setuid = \x1b[31m\xff\n[a b]\nclient = yes\naccept = 127.0.0.1:3\nconnect = 2\n");
        CHECK(has(text, "name = \"a-b\""));
        CHECK(has(text, "name = \"a-b-2\""));
        CHECK(has(text, "\\x1b"));
    }
}
