#include "dbus/networkmanager/plugin/connection_file.hpp"

#include <doctest/doctest.h>

#include "dbus/networkmanager/profile.hpp"

using namespace keysluice;
using namespace keysluice::networkmanager;

namespace {

constexpr std::string_view kChild = "[[ike.connection.child]]\nname = \"net\"\n";

std::string connection(std::string_view keys, std::string_view child = {}) {
    return "[[ike.connection]]\nname = \"office\"\n" + std::string(keys) + std::string(kChild) + std::string(child);
}

Data data_of(std::string_view text) {
    const auto imported = import_connection(text, "x.toml");
    const std::string why = imported ? "" : to_string(imported.error());
    REQUIRE_MESSAGE(imported, why);
    return imported->data;
}

std::string fault(std::string_view text, std::string_view reason = "not-importable") {
    const auto imported = import_connection(text, "x.toml");
    REQUIRE(!imported);
    CHECK(imported.error().reason == reason);
    return to_string(imported.error());
}

/// What comes back when a connection with this vpn.data is exported and imported.
Data there_and_back(const Data& data) {
    Request request;
    request.uuid = "1ba5e8c4-0a4b";
    request.id = "my office";
    request.data = data;
    const auto text = export_profile(request);
    REQUIRE(text);
    const auto imported = import_connection(*text, "x.toml");
    REQUIRE(imported);
    CHECK(imported->id == "my-office");
    return imported->data;
}

}  // namespace

