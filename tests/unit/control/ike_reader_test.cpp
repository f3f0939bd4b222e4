#include "daemon/control/ike_reader.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "daemon/control/configuration.hpp"
#include "daemon/control/ike_files.hpp"
#include "ike/window.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace std::chrono_literals;

namespace {

/// The contract's example.
constexpr std::string_view kContract = R"([ike]
cookie_after = 100                   # half-open SAs in all before cookies are demanded, 0: always
half_open_per_address = 50           # 0: no limit

[[ike.connection]]
name = "hq"
groups = ["branch"]                  # any number; commands take a group as well as a name
local = "192.0.2.1"                  # address, or "any"
remote = "198.51.100.7"              # address or host name, or "any" for a responder
local_id = "gw1.example"
remote_id = "gw2.example"            # "*.example" and "*" match several; left out: any
auth = "psk"                         # psk or certificate
psk = "file:/etc/keysluice/hq.psk"   # file:PATH or credential:NAME
certificate = "/etc/keysluice/gw1.pem"
private_key = "file:/etc/keysluice/gw1.key"
ca = "/etc/keysluice/ca.pem"
proposals = ["aes256gcm16-prfsha384-x25519", "aes128gcm16-prfsha256-ecp256"]   # strongSwan's keywords
start = "on-load"                    # on-load, on-traffic, manual (respond only)
[[ike.connection.child]]
name = "net"
mode = "tunnel"                      # tunnel or transport
local_ts = ["10.1.0.0/16"]           # left out: the IKE address itself
remote_ts = ["10.2.0.0/16"]
esp = ["aes256gcm16-x25519", "aes128gcm16"]
rekey_time = "1h"
offload = "auto"                     # auto: the best the device can. crypto, packet: that or refuse. off
)";

std::string said(std::string_view text, std::string_view credentials = {}) {
    const ConfigurationResult result = parse_configuration(text, "f", credentials);
    if (result) {
        return "ok";
    }
    std::string lines;
    for (const Diagnostic& diagnostic : result.error()) {
        lines += (lines.empty() ? "" : "\n") + to_string(diagnostic);
    }
    return lines;
}

/// A good connection in lines 1 to 3, then `more` from line 4 on, then a child.
std::string connection(const std::string& more, const std::string& child = {}) {
    return "[[ike.connection]]\nname = \"a\"\n" +
           std::string(more.find("psk") == std::string::npos ? "psk = \"file:/k\"" : "") + "\n" + more +
           (more.find("local_id") == std::string::npos ? "\nlocal_id = \"me.example\"" : "") +
           "\n[[ike.connection.child]]\nname = \"c\"\n" + child;
}

std::string child(const std::string& more) {
    return "[[ike.connection]]\nname = \"a\"\npsk = \"file:/k\"\nlocal_id = \"i\"\n[[ike.connection.child]]\nname = "
           "\"c\"\n" +
           more;
}

IkeConnection read(const std::string& text, std::string_view credentials = {}) {
    const ConfigurationResult result = parse_configuration(text, "f", credentials);
    INFO(said(text, credentials));
    REQUIRE(result);
    REQUIRE(result->ike.connections.size() == 1);
    return result->ike.connections.front();
}

}  // namespace

TEST_SUITE_BEGIN("ike reader");

