#include <doctest/doctest.h>
#include <fmt/format.h>

#include "cli/import/ipsec_parameters.hpp"
#include "tests/support/fake_surroundings.hpp"

using namespace keysluice;
using namespace keysluice::importer;

namespace {

Result<Imported> imported_from(std::string_view text, std::string_view secrets = "", const Wishes& wishes = {}) {
    FakeSurroundings host;
    host.there["/etc/ipsec.secrets"] = secrets;
    host.there["/etc/ipsec.d/a.conf"] = "conn inc\n\tright=198.51.100.9\n\tleft=192.0.2.1\n\tauthby=secret\n";
    return import_as(Kind::ipsec, source_of("/etc/ipsec.conf", text), host, wishes);
}

std::string toml_from(std::string_view text, std::string_view secrets = "", const Wishes& wishes = {}) {
    const auto imported = imported_from(text, secrets, wishes);
    REQUIRE_MESSAGE(imported, imported.error().sentence);
    CHECK(fault_in(imported->toml).empty());
    return imported->toml;
}

constexpr std::string_view kStrongSwan = R"(config setup
	charondebug="ike 1"
	uniqueids=no

conn %default
	keyexchange=ikev2
	ikelifetime=60m
	keylife=20m
	rekeymargin=3m
	keyingtries=1

conn base
	left=192.0.2.1
	leftid=@gw1.example
	authby=secret

conn hq   # a comment
	also=base
	leftsubnet=10.1.0.0/16
	right=198.51.100.7
	rightid=@gw2.example
	rightsubnet=10.2.0.0/16,10.4.0.0/16
	ike=aes128-sha256-modp2048!
	esp=aes128gcm16-modp2048!
	dpddelay=30s
	dpdaction=restart
	auto=start
)";

constexpr std::string_view kSecrets = R"(# a comment
@gw1.example @gw2.example : PSK "s3cret"
: RSA gw1.key
carol : XAUTH "hushhush"
)";

std::string conn_with(std::string_view more) {
    return "conn a\n\tleft=192.0.2.1\n\tright=198.51.100.7\n\tauthby=secret\n" + std::string(more) + "\n";
}

bool complete(std::string_view more) {
    const auto imported = imported_from(conn_with(more), ": PSK x\n", {.keys = "/k"});
    REQUIRE(imported);
    return imported->complete();
}

}  // namespace

