#include "dbus/networkmanager/profile.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "dbus/networkmanager/request.hpp"

using namespace keysluice;
using namespace keysluice::networkmanager;
using std::chrono::seconds;

namespace {

using Texts = std::map<std::string, std::string>;

Request request(Texts data, std::string_view psk = "swordfish") {
    Request made;
    made.uuid = "1ba5e8c4";
    made.id = "office";
    made.data = std::move(data);
    made.secrets.psk = GivenSecret(as_bytes(psk));
    return made;
}

std::string sentence_of(const Request& wrong, std::string_view reason = "bad-vpn-data") {
    const auto profile = read_profile(wrong);
    REQUIRE(!profile);
    CHECK(profile.error().reason == reason);
    return profile.error().sentence;
}

}  // namespace

TEST_SUITE("networkmanager: profile") {
    TEST_CASE("the least: the gateway is who it says it is") {
        const auto profile = read_profile(request({{"gateway", "vpn.example"}, {"local-id", "laptop.example"}}));
        REQUIRE(profile);
        CHECK(profile->name == "nm-1ba5e8c4");
        CHECK(profile->takes_psk);
        CHECK(profile->toml ==
              "[[ike.connection]]\n"
              "name = \"nm-1ba5e8c4\"\n"
              "start = \"on-traffic\"\n"
              "remote = \"vpn.example\"\n"
              "local_id = \"laptop.example\"\n"
              "remote_id = \"vpn.example\"\n"
              "psk = \"option:psk\"\n"
              "[[ike.connection.child]]\n"
              "name = \"vpn\"\n");
    }

    TEST_CASE("everything, and no value can be more than a value") {
        const auto profile =
            read_profile(request({{"gateway", "192.0.2.2"},
                                  {"local", "192.0.2.1"},
                                  {"remote-id", "a\"\npsk = \"file:/etc/shadow"},
                                  {"method", "certificate"},
                                  {"certificate", "/c.pem"},
                                  {"private-key", "/k.pem"},
                                  {"ca", "/ca.pem"},
                                  {"crl", "/a.crl /b.crl"},
                                  {"proposals", "aes256gcm16-prfsha384-x25519, aes128-sha256-modp2048"},
                                  {"allow-weak", "sha1"},
                                  {"rekey-time", "4h"},
                                  {"liveness", "30s"},
                                  {"mode", "tunnel"},
                                  {"local-ts", " 10.1.0.0/16;fd01::/64 "},
                                  {"remote-ts", ""},
                                  {"esp", "aes256gcm16"},
                                  {"esp-rekey-time", "1h"},
                                  {"offload", "off"},
                                  {"psk-flags", "0"}},
                                 ""));
        REQUIRE(profile);
        CHECK_FALSE(profile->takes_psk);
        CHECK(profile->toml ==
              "[[ike.connection]]\n"
              "name = \"nm-1ba5e8c4\"\n"
              "start = \"on-traffic\"\n"
              "remote = \"192.0.2.2\"\n"
              "local = \"192.0.2.1\"\n"
              "remote_id = \"a\\\"\\u000apsk = \\\"file:/etc/shadow\"\n"
              "auth = \"certificate\"\n"
              "certificate = \"/c.pem\"\n"
              "private_key = \"file:/k.pem\"\n"
              "ca = \"/ca.pem\"\n"
              "crl = [\"/a.crl\", \"/b.crl\"]\n"
              "proposals = [\"aes256gcm16-prfsha384-x25519\", \"aes128-sha256-modp2048\"]\n"
              "allow_weak = [\"sha1\"]\n"
              "rekey_time = \"4h\"\n"
              "liveness = \"30s\"\n"
              "[[ike.connection.child]]\n"
              "name = \"vpn\"\n"
              "mode = \"tunnel\"\n"
              "local_ts = [\"10.1.0.0/16\", \"fd01::/64\"]\n"
              "remote_ts = []\n"
              "esp = [\"aes256gcm16\"]\n"
              "rekey_time = \"1h\"\n"
              "offload = \"off\"\n");
    }

    TEST_CASE("who asks for virtual addresses is behind an interface, of its own if no other is said") {
        const auto profile = read_profile(request({{"gateway", "192.0.2.2"}, {"virtual-addresses", "0.0.0.0 ::"}}));
        REQUIRE(profile);
        CHECK(profile->toml.contains("virtual_addresses = [\"0.0.0.0\", \"::\"]\n"));
        CHECK(profile->toml.contains("interface = \"nm-1ba5e8c4\"\n"));
        const auto named = read_profile(
            request({{"gateway", "192.0.2.2"}, {"virtual-addresses", "0.0.0.0"}, {"interface", "ks-office"}}));
        REQUIRE(named);
        CHECK(named->toml.contains("interface = \"ks-office\"\n"));
        CHECK_FALSE(named->toml.contains("nm-1ba5e8c4\"\ni"));
    }

    TEST_CASE("several gateways share an identity, which has to be said") {
        Texts data{{"gateway", "gw1.example gw2.example:500"}, {"gateway-order", "rotation"}, {"return", "never"}};
        CHECK(gateways_of(request(data)) == 2);
        CHECK(sentence_of(request(data)) ==
              "vpn.data: remote-id is missing: expected the identity that matches all of the gateways");
        data["remote-id"] = "*.example";
        const auto profile = read_profile(request(data));
        REQUIRE(profile);
        CHECK(
            profile->toml.contains("\nremote = [\"gw1.example\", \"gw2.example:500\"]\n"
                                   "remote_order = \"rotation\"\nreturn = \"never\"\n"));
        CHECK(gateways_of(request({{"gateway", "g"}})) == 1);
    }

    TEST_CASE("a name and a password") {
        const Texts data{
            {"gateway", "vpn.example"}, {"method", "eap-mschapv2"}, {"user", "alice"}, {"ca", "/ca.pem"}};
        Request office = request(data, "");
        CHECK(lacks_secrets(office));
        CHECK(sentence_of(office, "vpn-secret-missing").contains("authenticates by a password"));
        office.secrets.password = GivenSecret(as_bytes("sesame"));
        CHECK_FALSE(lacks_secrets(office));
        const auto profile = read_profile(office);
        REQUIRE(profile);
        CHECK_FALSE(profile->takes_psk);
        CHECK(profile->takes_password);
        CHECK(profile->toml ==
              "[[ike.connection]]\n"
              "name = \"nm-1ba5e8c4\"\n"
              "start = \"on-traffic\"\n"
              "remote = \"vpn.example\"\n"
              "auth = \"eap-mschapv2\"\n"
              "eap_identity = \"alice\"\n"
              "ca = \"/ca.pem\"\n"
              "remote_id = \"vpn.example\"\n"
              "eap_password = \"option:eap_password\"\n"
              "[[ike.connection.child]]\n"
              "name = \"vpn\"\n");
        office.secrets.password = GivenSecret(as_bytes(std::string(257, 'x')));
        CHECK(sentence_of(office) == "vpn.secrets: password has more than 256 bytes");
        office.secrets.password = {};
        office.data["password-flags"] = "4";
        CHECK_FALSE(lacks_secrets(office));
        office.data["password-flags"] = "2";
        CHECK(lacks_secrets(office));
    }

    TEST_CASE("EAP with a certificate takes no secret") {
        const Request office = request({{"gateway", "vpn.example"},
                                        {"method", "eap-tls"},
                                        {"user", "alice@example.org"},
                                        {"certificate", "/alice.pem"},
                                        {"private-key", "/alice.key"},
                                        {"ca", "/ca.pem"},
                                        {"eap-server-id", "aaa.example"},
                                        {"reauth-time", "3h"}},
                                       "");
        CHECK_FALSE(lacks_secrets(office));
        const auto profile = read_profile(office);
        REQUIRE(profile);
        CHECK_FALSE(profile->takes_password);
        CHECK(profile->toml.contains("auth = \"eap-tls\"\neap_identity = \"alice@example.org\"\n"));
        CHECK(profile->toml.contains("eap_server_id = \"aaa.example\"\n"));
        CHECK(profile->toml.contains("reauth_time = \"3h\"\n"));
    }

    TEST_CASE("what is unknown is named, with what there is") {
        CHECK(sentence_of(request({})) ==
              "vpn.data: gateway is missing: expected the address or the host name of the peer");
        const std::string unknown = sentence_of(request({{"gateway", "g"}, {"remote-t", "10.2.0.0/16"}}));
        CHECK(unknown.starts_with(
            "vpn.data: there is no key \"remote-t\": expected \"psk-flags\", \"password-flags\", "));
        CHECK(unknown.ends_with("did you mean \"remote-ts\"?"));
        Request more = request({{"gateway", "g"}});
        more.other_secrets = {"pin"};
        CHECK(sentence_of(more) == "vpn.secrets: there is no \"pin\": expected psk or password");
        CHECK(sentence_of(request({{"gateway", "g"}}, std::string(257, 'x'))) ==
              "vpn.secrets: psk has more than 256 bytes");
        CHECK(read_profile(request({{"gateway", "g"}}, std::string(256, 'x'))));
    }

    TEST_CASE("secrets are needed by who authenticates with them, unless it is said that they are not") {
        CHECK_FALSE(lacks_secrets(request({{"gateway", "g"}})));
        CHECK(lacks_secrets(request({}, "")));
        CHECK(lacks_secrets(request({{"psk-flags", "1"}}, "")));
        CHECK(lacks_secrets(request({{"psk-flags", "2"}}, "")));
        CHECK_FALSE(lacks_secrets(request({{"psk-flags", "4"}}, "")));
        CHECK_FALSE(lacks_secrets(request({{"method", "certificate"}}, "")));
        CHECK(lacks_secrets(request({{"method", "certificate"}, {"remote-method", "psk"}}, "")));
        CHECK(sentence_of(request({{"gateway", "g"}}, ""), "vpn-secret-missing").starts_with("\"office\" "));
    }

    TEST_CASE("it gives up before NetworkManager does") {
        Request waiting = request({});
        CHECK(patience_for(waiting) == seconds(55));
        waiting.timeout = seconds(300);
        CHECK(patience_for(waiting) == seconds(295));
        waiting.timeout = seconds(4);
        CHECK(patience_for(waiting) == seconds(2));
        waiting.timeout = seconds(1);
        CHECK(patience_for(waiting) == seconds(1));
    }

    TEST_CASE("what NetworkManager sends") {
        const Settings settings{
            {"connection",
             {{"uuid", sdbus::Variant{std::string("u")}},
              {"id", sdbus::Variant{std::string("office")}},
              {"permissions", sdbus::Variant{std::vector<std::string>{"user:alice:"}}}}},
            {"vpn",
             {{"timeout", sdbus::Variant{std::uint32_t{9}}},
              {"data", sdbus::Variant{Texts{{"gateway", "g"}}}},
              {"secrets", sdbus::Variant{Texts{{"psk", "swordfish"}, {"password", "sesame"}, {"pin", "1"}}}}}}};
        const auto read = read_request(settings);
        REQUIRE(read);
        CHECK(read->uuid == "u");
        CHECK(read->id == "office");
        CHECK(read->users == std::vector<std::string>{"alice"});
        CHECK(read->timeout == seconds(9));
        CHECK(read->data == Texts{{"gateway", "g"}});
        CHECK(as_text(read->secrets.psk.expose()) == "swordfish");
        CHECK(as_text(read->secrets.password.expose()) == "sesame");
        CHECK(read->other_secrets == std::vector<std::string>{"pin"});
        CHECK(read_request({}));
        CHECK(read_request({{"vpn", {{"data", sdbus::Variant{7U}}}}}).error().reason == "bad-vpn-data");
    }
}