TEST_SUITE("networkmanager: connection file") {
    TEST_CASE("what is exported comes back the same") {
        Data data{{"gateway", "vpn.example"}, {"local-id", "laptop.example"}};
        CHECK(there_and_back(data) == data);
        data = {{"gateway", "192.0.2.1 192.0.2.2"},
                {"gateway-order", "priority"},
                {"return", "when-idle"},
                {"return-check", "30s"},
                {"return-idle", "10s"},
                {"local", "192.0.2.9"},
                {"remote-id", "a\"\npsk = \"file:/etc/shadow"},
                {"method", "certificate"},
                {"certificate", "/c.pem"},
                {"private-key", "/k.pem"},
                {"ca", "/ca.pem"},
                {"crl", "/a.crl /b.crl"},
                {"proposals", "aes256gcm16-prfsha384-x25519 aes128-sha256-modp2048"},
                {"allow-weak", "sha1"},
                {"rekey-time", "4h"},
                {"liveness", "30s"},
                {"virtual-addresses", "0.0.0.0"},
                {"mode", "tunnel"},
                {"local-ts", "10.1.0.0/16 fd01::/64"},
                {"remote-ts", "10.2.0.0/16"},
                {"esp", "aes256gcm16"},
                {"esp-rekey-time", "1h"},
                {"offload", "off"}};
        CHECK(there_and_back(data) == data);
        data = {{"gateway", "g"}, {"method", "eap-mschapv2"}, {"user", "alice"}, {"interface", "ks-office"}};
        CHECK(there_and_back(data) == data);
    }

    TEST_CASE("an export has no secrets, and says where they are to be") {
        Request request;
        request.id = "a/b c";
        request.data = {{"gateway", "g"}, {"method", "eap-mschapv2"}, {"remote-method", "psk"}, {"psk-flags", "1"}};
        request.secrets.psk = GivenSecret(as_bytes("swordfish"));
        const auto text = export_profile(request);
        REQUIRE(text);
        CHECK(text->contains("\npsk = \"file:/etc/keysluice/a-b-c.psk\"\n"));
        CHECK(text->contains("\neap_password = \"file:/etc/keysluice/a-b-c.password\"\n"));
        CHECK_FALSE(text->contains("swordfish"));
        request.data["gatewy"] = "h";
        CHECK(export_profile(request).error().reason == "bad-vpn-data");
    }

    TEST_CASE("who the peer is stays the same, whatever the one or the other has by default") {
        CHECK(data_of(connection("remote = \"g\"\n")) == Data{{"gateway", "g"}, {"remote-id", "*"}});
        CHECK(data_of(connection("remote = \"g\"\nremote_id = \"g\"\n")) == Data{{"gateway", "g"}});
        CHECK(data_of(connection("remote = [\"g\", \"h\"]\nremote_id = \"*.x\"\n")) ==
              Data{{"gateway", "g h"}, {"remote-id", "*.x"}});
    }

    TEST_CASE("secrets and the time to start are NetworkManager's") {
        CHECK(data_of(connection("remote = \"g\"\nremote_id = \"g\"\nstart = \"on-load\"\npsk = \"file:/x\"\n"
                                 "eap_password = \"credential:x\"\n")) == Data{{"gateway", "g"}});
        CHECK(fault(connection("remote = \"g\"\nstart = \"manual\"\n"))
                  .starts_with("x.toml:4:9: start = \"manual\": NetworkManager's connections begin themselves"));
        CHECK(fault(connection("remote = \"g\"\npsk = 5\n")) ==
              "x.toml:4:7: psk: expected a string, found an integer");
    }

    TEST_CASE("what has no key in vpn.data is named with its line") {
        CHECK(fault(connection("remote = \"g\"\nrekey_tme = \"1h\"\n")) ==
              "x.toml:4:1: \"rekey_tme\": there is no key for it in vpn.data; did you mean \"rekey_time\"?");
        CHECK(fault(connection("remote = \"g\"\n", "rekey_bytes = 5\n"))
                  .starts_with("x.toml:6:1: \"rekey_bytes\": there is no key for it in vpn.data"));
        CHECK(fault("[daemon]\nengines = 2\n" + connection("remote = \"g\"\n"))
                  .starts_with("x.toml:1:2: \"daemon\": a connection of NetworkManager's is one"));
        CHECK(fault(connection("remote = \"g\"\nprivate_key = \"credential:key\"\n"))
                  .starts_with("x.toml:4:15: private_key = \"credential:key\": vpn.data names files only"));
    }

    TEST_CASE("values that vpn.data can't have") {
        CHECK(fault(connection("remote = \"g\"\ncrl = [\"/a b.crl\"]\n"))
                  .starts_with("x.toml:4:8: crl: expected strings without spaces"));
        CHECK(fault(connection("remote = \"g\"\nproposals = []\n")) ==
              "x.toml:4:13: proposals: vpn.data has no empty values");
        CHECK(fault(connection("remote = \"g\"\nlocal_id = \"\"\n")) ==
              "x.toml:4:12: local_id: vpn.data has no empty values");
        CHECK(fault(connection("remote = \"g\"\nproposals = \"x\"\n")) ==
              "x.toml:4:13: proposals: expected an array of strings, found a string");
        CHECK(fault(connection("remote = \"any\"\n")).starts_with("x.toml:1:7: remote is missing"));
        CHECK(fault(connection("")).starts_with("x.toml:1:7: remote is missing"));
    }

    TEST_CASE("one connection with one child") {
        CHECK(fault("", "not-one-connection") == "x.toml:1:1: expected one [[ike.connection]] with its child");
        CHECK(fault("ike = 5\n") == "x.toml:1:7: ike: expected the table [ike], found an integer");
        CHECK(fault("[ike]\nconnection = 5\n") == "x.toml:2:1: connection: expected one [[ike.connection]]");
        CHECK(fault("[ike]\nconnection = [5]\n") == "x.toml:2:1: connection: expected one [[ike.connection]]");
        CHECK(fault(connection("remote = \"g\"\n") + connection("remote = \"h\"\n"), "not-one-connection")
                  .starts_with("x.toml:6:1: a second [[ike.connection]]"));
        CHECK(fault(connection("remote = \"g\"\n", kChild), "not-one-connection")
                  .starts_with("x.toml:6:1: a second [[ike.connection.child]]"));
        CHECK(fault("[[ike.connection", "toml-syntax").starts_with("x.toml:1:"));
        CHECK(data_of("[[ike.connection]]\nremote = \"g\"\n") == Data{{"gateway", "g"}, {"remote-id", "*"}});
    }
}