TEST_CASE("the contract's example") {
    const ConfigurationResult result = parse_configuration(kContract, "k.toml", {});
    REQUIRE(result);
    CHECK(result->ike.settings == IkeSettings{});
    REQUIRE(result->ike.connections.size() == 1);
    const IkeConnection& hq = result->ike.connections[0];
    const ike::Connection& rules = *hq.rules;
    CHECK(rules.name == "hq");
    CHECK(hq.groups == std::vector<std::string>{"branch"});
    CHECK(rules.local == IpAddress::parse("192.0.2.1"));
    CHECK(rules.remote == IpAddress::parse("198.51.100.7"));
    REQUIRE(hq.peers.size() == 1);
    CHECK(hq.peers[0].address == rules.remote);
    CHECK(rules.local_id == ike::parse_identity("gw1.example").value());
    CHECK(rules.remote_id.matches(ike::parse_identity("gw2.example").value()));
    CHECK_FALSE(rules.remote_id.matches(ike::parse_identity("gw3.example").value()));
    CHECK(hq.psk == SecretReference{.kind = SecretReference::Kind::file,
                                    .path = "/etc/keysluice/hq.psk",
                                    .where = {"k.toml", 13, 7}});
    CHECK(rules.proposals == std::vector{ike::parse_ike_proposal("aes256gcm16-prfsha384-x25519", {}).value(),
                                         ike::parse_ike_proposal("aes128gcm16-prfsha256-ecp256", {}).value()});
    CHECK(hq.start == IkeStart::on_load);
    CHECK(rules.keep_up);
    CHECK(hq.section == Position{"k.toml", 5, 1});
    REQUIRE(rules.children.size() == 1);
    const ike::ChildRule& net = rules.children[0];
    CHECK(net.name == "net");
    CHECK(net.mode == ike::Mode::tunnel);
    CHECK(net.local == ike::TrafficSelectors{ike::parse_selector("10.1.0.0/16").value()});
    CHECK(net.remote == ike::TrafficSelectors{ike::parse_selector("10.2.0.0/16").value()});
    CHECK(net.proposals == std::vector{ike::parse_esp_proposal("aes256gcm16-x25519", {}).value(),
                                       ike::parse_esp_proposal("aes128gcm16", {}).value()});
    CHECK(net.rekey_time == 1h);
    CHECK(net.rekey_bytes == 0);
    CHECK(net.rekey_packets == 0);
    CHECK(net.offload == ike::Offload::automatic);
}

TEST_CASE("what is left out") {
    const IkeConnection made = read(connection(""));
    const ike::Connection& rules = *made.rules;
    CHECK_FALSE(rules.local);
    CHECK_FALSE(rules.remote);
    CHECK(rules.remote_id.any());
    CHECK(rules.proposals == ike::default_ike_proposals());
    CHECK(made.start == IkeStart::manual);
    CHECK_FALSE(rules.keep_up);
    CHECK(rules.rekey_time == 4h);
    CHECK(rules.reauth_time == 0h);
    CHECK(rules.liveness == 30s);
    CHECK(rules.mobike);
    CHECK(rules.liveness_idle == 5min);
    CHECK(rules.retry == ike::RetryPauses{});
    CHECK(rules.children[0].proposals == ike::default_esp_proposals());
    CHECK(rules.children[0].local.empty());
    CHECK(rules.children[0].remote.empty());
    CHECK(rules.children[0].rekey_time == 1h);
}

TEST_CASE("every key that isn't at its default") {
    const IkeConnection made = read(connection(
        "groups = [\"x\", \"y\"]\nlocal = \"2001:db8::1\"\nremote = \"gw.example\"\nremote_id = \"*.example\"\n"
        "psk = \"directory:/keys\"\nallow_weak = [\"3des\", \"sha1\"]\n"
        "proposals = [\"3des-sha1-prfsha256-modp2048\"]\nstart = \"on-traffic\"\nrekey_time = \"30min\"\n"
        "reauth_time = \"3h\"\n"
        "liveness = \"0s\"\nmobike = false",
        "mode = \"transport\"\nesp = [\"3des-sha1\"]\nrekey_time = \"5s\"\noffload = \"off\"\n"
        "rekey_bytes = 100000000000000\nrekey_packets = 1000"));
    CHECK(made.groups == std::vector<std::string>{"x", "y"});
    REQUIRE(made.peers.size() == 1);
    CHECK(made.peers[0].host == "gw.example");
    CHECK_FALSE(made.rules->remote);
    CHECK(made.rules->remote_id.matches(ike::parse_identity("gw7.example").value()));
    CHECK(made.psk.kind == SecretReference::Kind::directory);
    CHECK(made.psk.path == "/keys");
    CHECK(made.start == IkeStart::on_traffic);
    CHECK_FALSE(made.rules->keep_up);
    CHECK(made.rules->rekey_time == 30min);
    CHECK(made.rules->reauth_time == 3h);
    CHECK(made.rules->liveness == 0s);
    CHECK_FALSE(made.rules->mobike);
    CHECK(made.rules->children[0].mode == ike::Mode::transport);
    CHECK(made.rules->children[0].rekey_time == 5s);
    CHECK(made.rules->children[0].rekey_bytes == 100'000'000'000'000);
    CHECK(made.rules->children[0].rekey_packets == 1000);
    CHECK(made.rules->children[0].offload == ike::Offload::off);

    const auto settings = parse_configuration(
        "[ike]\nport = 1500\nnat_port = 14500\ncookie_after = 0\nhalf_open_per_address = 1000000\n"
        "retransmit_tries = 3\nretransmit_timeout = \"500ms\"",
        "f", {});
    REQUIRE(settings);
    CHECK(settings->ike.settings == IkeSettings{1500, 14500, 0, 1000000, 3, 500ms});
    CHECK(IkeSettings{}.retransmit_tries == ike::Retransmission{}.tries);
    CHECK(IkeSettings{}.retransmit_timeout == ike::Retransmission{}.first);
}