TEST_SUITE("import: ipsec.conf") {
    TEST_CASE("strongSwan's, with also= and %default") {
        const std::string text = toml_from(kStrongSwan, kSecrets);
        CHECK(has(text,
                  "local = \"192.0.2.1\"\nremote = \"198.51.100.7\"\nlocal_id = \"gw1.example\"\n"
                  "remote_id = \"gw2.example\"\nauth = \"psk\"\nremote_auth = \"psk\"\n"));
        CHECK(has(text, "proposals = [\"aes128-sha256-modp2048\"]\n"));
        CHECK(has(text, "esp = [\"aes128gcm16-modp2048\"]\n"));
        CHECK(has(text, "liveness = \"30s\"\n"));
        CHECK(has(text, "rekey_time = \"3420s\"\n"));  // 60 minutes without the margin of 3
        CHECK(has(text, "rekey_time = \"1020s\"\n"));
        CHECK(has(text, "local_ts = [\"10.1.0.0/16\"]\nremote_ts = [\"10.2.0.0/16\", \"10.4.0.0/16\"]\n"));
        CHECK(has(text, "start = \"on-load\"\n"));
        CHECK(!has(text, "name = \"base\""));
        CHECK(has(text, "# ipsec.conf:12: conn base: counts where other conns take it over\n"));
    }

    TEST_CASE("secrets go to files, and nowhere else") {
        const auto with = imported_from(kStrongSwan, kSecrets, {.keys = "/k"});
        REQUIRE(with);
        REQUIRE(with->keys.size() == 1);
        CHECK(std::string(with->keys[0].contents.begin(), with->keys[0].contents.end()) == "s3cret\n");
        CHECK(has(with->toml, "psk = \"file:/k/hq.psk\""));
        CHECK(
            has(toml_from(kStrongSwan, kSecrets), "psk = \"file:/etc/keysluice/hq.psk\"\n# ipsec.secrets:2: secret"));
        for (const char* secret : {"s3cret", "hushhush"}) {
            CHECK(!has(with->toml, secret));
            CHECK(!has(toml_from(kStrongSwan, kSecrets), secret));
        }
        CHECK(has(toml_from(conn_with(""), "1.2.3.4 5.6.7.8 : PSK x\n"), "no pre-shared key was found for it"));
        const auto bad = imported_from(conn_with(""), "hushhush\n");
        REQUIRE(!bad);
        CHECK(bad.error().reason == "import-malformed");
        CHECK(!has(bad.error().sentence, "hushhush"));
    }

    TEST_CASE("the end that has an address of this host is ours") {
        const std::string text =
            toml_from("conn a\n left=198.51.100.7\n leftsubnet=10.2.0.0/16\n right=192.0.2.1\n authby=secret\n");
        CHECK(has(text, "local = \"192.0.2.1\"\nremote = \"198.51.100.7\"\n"));
        CHECK(has(text, "remote_ts = [\"10.2.0.0/16\"]"));
        CHECK(has(toml_from("conn a\n left=198.51.100.7\n right=203.0.113.1\n authby=secret\n"),
                  "neither left nor right is an address of this host"));
    }

    TEST_CASE("whoever is welcome is no more than there") {
        CHECK(has(toml_from(conn_with("")), "remote_id = \"198.51.100.7\"\n"));
        CHECK(has(toml_from(conn_with("\trightid=%any")), "remote_id = \"*\"\n"));
        CHECK(
            has(toml_from("conn a\n left=192.0.2.1\n right=gw.example\n authby=secret\n"), "set remote_id, or all"));
    }

    TEST_CASE("Libreswan's spellings of proposals") {
        CHECK(proposals_of("AES_GCM256-SHA2_256;DH19,aes256+aes128-sha2;modp2048!") ==
              std::vector<std::string>{"aes256gcm16-sha256-ecp256", "aes256-aes128-sha256-modp2048"});
        const std::string text =
            toml_from(conn_with("\tikev2=insist\n\tike=aes256-sha2_256\n\tphase2alg=aes_gcm256\n\tauto=ondemand"));
        CHECK(has(text, "proposals = [\"aes256-sha256-x25519-ecp256-modp2048\"]"));
        CHECK(has(toml_from(conn_with("\tike=aes_gcm256-sha2;dh19,aes256-aes256gcm16-sha256-modp2048")),
                  "proposals = [\"aes256gcm16-prfsha256-ecp256\", \"aes256-aes256gcm16-sha256-modp2048\"]"));
        CHECK(has(text, "esp = [\"aes256gcm16\"]"));
        CHECK(has(text, "start = \"on-traffic\""));
    }

    TEST_CASE("ports, certificates") {
        CHECK(has(toml_from(conn_with("\tleftprotoport=17/1701\n\trightprotoport=udp/%any\n\ttype=transport")),
                  "mode = \"transport\"\nlocal_ts = [\"192.0.2.1/udp/1701\"]\nremote_ts = [\"198.51.100.7/udp\"]\n"));
        const std::string text = toml_from(
            "ca x\n\tcacert=ca.pem\n\tauto=add\nconn a\n\tleft=192.0.2.1\n\tright=%any\n\t"
            "leftcert=gw1.pem\n\tleftid=%fromcert\n\trightauth=pubkey\n",
            ": RSA gw1.key\n");
        CHECK(
            has(text,
                "certificate = \"/etc/ipsec.d/certs/gw1.pem\"\nprivate_key = \"file:/etc/ipsec.d/private/gw1.key\"\n"
                "ca = \"/etc/ipsec.d/cacerts/ca.pem\"\n"));
        CHECK(has(toml_from("conn a\n\tleft=192.0.2.1\n\tleftcert=nickname\n\tright=%any\n"),
                  "this is a name in NSS's database"));
    }

    TEST_CASE("a laptop and its gateway: EAP, virtual addresses, reauthentication") {
        const std::string text = toml_from(R"(conn laptop
	left=%defaultroute
	leftauth=eap-mschapv2
	leftsourceip=%config4,%config6
	eap_identity=carol
	right=gw.example
	rightid=@gw.example
	rightauth=pubkey
	rightsubnet=10.2.0.0/16
	ikelifetime=3h
	reauth=yes
	mobike=no
	auto=start

conn gateway
	left=192.0.2.1
	leftcert=gw.pem
	leftsubnet=10.2.0.0/16
	right=%any
	rightauth=eap-mschapv2
	rightsourceip=10.9.0.0/24
	rightdns=10.2.0.53
	auto=start
)",
                                           "carol : EAP \"hushhush\"\n", {.keys = "/k"});
        CHECK(has(text, "virtual_addresses = [\"0.0.0.0\", \"::\"]\nreauth_time = \"10260s\"\nmobike = false\n"));
        CHECK(has(text, "auth = \"eap-mschapv2\"\nremote_auth = \"certificate\"\neap_identity = \"carol\"\n"));
        CHECK(has(text, "eap_password = \"file:/k/laptop.password\"\n"));
        CHECK(!has(text, "rekey_time"));
        CHECK(has(text, "[[ike.pool]]\nname = \"gateway\"\naddresses = \"10.9.0.0/24\"\ndns = [\"10.2.0.53\"]\n"));
        CHECK(has(text, "pools = [\"gateway\"]\n"));
        CHECK(has(text, "start = \"manual\"\neap_password = \"directory:/k/gateway.users\"\n"));
        CHECK(!has(text, "hushhush"));
    }

    TEST_CASE("what can't be, is left out with its lines") {
        for (const char* more : {"\tkeyexchange=ikev1", "\tikev2=no", "\ttype=passthrough", "\tleftauth=eap",
                                 "\tah=sha256", "\tright=%group", "\trightrsasigkey=0sAQ\n\trightauth=rsasig"}) {
            CAPTURE(more);
            const std::string text = toml_from("conn a\n" + std::string(more) +
                                               "\n\tleft=192.0.2.1\n\tright=198.51.100.7\n\tauthby=secret\n");
            CHECK(!has(text, "[[ike.connection]]"));
            CHECK(has(text, "# ipsec.conf:1: conn a: this connection is left out"));
        }
    }

    TEST_CASE("what changes nothing, and what does") {
        CHECK(complete("\tkeyexchange=ikev2\n\tcompress=no\n\tauto=add"));
        CHECK(!complete("\tcompress=yes"));
        CHECK(complete("\tleftsourceip=%config"));
        CHECK(!complete("\tleftsourceip=everywhere"));
        CHECK(!complete("\trightsourceip=%poolname"));
        CHECK(!complete("\tsomethingnew=1"));
    }

    TEST_CASE("%dynamic beside networks is told, and alone is what is meant anyway") {
        const auto with = [](std::string_view subnets) {
            const auto imported = imported_from(fmt::format(
                "conn a\n left=192.0.2.1\n leftsubnet={}\n right=198.51.100.7\n authby=secret\n", subnets));
            REQUIRE_MESSAGE(imported, imported.error().sentence);
            return has(imported->toml, "%dynamic stands alone");
        };
        CHECK(with("%dynamic,10.1.0.0/16"));
        CHECK_FALSE(with("%dynamic"));
        CHECK_FALSE(with("10.1.0.0/16"));
    }

    TEST_CASE("the language") {
        CHECK(has(toml_from("version 2.0\ninclude /etc/ipsec.d/*\n"), "name = \"inc\""));
        for (const char* bad : {"nonsense\n", "\tleft=1\n", "conn a\n\talso=b\n", "conn a\n\talso=a\n", "conn\n"}) {
            CAPTURE(bad);
            const auto imported = imported_from(bad);
            REQUIRE(!imported);
            CHECK(imported.error().reason == "import-malformed");
        }
    }
}
