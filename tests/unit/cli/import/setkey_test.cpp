#include <doctest/doctest.h>
#include <fmt/format.h>

#include "daemon/control/policy_files.hpp"
#include "tests/support/fake_surroundings.hpp"

using namespace keysluice;
using namespace keysluice::importer;

namespace {

Result<Imported> imported_from(std::string_view text, const Wishes& wishes = {}) {
    FakeSurroundings host;
    return import_as(Kind::setkey, source_of("/etc/setkey.conf", text), host, wishes);
}

std::string toml_from(std::string_view text, const Wishes& wishes = {}) {
    const auto imported = imported_from(text, wishes);
    REQUIRE_MESSAGE(imported, imported.error().sentence);
    const auto read = control::parse_policies(imported->toml, "f");
    REQUIRE_MESSAGE(read, to_string(read.error().front()));
    return imported->toml;
}

constexpr std::string_view kTransport = R"(#!/usr/sbin/setkey -f
flush;
spdflush;
add 192.0.2.1 198.51.100.7 esp 0x6001 -E aes-cbc 0x000102030405060708090a0b0c0d0e0f
    -A hmac-sha1 "ABCDEFGHIJKLMNOPQRST";
add 198.51.100.7 192.0.2.1 esp 24578 -m transport -E aes-cbc 0x000102030405060708090a0b0c0d0e0f
    -A hmac-sha1 0x4142434445464748494a4b4c4d4e4f5051525354;
spdadd 192.0.2.1 198.51.100.7[21] tcp -P out ipsec esp/transport//require;
spdadd 198.51.100.7[21] 192.0.2.1 tcp -P in ipsec esp/transport//require;
spdadd 0.0.0.0/0 0.0.0.0/0 icmp -P in none;
spdadd ::/0 ::/0 icmp6 128,0 -P out discard;
)";

}  // namespace