TEST_CASE("a key that came with the call is for the text that came with it") {
    const std::string text = connection("psk = \"option:psk\"");
    CHECK(said(text) ==
          "f:4:7: psk: \"option:psk\" is what comes as the option psk of org.keysluice1.Manager.AddConnection, and "
          "none "
          "came with this");
    CHECK(parse_configuration(text, "f", {}).error().at(0).reason == "psk-not-given");
    CHECK(said(connection("psk = \"file:/k\"\nreauth_time = \"4s\""))
              .find("reauth_time: expected 0s, which is never") != std::string::npos);
    CHECK(said(connection("psk = \"option:key\"")).starts_with("f:4:7: psk: expected \"file:/PATH\""));
    const std::string certified = connection(
        "private_key = \"option:private_key\"\nauth = \"certificate\"\ncertificate = \"/c.pem\"\nca = "
        "\"-----BEGIN CERTIFICATE-----\"");
    CHECK(parse_configuration(certified, "f", {}).error().at(0).reason == "private-key-not-given");
    CHECK(said(certified).starts_with("f:4:15: private_key: \"option:private_key\" is what comes as"));

    const test::RuntimeFolder folder;
    const std::filesystem::path file = folder / "keysluice.toml";
    std::ofstream(file) << "";
    const auto key = std::make_shared<const ike::SharedKey>(as_bytes("swordfish"));
    auto both = read_configuration(file, {}, {.texts = {{"bus:a", {text, key}}, {"bus:b", {text, {}}}}});
    REQUIRE(!both);
    CHECK(both.error().at(0).where.file == "bus:b");
    auto one = read_configuration(file, {}, {.texts = {{"bus:a", {text, key}}}});
    REQUIRE(one);
    Diagnostics warnings;
    CHECK(load_secrets(one->ike, warnings).empty());
    const auto* loaded = one->ike.connections.at(0).rules->keys.find(ike::parse_identity("anybody").value());
    REQUIRE(loaded != nullptr);
    CHECK(as_text(loaded->expose()) == "swordfish");
}

TEST_CASE("the local address is the identity where none is given") {
    const std::string text = connection("local = \"192.0.2.1\"\nlocal_id = \"x\"");
    CHECK(read(text).rules->local_id == ike::parse_identity("x").value());
    std::string without = text;
    without.erase(without.find("\nlocal_id"), std::string("\nlocal_id = \"x\"").size());
    CHECK(read(without).rules->local_id == ike::parse_identity("192.0.2.1").value());
    without.replace(without.find("192.0.2.1"), 9, "any");
    CHECK(said(without) ==
          "f:1:1: this [[ike.connection]] lacks the key local_id, which is the local address where "
          "there is one, and local = \"any\" is none");
}

