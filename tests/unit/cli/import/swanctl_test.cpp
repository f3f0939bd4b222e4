#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/support/fake_surroundings.hpp"

using namespace keysluice;
using namespace keysluice::importer;

namespace {

Result<Imported> imported_from(std::string_view text, const Wishes& wishes = {}) {
    FakeSurroundings host;
    host.there["/etc/swanctl/conf.d/a.conf"] =
        "connections { inc { remote_addrs = 198.51.100.9\nlocal_addrs = 192.0.2.1\n"
        "local { auth = psk\n}\nremote { auth = psk\n}\nchildren { c { } } } }\n";
    return import_as(Kind::swanctl, source_of("/etc/swanctl/swanctl.conf", text), host, wishes);
}

std::string toml_from(std::string_view text, const Wishes& wishes = {}) {
    const auto imported = imported_from(text, wishes);
    REQUIRE_MESSAGE(imported, imported.error().sentence);
    CHECK(fault_in(imported->toml).empty());
    return imported->toml;
}

constexpr std::string_view kPsk = R"(# a comment
connections {
    hq {
        version = 2
        local_addrs = 192.0.2.1
        remote_addrs = 198.51.100.7
        proposals = aes256gcm16-prfsha384-x25519, aes128-sha1-modp1024
        rekey_time = 3h
        dpd_delay = 20s
        local {
            auth = psk
            id = gw1.example
        }
        remote {
            auth = psk
            id = fqdn:gw2.example
        }
        children {
            net {
                local_ts = 10.1.0.0/16, 10.3.0.0/16[tcp/443]
                remote_ts = 10.2.0.0/16
                esp_proposals = aes256gcm16-x25519,default
                mode = tunnel
                start_action = start
                dpd_action = restart
                rekey_time = 30m
                rekey_bytes = 5000000000
                hw_offload = packet
                updown = /usr/lib/ipsec/_updown
            }
        }
    }
}
secrets {
    ike-1 {
        id-1 = gw2.example
        secret = "s3cr\"et"
    }
    ike-2 {
        secret = opensesame
    }
    eap-x {
        id = carol
        secret = hushhush
    }
}
)";

std::string connection_with(std::string_view more) {
    return "connections { a { local_addrs = 192.0.2.1\nremote_addrs = 198.51.100.7\nlocal { auth = psk\n}\nremote { "
           "auth = "
           "psk\n}\nchildren { c { } }\n" +
           std::string(more) + "\n} }\nsecrets { ike { secret = x\n} }\n";
}

bool complete(std::string_view more) {
    const auto imported = imported_from(connection_with(more), {.keys = "/k"});
    REQUIRE(imported);
    return imported->complete();
}

}  // namespace