TEST_SUITE("import: setkey") {
    TEST_CASE("transport mode with ESP") {
        const std::string text = toml_from(kTransport, {.keys = "/k"});
        CHECK(has(text, "[policies]\n# setkey leaves alone what no policy fits\ndefault = \"BYPASS\"\n"));
        CHECK(has(text,
                  "[[policy]]\nname = \"out-8\"\ndirection = \"out\"\nlocal = [\"192.0.2.1\"]\nremote = "
                  "[\"198.51.100.7\"]\n"
                  "protocol = \"tcp\"\nremote_ports = [\"21\"]\ndisposition = \"protect\"\nipsec = \"esp\"\n"
                  "mode = \"transport\"\nspi = \"24577\"\nintegrity = \"hmac-sha1-96\"\n"
                  "integrity_key = \"esp-24577-integrity\"\nconfidentiality = \"aes-cbc\"\n"
                  "confidentiality_key = \"esp-24577-confidentiality\"\n"));
        CHECK(has(text,
                  "name = \"in-9\"\ndirection = \"in\"\nlocal = [\"192.0.2.1\"]\nremote = [\"198.51.100.7\"]\n"
                  "protocol = \"tcp\"\nremote_ports = [\"21\"]\n"));
        CHECK(has(text, "protocol = \"icmp\"\ndisposition = \"bypass\"\n"));
        CHECK(has(text, "protocol = \"ipv6-icmp\"\nicmp = [\"128/0\"]\ndisposition = \"discard\"\n"));
        CHECK(has(text, "# setkey.conf:2: flush: "));
        CHECK(imported_from(kTransport, {.keys = "/k"})->complete());
    }

    TEST_CASE("keys become named keys, and stand nowhere else") {
        const auto imported = imported_from(kTransport, {.keys = "/k"});
        REQUIRE(imported);
        REQUIRE(imported->keys.size() == 4);
        const auto contents = [&](std::size_t i) {
            return std::string(imported->keys[i].contents.begin(), imported->keys[i].contents.end());
        };
        CHECK(imported->keys[0].name == "esp-24577-integrity.key");
        CHECK(contents(0) == "keysluice-key 1 hmac-sha1\n4142434445464748494a4b4c4d4e4f5051525354\n");
        CHECK(contents(1) == "keysluice-key 1 aes-128\n000102030405060708090a0b0c0d0e0f\n");
        CHECK(contents(2) == contents(0));
        const auto without = imported_from(kTransport);
        REQUIRE(without);
        CHECK(without->keys.empty());
        CHECK(!without->complete());
        CHECK(has(without->toml, "import with --keys"));
        for (const auto* each : {&*imported, &*without}) {
            for (const char* secret : {"0405060708", "ABCDEFGH", "41424344"}) {
                CHECK(!has(each->toml, secret));
            }
        }
    }

    TEST_CASE("tunnels, unique ids, AH, ESP with one half only") {
        const std::string tunnel = toml_from(
            "add 192.0.2.1 198.51.100.7 esp 301 -m tunnel -u 7 -E null -A hmac-sha512 "
            "\"0123456789012345678901234567890123456789012345678901234567890123\";\n"
            "spdadd 10.1.2.3/16 10.2.0.0/16 any -P out ipsec esp/tunnel/192.0.2.1-198.51.100.7/unique:7;\n");
        CHECK(
            has(tunnel,
                "local = [\"10.1.0.0/16\"]\nremote = [\"10.2.0.0/16\"]\ndisposition = \"protect\"\nipsec = \"esp\"\n"
                "mode = \"tunnel\"\ntunnel_local = \"192.0.2.1\"\ntunnel_remote = \"198.51.100.7\"\nspi = \"301\"\n"
                "integrity = \"hmac-sha-512-256\"\nintegrity_key = \"esp-301-integrity\"\n"));
        CHECK(!has(tunnel, "confidentiality"));
        CHECK(has(tunnel, "lockout = \"accepted\""));
        const std::string ah = toml_from(
            "add 192.0.2.1 198.51.100.7 ah 302 -A hmac-sha256 \"01234567890123456789012345678901\";\n"
            "spdadd 192.0.2.1 198.51.100.7 tcp -P out ipsec ah/transport//use;\n");
        CHECK(has(ah, "ipsec = \"ah\"\n"));
        CHECK(has(ah, "cut HMAC-SHA-256 to 96 bits"));
        CHECK(has(ah, "what is not protected is no longer accepted"));
        CHECK(!has(ah, "lockout"));
        const std::string gcm = toml_from(
            "add 192.0.2.1 198.51.100.7 esp 303 -E aes-gcm-16 0x0001020304050607080900010203040506070809;\n"
            "spdadd 192.0.2.1 198.51.100.7 tcp -P out ipsec esp/transport//require;\n");
        CHECK(has(gcm, "confidentiality = \"aes-gcm\"\n"));
    }

    TEST_CASE("without an SA that is there, packets are discarded") {
        for (const char* text : {"", "add 192.0.2.1 198.51.100.7 esp 255 -E aes-cbc \"0123456789abcdef\";\n",
                                 "add 192.0.2.1 198.51.100.7 esp 301 -E 3des-cbc 0x00;\n",
                                 "add 192.0.2.1 198.51.100.7 ah 301 -A hmac-sha1 \"x\";\n",
                                 "add 192.0.2.1 198.51.100.7 esp 301 -E null;\n",
                                 "add 192.0.2.1 198.51.100.8 esp 301 -E aes-cbc \"0123456789abcdef\";\n",
                                 "add 192.0.2.1 198.51.100.7 esp 301 -m tunnel -E aes-cbc \"0123456789abcdef\";\n"}) {
            CAPTURE(text);
            const auto imported = imported_from(
                std::string(text) + "spdadd 192.0.2.1 198.51.100.7 tcp -P out ipsec esp/transport//require;\n",
                {.keys = "/k"});
            REQUIRE(imported);
            CHECK(has(imported->toml, "disposition = \"discard\"\n"));
            CHECK(!has(imported->toml, "\"protect\""));
            CHECK(!imported->complete());
            CHECK(imported->keys.empty());
        }
        const auto bundle = toml_from(
            "spdadd 192.0.2.1 198.51.100.7 tcp -P out ipsec esp/transport//require ah/transport//require;\n");
        CHECK(has(bundle, "a policy has ESP or AH, and not both"));
    }

    TEST_CASE("AES-GCM stands alone, and AH does not encrypt") {
        for (const char* sa :
             {"add 192.0.2.1 198.51.100.7 esp 303 -E aes-gcm-16 0x0001020304050607080900010203040506070809 -A "
              "hmac-sha1 \"ABCDEFGHIJKLMNOPQRST\";\n",
              "add 192.0.2.1 198.51.100.7 ah 303 -E aes-cbc \"0123456789abcdef\" -A hmac-sha1 "
              "\"ABCDEFGHIJKLMNOPQRST\";\n"}) {
            const std::string protocol = has(sa, " ah ") ? "ah" : "esp";
            const std::string text = toml_from(std::string(sa) + "spdadd 192.0.2.1 198.51.100.7 tcp -P out ipsec " +
                                               protocol + "/transport//require;\n");
            CHECK(has(text, "disposition = \"discard\""));
        }
    }

    TEST_CASE("an SA that no policy has, other statements") {
        const std::string text =
            toml_from("add 192.0.2.1 198.51.100.7 esp 301 -E aes-cbc \"0123456789abcdef\";\ndelete 1 2 esp 3;\n");
        CHECK(has(text, "no policy was found that has it"));
        CHECK(has(text, "# setkey.conf:2: delete: "));
    }

    TEST_CASE("the higher priority comes first") {
        const std::string text = toml_from(
            "spdadd 10.0.0.1 10.0.0.2 tcp -P out none;\n"
            "spdadd 10.0.0.1 10.0.0.2 udp -P out prio high - 1 none;\n"
            "spdadd 10.0.0.1 10.0.0.2 icmp -P out prio low none;\n");
        CHECK(text.find("out-2") < text.find("out-1"));
        CHECK(text.find("out-1") < text.find("out-3"));
    }

    TEST_CASE("policies that differ in ports alone are one, since an SA belongs to one") {
        constexpr std::string_view kSa =
            "add 10.0.0.1 10.0.0.2 esp 301 -E aes-cbc \"0123456789abcdef\";\n"
            "add 10.0.0.2 10.0.0.1 esp 302 -E aes-cbc \"0123456789abcdef\";\n";
        const std::string web(
            "spdadd 10.0.0.1 10.0.0.2[80] tcp -P out ipsec esp/transport//require;\n"
            "spdadd 10.0.0.2[80] 10.0.0.1 tcp -P in ipsec esp/transport//require;\n"
            "spdadd 10.0.0.1 10.0.0.2[443] tcp -P out ipsec esp/transport//require;\n"
            "spdadd 10.0.0.2[https] 10.0.0.1 tcp -P in ipsec esp/transport//require;\n");
        const auto merged = imported_from(std::string(kSa) + web, {.keys = "/k"});
        REQUIRE(merged);
        CHECK(merged->complete());
        CHECK(has(merged->toml,
                  "direction = \"out\"\nlocal = [\"10.0.0.1\"]\nremote = [\"10.0.0.2\"]\nprotocol = "
                  "\"tcp\"\nremote_ports = [\"80\", \"443\"]\ndisposition = \"protect\""));
        CHECK(control::parse_policies(merged->toml, "f")->policies.size() == 2);

        // Something of the same direction stands between, or they differ in more: the first one has the SA.
        for (const char* between : {"spdadd 10.0.0.1 10.0.0.2 udp -P out none;\n", ""}) {
            CAPTURE(between);
            const auto shared = imported_from(
                std::string(kSa) + "spdadd 10.0.0.1 10.0.0.2[80] tcp -P out ipsec esp/transport//require;\n" +
                    between +
                    (*between == '\0' ? "spdadd 10.0.0.1 10.0.0.2 udp -P out ipsec esp/transport//require;\n"
                                      : "spdadd 10.0.0.1 10.0.0.2[443] tcp -P out ipsec esp/transport//require;\n"),
                {.keys = "/k"});
            REQUIRE(shared);
            CHECK(!shared->complete());
            CHECK(has(shared->toml, "another policy has its SA"));
            CHECK(has(shared->toml, "disposition = \"discard\""));
        }
        const std::string any = toml_from(
            "spdadd 10.0.0.1 10.0.0.2[80] tcp -P out discard;\nspdadd 10.0.0.1 10.0.0.2 tcp -P out discard;\n");
        CHECK(!has(any, "_ports"));
    }

    TEST_CASE("ports without a protocol are those of TCP and of UDP, which is told") {
        const auto imported = imported_from("spdadd 10.0.0.1 10.0.0.2[80] any -P out discard;\n");
        REQUIRE(imported);
        CHECK(!imported->complete());
        CHECK(has(imported->toml, "protocol = \"tcp\"\nremote_ports = [\"80\"]\ndisposition = \"discard\""));
        CHECK(has(imported->toml, "protocol = \"udp\"\nremote_ports = [\"80\"]\ndisposition = \"discard\""));
    }

    TEST_CASE("protocols by the names and numbers that setkey knows") {
        for (const char* any : {"any", "0", "255", "ip", "hopopt"}) {
            CAPTURE(any);
            const auto imported = imported_from(fmt::format("spdadd 10.0.0.1 10.0.0.2 {} -P out discard;\n", any));
            REQUIRE(imported);
            CHECK(imported->complete());
            CHECK(!has(imported->toml, "protocol"));
        }
        CHECK(has(toml_from("spdadd 10.0.0.1 10.0.0.2 ip4 -P out discard;\n"), "protocol = \"4\""));
        CHECK(has(toml_from("spdadd 10.0.0.1 10.0.0.2 50 -P out discard;\n"), "protocol = \"50\""));
    }

    TEST_CASE("what can't be said is told, and lets nothing pass") {
        for (const char* terms : {"10.0.0.2 300", "10.0.0.2 nope", "10.0.0.2[nope] tcp", "10.0.0.2[70000] tcp",
                                  "10.0.0.2[80] esp", "10.0.0.2[80] 50"}) {
            CAPTURE(terms);
            const std::string discard = toml_from(fmt::format("spdadd 10.0.0.1 {} -P out discard;\n", terms));
            CHECK(has(discard, "all are meant"));
            CHECK(has(discard, "disposition = \"discard\""));
            const auto bypass = imported_from(fmt::format("spdadd 10.0.0.1 {} -P out none;\n", terms));
            REQUIRE(bypass);
            CHECK(!bypass->complete());
            CHECK(has(bypass->toml, "can't be said"));
            CHECK(!has(bypass->toml, "[[policy]]"));
        }
    }

    TEST_CASE("forwarding: harmless is what lets pass, and what is never passed on") {
        const auto complete = [](std::string_view text) {
            const auto imported = imported_from(
                std::string("add 10.0.0.1 10.0.0.2 esp 301 -E aes-cbc \"0123456789abcdef\";\n") + std::string(text),
                {.keys = "/k"});
            REQUIRE(imported);
            return imported->complete();
        };
        CHECK(
            complete("spdadd 10.0.0.1 10.0.0.2 any -P in ipsec esp/transport//require;\n"
                     "spdadd 10.0.0.1 10.0.0.2 any -P fwd ipsec esp/transport//require;\n"));
        CHECK_FALSE(
            complete("spdadd 10.0.0.1 10.0.0.2 any -P in none;\n"
                     "spdadd 10.0.0.1 10.0.0.2 any -P fwd discard;\n"));
        CHECK_FALSE(
            complete("spdadd 10.0.0.1 10.0.0.0/24 any -P in ipsec esp/transport//require;\n"
                     "spdadd 10.0.0.1 10.0.0.0/24 any -P fwd ipsec esp/transport//require;\n"));
        const auto passes = imported_from("spdadd 10.0.0.1 10.0.0.2 any -P fwd none;\n");
        REQUIRE(passes);
        CHECK(passes->complete());
    }

    TEST_CASE("what is no file of setkey, without repeating it") {
        for (const char* bad :
             {"hushhush 1;", "add hushhush 2 esp 3;", "add 1.2.3.4 5.6.7.8 esp 1 hushhush;", "flush",
              "spdadd 10.0.0.1 10.0.0.2 any -P out ipsec;", "spdadd x y any -P out none;"}) {
            CAPTURE(bad);
            const auto imported = imported_from(bad);
            REQUIRE(!imported);
            CHECK(imported.error().reason == "import-malformed");
            CHECK(!has(imported.error().sentence, "hushhush"));
        }
    }
}