TEST_CASE("pre-shared keys") {
    CHECK(read(connection("psk = \"credential:hq\""), "/run/credentials/x").psk.path == "/run/credentials/x/hq");
    CHECK(said(connection("psk = \"credential:hq\"")) ==
          "f:4:7: psk: this process was given no credentials: start it as a systemd service with LoadCredential=, or "
          "write \"file:/PATH\"");
    // Never repeated: it could be the key itself.
    CHECK(said(connection("psk = \"swordfish\"")) ==
          "f:4:7: psk: expected \"file:/PATH\", \"credential:NAME\" or \"directory:/PATH\" (what stands there is not "
          "repeated here, it could be the key itself)");
    CHECK(said(connection("psk = \"directory:keys\"")) ==
          "f:4:7: psk: expected an absolute path behind \"directory:\", as in \"directory:/etc/keysluice/keys.d\"");
    CHECK(said("[[ike.connection]]\nname = \"a\"\nlocal_id = \"b\"\n[[ike.connection.child]]\nname = \"c\"") ==
          "f:1:1: this [[ike.connection]] lacks the key psk, which auth = \"psk\" needs");
}

TEST_CASE("certificates") {
    const std::string files =
        "certificate = \"/gw.pem\"\nprivate_key = \"file:/gw.key\"\nca = \"/ca.pem\"\ncrl = [\"/a.crl\", "
        "\"/b.crl\"]\n";
    SUBCASE("for both ends") {
        const IkeConnection made = read(connection("auth = \"certificate\"\n" + files));
        CHECK(made.rules->auth == ike::Auth::certificate);
        CHECK(made.rules->remote_auth == ike::Auth::certificate);
        CHECK(made.certificate == "/gw.pem");
        CHECK(made.private_key.path == "/gw.key");
        CHECK(made.ca == "/ca.pem");
        CHECK(made.crl == std::vector<std::string>{"/a.crl", "/b.crl"});
        REQUIRE(made.crl_at.size() == 2);
        CHECK(made.crl_at[1] == Position{"f", 8, 18});
        CHECK(made.psk.kind == SecretReference::Kind::none);
        CHECK_FALSE(made.rules->allow_sha1);
    }
    SUBCASE("for one of them, and the other end's key is read") {
        const IkeConnection ours =
            read(connection("remote_auth = \"psk\"\nauth = \"certificate\"\npsk = \"file:/k\"\n" + files));
        CHECK(ours.certificate == "/gw.pem");
        CHECK(ours.ca.empty());
        CHECK(ours.crl.empty());
        CHECK(ours.psk.path == "/k");
        const IkeConnection theirs = read(connection("remote_auth = \"certificate\"\npsk = \"file:/k\"\n" + files));
        CHECK(theirs.certificate.empty());
        CHECK(theirs.private_key.kind == SecretReference::Kind::none);
        CHECK(theirs.ca == "/ca.pem");
        CHECK(theirs.psk.path == "/k");
    }
    SUBCASE("for none, and their files are left alone") {
        const IkeConnection made = read(connection(files));
        CHECK(made.certificate.empty());
        CHECK(made.ca.empty());
    }
    SUBCASE("signatures of old peers") {
        for (const auto& [word, allowed] :
             {std::pair{"sha1", true}, {"sha", true}, {"prfsha1", false}, {"modp1024", false}}) {
            const std::string weak = "allow_weak = [\"" + std::string(word) + "\"]\n";
            CHECK_MESSAGE(read(connection("auth = \"certificate\"\n" + weak + files)).rules->allow_sha1 == allowed,
                          word);
        }
    }
}

TEST_CASE("only weak algorithms can be let through") {
    constexpr std::string_view kChoice =
        "expected \"3des\", \"sha1\", \"md5\", \"modp1536\", \"modp1024\" or \"modp768\"";
    const auto about = [&](std::string_view word) {
        return said(connection("allow_weak = [\"3des\", \"" + std::string(word) + "\"]\n"));
    };
    CHECK(about("sah1") ==
          "f:4:23: allow_weak: \"sah1\" is no weak algorithm: " + std::string(kChoice) + "; did you mean \"sha1\"?");
    CHECK(about("modp102").ends_with("; did you mean \"modp1024\"?"));
    CHECK(about("aes128").contains("\"aes128\" is no weak algorithm"));
    CHECK(about("prfmd5") == "ok");
}