TEST_SUITE("import: swanctl") {
    TEST_CASE("dynamic beside networks is told, and alone is what is meant anyway") {
        const auto with = [](std::string_view selectors) {
            const auto imported =
                imported_from(fmt::format("connections {{\n hq {{\n  local_addrs = 192.0.2.1\n  remote_addrs = "
                                          "198.51.100.7\n  local {{\n   auth = "
                                          "psk\n  }}\n  remote {{\n   auth = psk\n  }}\n  children {{\n   net {{\n   "
                                          " local_ts = {}\n   }}\n  }}\n "
                                          "}}\n}}\n",
                                          selectors));
            REQUIRE_MESSAGE(imported, imported.error().sentence);
            return has(imported->toml, "dynamic stands alone");
        };
        CHECK(with("dynamic,10.1.0.0/16"));
        CHECK_FALSE(with("dynamic"));
        CHECK_FALSE(with("10.1.0.0/16"));
    }

    TEST_CASE("a connection with a pre-shared key") {
        const std::string text = toml_from(kPsk);
        CHECK(has(text, "[[ike.connection]]\nname = \"hq\"\n"));
        CHECK(has(text,
                  "local = \"192.0.2.1\"\nremote = \"198.51.100.7\"\nlocal_id = \"gw1.example\"\n"
                  "remote_id = \"gw2.example\"\nauth = \"psk\"\nremote_auth = \"psk\"\n"));
        CHECK(has(text, "proposals = [\"aes256gcm16-prfsha384-x25519\", \"aes128-sha1-modp1024\"]\n"));
        CHECK(has(text, "allow_weak = [\"modp1024\", \"sha1\"]\n"));
        CHECK(has(text, "rekey_time = \"10800s\"\nliveness = \"20s\"\n"));
        CHECK(has(text, "start = \"on-load\"\n"));
        CHECK(has(text, "[[ike.connection.child]]\nname = \"net\"\nmode = \"tunnel\"\n"));
        CHECK(has(text, "local_ts = [\"10.1.0.0/16\", \"10.3.0.0/16/tcp/443\"]\nremote_ts = [\"10.2.0.0/16\"]\n"));
        CHECK(has(text, "esp = [\"aes256gcm16-x25519\"]\nrekey_time = \"1800s\"\nrekey_bytes = 5000000000\n"));
        CHECK(has(text, "offload = \"packet\"\n"));
        CHECK(has(text, "# swanctl.conf:29: updown = /usr/lib/ipsec/_updown: no program is called"));
    }

    TEST_CASE("secrets go to files, and nowhere else") {
        const auto without = imported_from(kPsk);
        REQUIRE(without);
        CHECK(without->keys.empty());
        CHECK(has(without->toml,
                  "psk = \"file:/etc/keysluice/hq.psk\"\n# swanctl.conf:37: secret (not repeated): write it"));
        const auto with = imported_from(kPsk, {.keys = "/k"});
        REQUIRE(with);
        CHECK(has(with->toml, "psk = \"file:/k/hq.psk\"\n"));
        REQUIRE(with->keys.size() == 1);
        CHECK(with->keys.front().name == "hq.psk");
        const auto& contents = with->keys.front().contents;
        CHECK(std::string(contents.begin(), contents.end()) == "s3cr\"et\n");
        for (const auto* imported : {&*without, &*with}) {
            for (const char* secret : {"s3cr", "opensesame", "hushhush"}) {
                CHECK(!has(imported->toml, secret));
                for (const Remark& remark : imported->remarks) {
                    CHECK(!has(remark.text + remark.why, secret));
                }
            }
        }
    }

    TEST_CASE("not even where a secret does not belong") {
        const std::string text = toml_from(connection_with("secret = hushhush\nx { secret = hushhush\n}"));
        CHECK(has(text, "secret = (not repeated)"));
        CHECK(!has(text, "hushhush"));
        CHECK(!has(toml_from(connection_with("version = 1\nsecret = hushhush")), "hushhush"));
    }

    TEST_CASE("a laptop: EAP, virtual addresses, an interface, reauthentication") {
        const std::string text = R"(connections { laptop {
    remote_addrs = 198.51.100.7
    vips = 0.0.0.0, ::
    reauth_time = 3h
    if_id_in = 42
    if_id_out = 42
    mobike = no
    local { auth = eap-mschapv2
        id = carol.example
    }
    remote { auth = pubkey
        id = gw.example
        cacerts = ca.pem
    }
    children { net { remote_ts = 10.2.0.0/16
        start_action = start
        if_id_in = 43
    } }
} }
secrets { eap-1 { id = carol.example
        secret = hushhush
} }
)";
        const auto imported = imported_from(text, {.keys = "/k"});
        REQUIRE(imported);
        const std::string& toml = imported->toml;
        CHECK(fault_in(toml).empty());
        CHECK(has(toml,
                  "virtual_addresses = [\"0.0.0.0\", \"::\"]\nreauth_time = \"10800s\"\ninterface = \"ks-42\"\n"));
        CHECK(has(toml, "mobike = false\n"));
        CHECK(has(toml,
                  "auth = \"eap-mschapv2\"\nremote_auth = \"certificate\"\neap_identity = \"carol.example\"\n"
                  "ca = \"/etc/swanctl/x509ca/ca.pem\"\n"));
        CHECK(has(toml, "eap_password = \"file:/k/laptop.password\"\n"));
        CHECK(has(toml, "if_id_in = 43: a connection has one interface"));
        CHECK(!has(toml, "hushhush"));
        REQUIRE(imported->keys.size() == 1);
        CHECK(imported->keys.front().name == "laptop.password");
        CHECK(std::string(imported->keys.front().contents.begin(), imported->keys.front().contents.end()) ==
              "hushhush\n");
    }

    TEST_CASE("a gateway: pools, and passwords of its users") {
        const std::string text = toml_from(R"(connections { gate {
    local_addrs = 192.0.2.1
    pools = laptops, phones
    local { auth = pubkey
        certs = gw.pem
    }
    remote { auth = eap-mschapv2
        id = %any
    }
    children { net { local_ts = 10.2.0.0/16
        start_action = start
    } }
} }
pools {
    laptops { addrs = 10.9.0.0/24
        dns = 10.2.0.53
        25 = corp.example
        subnet = 10.2.0.0/16
        nbns = 10.2.0.54
    }
    phones { addrs = 10.9.0.128/25
    }
}
secrets { eap-1 { id = carol
        secret = hushhush
} }
)");
        CHECK(has(text,
                  "[[ike.pool]]\nname = \"laptops\"\naddresses = \"10.9.0.0/24\"\ndns = [\"10.2.0.53\"]\n"
                  "domains = [\"corp.example\"]\nsubnets = [\"10.2.0.0/16\"]\n"));
        CHECK(has(text, "nbns = 10.2.0.54: peers are not told that"));
        CHECK(has(text, "this pool is left out"));  // two that share addresses
        CHECK(has(text, "there is no pool phones here"));
        CHECK(has(text, "pools = [\"laptops\"]\n"));
        CHECK(has(text, "remote_auth = \"eap-mschapv2\"\n"));
        CHECK(has(text, "start = \"manual\"\neap_password = \"directory:/etc/keysluice/gate.users\"\n"));
        CHECK(has(text, "with the user's name: carol"));
        CHECK(!has(text, "hushhush"));
    }

    TEST_CASE("secrets in hexadecimal and base64") {
        const auto key_of = [](std::string_view secret) {
            const auto imported = imported_from(
                "connections { a { local_addrs = 192.0.2.1\nlocal { auth = psk\n}\nremote { auth = psk\n}\nchildren "
                "{ c { } } "
                "} }\nsecrets { ike { secret = " +
                    std::string(secret) + "\n} }\n",
                {.keys = "/k"});
            REQUIRE(imported);
            return imported->keys.empty()
                       ? ""
                       : std::string(imported->keys[0].contents.begin(), imported->keys[0].contents.end());
        };
        CHECK(key_of("0x616263") == "abc\n");
        CHECK(key_of("0sYWJjZA==") == "abcd\n");
        CHECK(key_of("0xzz").empty());
        CHECK(key_of("\"a b\\n\"") == "a b\n\n");
    }

    TEST_CASE("certificates") {
        const std::string text = toml_from(
            "connections { a { remote_addrs = gw.example\nlocal { certs = gw1.pem\n}\nremote { "
            "id = gw2.example\ncacerts = ca.pem\n}\nchildren { c { } } } }\n");
        CHECK(has(
            text,
            "certificate = \"/etc/swanctl/x509/gw1.pem\"\nprivate_key = \"file:/etc/swanctl/private/gw1.pem\"\n"));
        CHECK(has(text, "ca = \"/etc/swanctl/x509ca/ca.pem\"\n"));
        CHECK(has(text, "remote = \"gw.example\""));
        CHECK(has(toml_from("connections { a { local { certs = gw1.pem\n}\nchildren { c { } } } }\n"),
                  "cat /etc/swanctl/x509ca/* > /etc/swanctl/x509ca.pem"));
    }

    TEST_CASE("what can't be, is left out with its lines") {
        for (const char* more : {"version = 1", "local-2 { auth = psk\n}"}) {
            CAPTURE(more);
            const std::string text = toml_from(connection_with(more));
            CHECK(!has(text, "[[ike.connection]]"));
            CHECK(has(text, "this connection is left out"));
        }
        const std::string eap = toml_from("connections { a { local { auth = eap-md5\n}\nchildren { c { } } } }\n");
        CHECK(has(eap, "this connection is left out: auth = eap-md5"));
    }

    TEST_CASE("what changes nothing, and what does") {
        CHECK(complete("version = 2\nfragmentation = yes\nreauth_time = 0"));
        CHECK(complete("reauth_time = 1h"));
        CHECK(complete("vips = 0.0.0.0\nif_id_in = 0"));
        CHECK(!complete("reauth_time = 1s"));
        CHECK(!complete("pools = nowhere"));
        CHECK(!complete("if_id_in = 7"));
        CHECK(!complete("something_new = 1"));
        CHECK(!complete("proposals = aes-nonsense"));
    }

    TEST_CASE("the language") {
        CHECK(has(toml_from("include conf.d/*\n"), "name = \"inc\""));
        // A section that takes over another's, and one that stands there twice.
        const std::string text = toml_from(
            "base { remote_addrs = 198.51.100.8\nlocal { auth = psk\nid = x.example\n}\nremote { "
            "auth = psk\n} }\nconnections { a : base { children { c { } }\nremote_addrs = "
            "198.51.100.9\n} }\nconnections { a { rekey_time = 1h\n} }\n");
        CHECK(has(text, "remote = \"198.51.100.9\""));
        CHECK(has(text, "local_id = \"x.example\""));
        CHECK(has(text, "rekey_time = \"3600s\""));
        for (const char* bad : {"connections {", "}", "a b", "a = \"x", "x : nowhere { }", "= 3"}) {
            CAPTURE(bad);
            const auto imported = imported_from(bad);
            REQUIRE(!imported);
            CHECK(imported.error().reason == "import-malformed");
        }
    }
}