TEST_CASE("certificates that are missing or misspelt") {
    CHECK(said("[[ike.connection]]\nname = \"a\"\nauth = \"certificate\"\n[[ike.connection.child]]\nname = \"c\"") ==
          "f:1:1: this [[ike.connection]] lacks the key ca, which remote_auth = \"certificate\" needs\n"
          "f:1:1: this [[ike.connection]] lacks the key certificate, which auth = \"certificate\" needs\n"
          "f:1:1: this [[ike.connection]] lacks the key private_key, which auth = \"certificate\" needs");
    CHECK(said(connection("auth = \"pks\"")) ==
          "f:4:8: auth = \"pks\": expected \"psk\", \"certificate\", \"eap-mschapv2\" or \"eap-tls\"; did you mean "
          "\"psk\"?");
    CHECK(said(connection("remote_auth = \"certificat\""))
              .starts_with("f:4:15: remote_auth = \"certificat\": expected"));
    CHECK(said(connection("remote_auth = \"certificate\"\nca = \"ca.pem\"")).starts_with("f:5:6: ca = \"ca.pem\": "));
    CHECK(said(connection("remote_auth = \"certificate\"\nca = \"/ca.pem\"\ncrl = [\"/a\", \"b\"]"))
              .starts_with("f:6:14: crl = \"b\": "));
}

TEST_CASE("addresses") {
    CHECK(said(connection("local = \"192.0.2\"")) ==
          "f:4:9: local = \"192.0.2\": expected an IPv4 or IPv6 address of this machine, as in \"192.0.2.1\", or "
          "\"any\"");
    CHECK(said(connection("local = \"0.0.0.0\"")).starts_with("f:4:9: local = \"0.0.0.0\": expected"));
    CHECK(said(connection("remote = \"192.0.2.1:0\"")) ==
          "f:4:10: remote = \"192.0.2.1:0\": expected the peer's IPv4 or IPv6 address or its host name, with a port "
          "as in "
          "\"192.0.2.1:500\" or without, a list of them, or \"any\"");
    CHECK(said(connection("local = \"192.0.2.1\"\nremote = \"2001:db8::1\"")) ==
          "f:5:10: remote = \"2001:db8::1\": local = \"192.0.2.1\" is an address of the other family");
    CHECK(said(connection("remote = 7")) ==
          "f:4:10: remote: expected a string with an address, a host name or \"any\", got an integer");
}

TEST_CASE("several gateways") {
    const IkeConnection made =
        read(connection("remote = [\"gw1.example\", \"198.51.100.2:4500\", \"[2001:db8::1]:500\", \"2001:db8::2\", "
                        "\"gw2.example:501\"]\n"
                        "start = \"on-load\"\nreturn = \"when-idle\"\nreturn_check = \"5s\"\nreturn_idle = \"2min\"\n"
                        "liveness = \"1s\"\nliveness_idle = \"7min\""));
    std::string peers;
    for (const IkePeer& peer : made.peers) {
        peers += peer.host + " " + std::to_string(peer.port) + (peer.address ? " address, " : ", ");
    }
    CHECK(peers ==
          "gw1.example 0, 198.51.100.2 4500 address, 2001:db8::1 500 address, 2001:db8::2 0 address, gw2.example "
          "501, ");
    CHECK(made.peers[1].where == Position{"f", 4, 26});
    const ike::Gateways& gateways = made.rules->gateways;
    CHECK(gateways.order == ike::Gateways::Order::priority);
    CHECK(gateways.back == ike::Gateways::Return::when_idle);
    CHECK(gateways.check == 5s);
    CHECK(gateways.idle == 2min);
    CHECK(made.rules->liveness_idle == 7min);
    CHECK(made.rules->mobike);
    const IkeConnection rotated = read(connection("remote = \"gw\"\nremote_order = \"rotation\"\nliveness = \"1s\""));
    CHECK(rotated.rules->gateways.order == ike::Gateways::Order::rotation);
    CHECK(rotated.rules->gateways.back == ike::Gateways::Return::never);
    CHECK(rotated.rules->liveness_idle == 10s);
}

TEST_CASE("gateways that are none") {
    for (const std::string wrong :
         {"", "any", "a b", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "[192.0.2.1]:500", "[gw]:500",
          "[2001:db8::1]", "0.0.0.0", "[::]:500", ":500", "gw:x"}) {
        CHECK_MESSAGE(said(connection("remote = [\"gw\", \"" + wrong + "\"]")).starts_with("f:4:17: remote"), wrong);
    }
    CHECK(said(connection("remote = []")).starts_with("f:4:10: remote has 0 items"));
    CHECK(said(connection("local = \"192.0.2.1\"\nremote = [\"192.0.2.2\", \"2001:db8::1\"]")) ==
          "f:5:24: remote = \"2001:db8::1\": local = \"192.0.2.1\" is an address of the other family");
    const std::string rotated =
        connection("remote = [\"a\", \"b\"]\nremote_order = \"rotation\"\nreturn = \"at-once\"");
    CHECK(said(rotated) ==
          "f:6:10: return: with remote_order = \"rotation\" no gateway is better than another; expected \"never\"");
    CHECK(parse_configuration(rotated, "f", {}).error().at(0).reason == "bad-return");
}

TEST_CASE("with nobody to start with, nothing starts") {
    for (const std::string start : {"on-load", "on-traffic"}) {
        CHECK(said(connection("start = \"" + start + "\"")) ==
              "f:4:9: start = \"" + start +
                  "\": with remote = \"any\" there is nobody to start with; expected \"manual\", or the peer's "
                  "address in remote");
        CHECK(said(connection("remote = \"192.0.2.1\"\nstart = \"" + start + "\"")) == "ok");
        CHECK(said(connection("remote = \"gw.example\"\nstart = \"" + start + "\"")) == "ok");
    }
    CHECK(said(connection("start = \"onload\"")) ==
          "f:4:9: start = \"onload\": expected \"on-load\", \"on-traffic\" or \"manual\"; did you mean \"on-load\"?");
    // What is wrong with the address is said once, and not again at `start`.
    CHECK(said(connection("remote = \"[\"\nstart = \"on-load\"")).find('\n') == std::string::npos);
}

TEST_CASE("what the layer below says comes with its place") {
    CHECK(said(connection("proposals = [\"aes256gcm16-prfsha384-x25519\",\n\"aes256gcm17-prfsha384-x25519\"]"))
              .starts_with("f:5:1: proposals: "));
    CHECK(said(connection("local_id = \"a b\"")).starts_with("f:4:12: local_id: 'a b' is no identity"));
    CHECK(said(connection("remote_id = \"x*\"\nlocal_id = \"i\"")) == "ok");
    CHECK(said(connection("remote_id = \"*192.0.2.1\"")).starts_with("f:4:13: remote_id: "));
    CHECK(said(child("local_ts = [\"10.1.0.0/33\"]")).starts_with("f:7:13: local_ts: "));
    CHECK(said(child("esp = [\"3des-sha1\"]")).starts_with("f:7:8: esp: "));
}

TEST_CASE("lists") {
    CHECK(said(connection("proposals = \"aes256gcm16-prfsha384-x25519\"")) ==
          "f:4:13: proposals: expected an array of strings, as in [\"aes256gcm16-prfsha384-x25519\"], got a string");
    CHECK(said(connection("proposals = []")) == "f:4:13: proposals has 0 items: expected 1 to 64");
    CHECK(said(connection("groups = [\"a\", 1]")) ==
          "f:4:16: groups: expected a string, as in \"branch\", got an integer");
    CHECK(said(connection("groups = [\"a b\"]")) ==
          "f:4:11: groups: \"a b\" is no name of a group: expected 1 to 64 letters, digits, \"_\", \".\" or \"-\"");
}

TEST_CASE("children") {
    CHECK(said("[[ike.connection]]\nname = \"a\"\npsk = \"file:/k\"\nlocal_id = \"i\"") ==
          "f:1:1: this [[ike.connection]] has no [[ike.connection.child]]: without one it protects nothing");
    CHECK(said(child("[[ike.connection.child]]\nname = \"c\"")) ==
          "f:7:1: this connection has a child with the name \"c\" already");
    CHECK(said(child("[[ike.connection.child]]\nmode = \"tunnel\"")) ==
          "f:7:1: this [[ike.connection.child]] lacks the key name, which every child needs");
    CHECK(said(child("mode = \"tunel\"")) ==
          "f:7:8: mode = \"tunel\": expected \"tunnel\" or \"transport\"; did you mean \"tunnel\"?");
    CHECK(said(child("rekeytime = \"1h\"")) ==
          "f:7:1: unknown key \"rekeytime\" in [[ike.connection.child]]; did you mean \"rekey_time\"?");
    CHECK(said(child("rekey_bytes = 999999")) ==
          "f:7:15: rekey_bytes = 999999: expected 0 (no limit) or at least 1000000");
    CHECK(said(child("rekey_packets = 999")) ==
          "f:7:17: rekey_packets = 999: expected 0 (no limit) or at least 1000");
    CHECK(said(child("rekey_packets = -1")) ==
          "f:7:17: rekey_packets = -1: expected an integer from 0 to 100000000000000");
    CHECK(said(child("rekey_time = \"4s\"")) == "f:7:14: rekey_time = \"4s\": expected a duration from 5s to 168h");
    CHECK(said(child("local_ts = [\"10.0.0.0/8\"]\nremote_ts = [\"fd00::/8\"]")) ==
          "f:8:13: local_ts and remote_ts have no address family in common, so no packet fits both");
    CHECK(said(child("local_ts = [\"10.0.0.0/8\", \"fd01::/16\"]\nremote_ts = [\"fd00::/8\"]")) == "ok");
    CHECK(read(child("offload = \"crypto\"")).rules->children[0].offload == ike::Offload::crypto);
    CHECK(read(child("offload = \"packet\"")).rules->children[0].offload == ike::Offload::packet);
}

TEST_CASE("names and keys that stand twice") {
    CHECK(said(connection("") + connection("")) == "f:8:1: a connection with the name \"a\" stands already at f:1:1");
    CHECK(said("[ike]\nport = 4500") ==
          "f:1:1: nat_port = 4500: expected another port than port, since messages look "
          "different there");
    CHECK(said("[ike]\nports = 1") == "f:2:1: unknown key \"ports\" in [ike]; did you mean \"port\"?");
    CHECK(said("[[ike.connections]]\nname = \"a\"") ==
          "f:1:7: unknown key \"connections\" in [ike]; did you mean \"connection\"?");
}

TEST_CASE("pauses between attempts") {
    using enum ike::RetryPauses::Growth;
    const auto pauses = [](const std::string& more) { return read(connection(more)).rules->retry; };
    CHECK(pauses("retry = \"5s..60s\"\nretry_growth = \"linear\"") == ike::RetryPauses{5s, 60s, linear});
    CHECK(pauses("retry = \"1500ms..1h\"") == ike::RetryPauses{1500ms, 1h, exponential});
    CHECK(pauses("retry = \"10s\"") == ike::RetryPauses{10s, 10s, exponential});
    for (const char* wrong :
         {"", "..", "5s..", "..5s", "5s-60s", "60s..5s", "500ms", "1s..25h", "5s..60s..90s", "5"}) {
        const auto result = parse_configuration(connection("retry = \"" + std::string(wrong) + "\""), "k.toml", {});
        REQUIRE_FALSE(result);
        CHECK_MESSAGE(result.error().front().reason == "bad-retry", wrong);
        CHECK(to_string(result.error().front()).contains("such as \"5s..60s\""));
    }
}

TEST_SUITE_END();
