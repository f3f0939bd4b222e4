#include "daemon/control/configuration.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace keysluice;
using namespace keysluice::control;
using namespace std::chrono_literals;

namespace {

/// Everything that is said about a text, as it is printed: one line for each fault, or "ok".
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

std::string reason(std::string_view text) {
    const ConfigurationResult result = parse_configuration(text, "f", {});
    REQUIRE_FALSE(result);
    REQUIRE(result.error().size() == 1);
    return std::string(result.error().front().reason);
}

/// A good server service in lines 1 to 5; `more` begins at line 6.
std::string server(const std::string& more) {
    return "[[tls.service]]\nname = \"a\"\nlisten = [\"0.0.0.0:443\"]\nconnect = [\"127.0.0.1:80\"]\n"
           "certificate = \"/c\"\n" +
           more + (more.find("private_key") == std::string::npos ? "\nprivate_key = \"file:/k\"" : "");
}

/// A good client service in lines 1 to 5; `more` begins at line 6.
std::string client(const std::string& more) {
    return "[[tls.service]]\nname = \"a\"\nmode = \"client\"\nlisten = [\"0.0.0.0:80\"]\nconnect = [\"h:443\"]\n" +
           more + (more.find("ca =") == std::string::npos ? "\nca = \"/a\"" : "") +
           (more.find("server_name") == std::string::npos ? "\nserver_name = \"h\"" : "");
}

constexpr std::string_view kContract = R"([daemon]
engines = 0                          # handshake engines, 0: one per CPU
runtime_directory = "/run/keysluice"
bus = "system"                       # "system", "none", or a D-Bus address such as "unix:path=…"
log_level = "info"                   # error, warning, info, debug

[[tls.service]]
name = "shop"
mode = "server"                      # server: TLS in, plaintext out. client: plaintext in, TLS out
listen = ["0.0.0.0:443", "[::]:443"] # or "unix:/path"
connect = ["127.0.0.1:8080"]         # one or more; or "unix:/path"
certificate = "/etc/keysluice/shop.pem"       # chain, leaf first
private_key = "file:/etc/keysluice/shop.key"  # file:PATH or credential:NAME (systemd credential)
ca = "/etc/ssl/certs/ca-certificates.crt"     # whom to trust, for client certificates or, in client mode, servers
client_certificate = "none"          # none, optional, required
server_name = "shop.example"         # client mode: SNI and the name that the certificate must carry
min_version = "1.2"                  # "1.2" or "1.3"
offload = "auto"                     # auto: kTLS if possible. require: refuse otherwise. off: userspace
deliver = "relay"                    # relay or handoff
send_proxy = "none"                  # none, v1, v2: tell the backend who the client is
accept_proxy = "none"                # none, v1, v2, any: a proxy in front tells us
)";

}  // namespace

TEST_CASE("the contract's example") {
    const ConfigurationResult result = parse_configuration(kContract, "keysluice.toml", {});
    REQUIRE(result);
    CHECK(result->daemon == DaemonSettings{});
    REQUIRE(result->services.size() == 1);
    CHECK(result->services[0] == TlsService{.name = "shop",
                                            .mode = Mode::server,
                                            .listen = {Ipv4Endpoint{{}, 443}, Ipv6Endpoint{{}, 443}},
                                            .connect = {Ipv4Endpoint{{127, 0, 0, 1}, 8080}},
                                            .certificate = "/etc/keysluice/shop.pem",
                                            .private_key = "/etc/keysluice/shop.key",
                                            .ca = "/etc/ssl/certs/ca-certificates.crt",
                                            .server_name = "shop.example"});
    REQUIRE(result->sources.size() == 1);
    CHECK(result->sources[0] == ServiceSource{.section = {"keysluice.toml", 7, 1},
                                              .certificate = {"keysluice.toml", 12, 15},
                                              .private_key = {"keysluice.toml", 13, 15},
                                              .ca = {"keysluice.toml", 14, 6},
                                              .crl = {"keysluice.toml", 7, 1},
                                              .verify_peer = {"keysluice.toml", 7, 1},
                                              .key_exchange_groups = {"keysluice.toml", 7, 1},
                                              .listen = {{"keysluice.toml", 10, 11}, {"keysluice.toml", 10, 26}},
                                              .connect = {{"keysluice.toml", 11, 12}},
                                              .ocsp = {"keysluice.toml", 7, 1}});
}

TEST_CASE("every key that isn't at its default") {
    const ConfigurationResult result = parse_configuration(
        "[daemon]\nengines = 256\nruntime_directory = \"/tmp/x\"\nbus = \"unix:path=/b\"\nlog_level = \"debug\"\n"
        "[[tls.service]]\nname = \"out\"\nmode = \"client\"\nlisten = [\"unix:/in\"]\n"
        "connect = [\"shop.example:443\", \"[::1]:443\"]\ncertificate = \"/c\"\nprivate_key = \"credential:key\"\n"
        "ca = \"/ca\"\nverify_peer = \"none\"\nserver_name = \"192.0.2.1\"\nmin_version = \"1.3\"\n"
        "ciphersuites = [\"TLS_AES_256_GCM_SHA384\"]\nkey_exchange_groups = [\"?X25519MLKEM768\", \"X448\"]\n"
        "plaintext_remote = \"allow\"\noffload = \"require\"\n"
        "send_proxy = \"v1\"\naccept_proxy = \"v2\"\nrekey_after = [\"90min\", \"512MiB\"]\n"
        "handshake_timeout = \"500ms\"\nconnect_timeout = \"1h\"\nclose_timeout = \"2min\"\ndrain_timeout = \"7s\"\n",
        "f", "/run/credentials/x");
    REQUIRE(result);
    CHECK(result->daemon == DaemonSettings{256, "/tmp/x", "unix:path=/b", keysluice::LogLevel::debug});
    REQUIRE(result->services.size() == 1);
    CHECK(result->services[0] ==
          TlsService{.name = "out",
                     .mode = Mode::client,
                     .listen = {UnixEndpoint{"/in"}},
                     .connect = {HostEndpoint{"shop.example", 443}, parse_endpoint("[::1]:443").value()},
                     .certificate = "/c",
                     .private_key = "credential:key",
                     .ca = "/ca",
                     .verify_peer = VerifyPeer::none,
                     .server_name = "192.0.2.1",
                     .min_version = TlsVersion::tls13,
                     .ciphersuites = {"TLS_AES_256_GCM_SHA384"},
                     .key_exchange_groups = {"?X25519MLKEM768", "X448"},
                     .plaintext_remote = PlaintextRemote::allow,
                     .offload = Offload::require,
                     .send_proxy = SendProxy::v1,
                     .accept_proxy = AcceptProxy::v2,
                     .rekey_after = {.volume = 512ULL << 20U, .time = 90min},
                     .handshake_timeout = 500ms,
                     .connect_timeout = 1h,
                     .close_timeout = 2min,
                     .drain_timeout = 7s});
    TlsService told = result->services[0];
    told.plaintext_remote = PlaintextRemote::refuse;  // keysluiced's own business
    CHECK(decode_service(encode(result->services[0])).value() == told);
}

TEST_CASE("how sessions are resumed is the server's to say") {
    const auto said = [](const std::string& line) {
        return parse_configuration(
            "[[tls.service]]\nname = \"a\"\nlisten = [\"[::]:443\"]\nconnect = [\"127.0.0.1:80\"]\ncertificate = "
            "\"/c\"\nprivate_key = \"file:/k\"\n" +
                line,
            "f", {});
    };
    const ConfigurationResult limited = said("session_lifetime = \"24h\"\nsession_max_uses = 500\n");
    REQUIRE(limited);
    CHECK(limited->services[0].session_lifetime == 24h);
    CHECK(limited->services[0].session_max_uses == 500);
    const ConfigurationResult off = said("session_lifetime = \"0s\"\n");
    REQUIRE(off);
    CHECK(off->services[0].session_lifetime == 0s);
}

TEST_CASE("an empty configuration is the defaults") {
    const ConfigurationResult result = parse_configuration("", "f", {});
    REQUIRE(result);
    CHECK(result->daemon == DaemonSettings{});
    CHECK(result->services.empty());
}

TEST_CASE("what is wrong in [daemon]") {
    struct Case {
        std::string line;
        std::string expected;
    };
    const std::vector<Case> cases = {
        {"engines = 257", "f:2:11: engines = 257: expected an integer from 0 to 256"},
        {"engines = -1", "f:2:11: engines = -1: expected an integer from 0 to 256"},
        {"engines = \"4\"", "f:2:11: engines: expected an integer from 0 to 256, got a string"},
        {"engines = 2.0", "f:2:11: engines: expected an integer from 0 to 256, got a floating-point number"},
        {"engine = 2", R"(f:2:1: unknown key "engine" in [daemon]; did you mean "engines"?)"},
        {"colour = 2",
         R"(f:2:1: unknown key "colour" in [daemon]; known here: bus, engines, log_level, runtime_directory, )"
         "state_directory"},
        {"[daemon.bsu]", R"(f:2:9: unknown table "bsu" in [daemon]; did you mean "bus"?)"},
        {"runtime_directory = \"run\"",
         R"(f:2:21: runtime_directory = "run": expected an absolute path, as in "/etc/keysluice/shop.pem")"},
        {"runtime_directory = \"/" + std::string(80, 'x') + "\"",
         "f:2:21: runtime_directory has 81 bytes: at most 80 leave room for the names of sockets in it"},
        {"runtime_directory = \"/a\\u0000b\"",
         R"(f:2:21: runtime_directory = "/a\x00b": a path can't contain a zero byte)"},
        {"bus = \"sytem\"",
         R"(f:2:7: bus = "sytem": expected "system", "none" or a D-Bus address such as "unix:path=…"; did you mean "system"?)"},
        {"bus = 1", "f:2:7: bus: expected a string, got an integer"},
        {"log_level = \"warn\"",
         R"(f:2:13: log_level = "warn": expected "error", "warning", "info" or "debug"; did you mean "warning"?)"},
        {"log_level = \"\\u001b[2J\"",
         R"(f:2:13: log_level = "\x1b[2J": expected "error", "warning", "info" or "debug")"},
    };
    for (const Case& test : cases) {
        CAPTURE(test.line);
        CHECK(said("[daemon]\n" + test.line) == test.expected);
    }
}

TEST_CASE("what is wrong in a server's service") {
    struct Case {
        std::string line;
        std::string expected;
    };
    const std::string reference = "(what stands there is not repeated here, it could be the key itself)";
    const std::vector<Case> cases = {
        {"mode = \"servr\"", R"(f:6:8: mode = "servr": expected "server" or "client"; did you mean "server"?)"},
        {"min_version = \"1.1\"", R"(f:6:15: min_version = "1.1": expected "1.2" or "1.3"; did you mean "1.2"?)"},
        {"min_version = 1.3", R"(f:6:15: min_version: expected "1.2" or "1.3", got a floating-point number)"},
        {"offload = \"ato\"",
         R"(f:6:11: offload = "ato": expected "auto", "require" or "off"; did you mean "auto"?)"},
        {"offload = true", R"(f:6:11: offload: expected "auto", "require" or "off", got a boolean)"},
        {"ofload = \"auto\"", R"(f:6:1: unknown key "ofload" in [[tls.service]]; did you mean "offload"?)"},
        {"deliver = \"handoff\"\napplication_users = [\"0\"]",
         "f:4:12: connect: 127.0.0.1:80: deliver = \"handoff\" gives sockets to applications of this host: expected "
         "\"unix:/PATH\", where one listens"},
        {"send_proxy = \"any\"", R"(f:6:14: send_proxy = "any": expected "none", "v1" or "v2")"},
        {"accept_proxy = \"v3\"",
         R"(f:6:16: accept_proxy = "v3": expected "none", "v1", "v2" or "any"; did you mean "v1"?)"},
        {"deliver = \"rely\"", R"(f:6:11: deliver = "rely": expected "relay" or "handoff"; did you mean "relay"?)"},
        {"ca = \"ca.pem\"", R"(f:6:6: ca = "ca.pem": expected an absolute path, as in "/etc/keysluice/shop.pem")"},
        {"client_certificate = \"required\"",
         R"(f:1:1: this [[tls.service]] lacks the key ca, which client_certificate = "required" needs)"},
        {"server_name = \"shop.example:443\"",
         "f:6:15: server_name = \"shop.example:443\": expected a host name or an IP address without a port, as the "
         "server's certificate has it"},
        {"handshake_timeout = \"10\"",
         "f:6:21: handshake_timeout = \"10\": expected a whole number and a unit (ms, s, min or h), as in \"10s\""},
        {"handshake_timeout = \"2h\"", R"(f:6:21: handshake_timeout = "2h": expected a duration from 10ms to 1h)"},
        {"connect_timeout = \"9ms\"", R"(f:6:19: connect_timeout = "9ms": expected a duration from 10ms to 1h)"},
        {"close_timeout = \"25h\"", R"(f:6:17: close_timeout = "25h": expected a duration from 10ms to 24h)"},
        {"drain_timeout = \"169h\"", R"(f:6:17: drain_timeout = "169h": expected a duration from 10ms to 168h)"},
        {"session_lifetime = \"25h\"", R"(f:6:20: session_lifetime = "25h": expected a duration from 0h to 24h)"},
        {"session_lifetime = \"4s\"",
         R"(f:6:20: session_lifetime: expected a duration from 5s to 24h, or "0s" where no session is to be resumed)"},
        {"rekey_after = \"1GB\"",
         "f:6:15: rekey_after = \"1GB\": expected a volume (KiB, MiB or GiB), a time (ms, s, min or h), or one of "
         "each, as in [\"1GiB\", \"1h\"]"},
        {"rekey_after = [\"1h\", \"63KiB\"]",
         R"(f:6:22: rekey_after = "63KiB": expected a volume from 64KiB to 64GiB)"},
        {"rekey_after = \"65GiB\"", R"(f:6:15: rekey_after = "65GiB": expected a volume from 64KiB to 64GiB)"},
        {"rekey_after = \"999ms\"", R"(f:6:15: rekey_after = "999ms": expected a time from 1s to 168h)"},
        {"rekey_after = \"169h\"", R"(f:6:15: rekey_after = "169h": expected a time from 1s to 168h)"},
        {"rekey_after = [\"1GiB\", \"2GiB\"]",
         "f:6:24: rekey_after = \"2GiB\": it is the second volume in this array: expected a volume (KiB, MiB or "
         "GiB), a "
         "time (ms, s, min or h), or one of each, as in [\"1GiB\", \"1h\"]"},
        {"rekey_after = []", "f:6:15: rekey_after has 0 items: expected 1 to 2"},
        {"rekey_after = 3600",
         R"(f:6:15: rekey_after: expected an array of strings, as in ["1GiB"], got an integer)"},
        {"max_version = \"1.2\"\nrekey_after = \"1h\"",
         "f:7:15: rekey_after is for TLS 1.3, which max_version = \"1.2\" rules out: TLS 1.2 can't change keys"},
        {"drain_timeout = 3600",
         R"(f:6:17: drain_timeout: expected a duration in quotes, as in "10s", got an integer)"},
        {"private_key = \"/etc/key\"",
         R"(f:6:15: private_key: expected "file:/PATH" or "credential:NAME" )" + reference},
        {"private_key = \"MIIEvQIBADANBg\"",
         R"(f:6:15: private_key: expected "file:/PATH" or "credential:NAME" )" + reference},
        {"private_key = \"file:key\"",
         R"(f:6:15: private_key: expected an absolute path behind "file:", as in "file:/etc/keysluice/shop.key")"},
        {"private_key = \"credential:../x\"",
         R"(f:6:15: private_key: expected the name of a systemd credential behind "credential:")"},
        {"private_key = 7",
         R"(f:6:15: private_key: expected a string with "file:/PATH" or "credential:NAME", got an integer)"},
    };
    for (const Case& test : cases) {
        CAPTURE(test.line);
        CHECK(said(server(test.line)) == test.expected);
    }
    CHECK(said(server("")) == "ok");
    CHECK(said(server("ca = \"/ca\"\nclient_certificate = \"optional\"")) == "ok");
}

TEST_CASE("what is wrong in a client's service") {
    struct Case {
        std::string line;
        std::string expected;
    };
    const std::vector<Case> cases = {
        {"certificate = \"/c\"", "f:1:1: this [[tls.service]] lacks the key private_key, which certificate needs"},
        {"verify_peer = \"nobody\"", R"(f:6:15: verify_peer = "nobody": expected "full" or "none")"},
        {"private_key = \"file:/k\"",
         "f:1:1: this [[tls.service]] lacks the key certificate, which private_key needs"},
        {"client_certificate = \"optional\"",
         "f:6:22: client_certificate = \"optional\" is for mode = \"server\": to show a certificate of our own to "
         "the "
         "server, set certificate and private_key"},
        {"server_name = \"a b\"",
         "f:6:15: server_name = \"a b\": expected a host name or an IP address without a port, as the server's "
         "certificate has it"},
    };
    for (const Case& test : cases) {
        CAPTURE(test.line);
        CHECK(said(client(test.line)) == test.expected);
    }
    for (const char* line : {"", "certificate = \"/c\"\nprivate_key = \"file:/k\"", "client_certificate = \"none\"",
                             "server_name = \"::1\""}) {
        CHECK(said(client(line)) == "ok");
    }
}

TEST_CASE("what is wrong with a service's cryptography") {
    struct Case {
        std::string line;
        std::string beginning;
        std::string_view reason;
    };
    const std::vector<Case> cases = {
        {"min_version = \"1.3\"\nmax_version = \"1.2\"",
         R"(f:7:15: max_version = "1.2" is below min_version = "1.3")", "version-range-empty"},
        {"ciphers = \"HIGH\"",
         R"(f:6:11: ciphers: expected an array of strings, as in ["ECDHE-ECDSA-AES128-GCM-SHA256"], got a string)",
         "wrong-type"},
        {"ciphers = []", "f:6:11: ciphers has 0 items: expected 1 to 32", "out-of-range"},
        {"ciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\",\n  \"ECDHE-RSA-AES128-SHA256\"]",
         "f:7:3: ciphers: the cipher suite ECDHE-RSA-AES128-SHA256 is not allowed, since it does not protect records "
         "with an AEAD cipher: ECDHE with an AEAD cipher is expected; allowed here: ECDHE-",
         "cipher-not-allowed"},
        {"ciphers = [\"HIGH\"]",
         "f:6:12: ciphers: \"HIGH\" is not the name of a cipher suite that this machine's OpenSSL ",
         "cipher-unknown"},
        {"ciphers = [\"HIGH:!aNULL\"]",
         R"(f:6:12: ciphers: "HIGH:!aNULL" is not one name: expected one in each string, as in "ECDHE-ECDSA)",
         "cipher-unknown"},
        {"ciphersuites = [\"\\u001b[2J\"]", R"(f:6:17: ciphersuites: "\x1b[2J" is not one name)", "cipher-unknown"},
        {"ciphersuites = [\"ECDHE-RSA-AES128-GCM-SHA256\"]",
         "f:6:17: ciphersuites: ECDHE-RSA-AES128-GCM-SHA256 is a cipher suite of TLS 1.2, which has its place in "
         "ciphers",
         "cipher-not-allowed"},
        {"min_version = \"1.3\"\nciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]",
         R"(f:7:11: ciphers are for TLS 1.2, which min_version = "1.3" rules out)", "wrong-version"},
        {"max_version = \"1.2\"\nciphersuites = [\"TLS_AES_128_GCM_SHA256\"]",
         R"(f:7:16: ciphersuites are for TLS 1.3, which max_version = "1.2" rules out)", "wrong-version"},
        {"key_exchange_groups = [\"X25519\", \"x25518\"]",
         "f:6:34: key_exchange_groups: \"x25518\" is not the name of an elliptic curve for TLS or of its hybrid with "
         "ML-KEM; did you mean \"X25519\"?; this machine's OpenSSL ",
         "group-unknown"},
        {"key_exchange_groups = [\"X25519:P-256\"]", "f:6:24: key_exchange_groups: \"X25519:P-256\" is not one name",
         "group-unknown"},
        {"max_version = \"1.2\"\nkey_exchange_groups = [\"?X25519MLKEM768\"]",
         "f:7:23: key_exchange_groups: none of the groups ?X25519MLKEM768 can be used with TLS 1.2; this machine's",
         "no-usable-group"},
        {"verify_peer = \"none\"", "f:6:15: verify_peer = \"none\" is for mode = \"client\"", "wrong-mode"},
        {"ca = \"/a\"\nclient_certificate = \"required\"\npeer_subjects = [\"CN=*\", \"O\"]",
         "f:8:26: peer_subjects: \"O\": expected attributes with their values, as in \"CN=*,O=Shop\"",
         "peer-rule-malformed"},
        {"ca = \"/a\"\nclient_certificate = \"optional\"\npeer_names = [\"shop.example\"]",
         "f:8:15: peer_names: \"shop.example\": expected a kind and a name", "peer-rule-malformed"},
        {"ca = \"/a\"\nclient_certificate = \"optional\"\npeer_keys = [\"sha256:7\"]",
         "f:8:14: peer_keys: \"sha256:7\": expected \"sha256:\" and 64 hexadecimal digits", "peer-rule-malformed"},
        {"crl = [\"/c\"]", "f:6:7: crl has no effect with client_certificate = \"none\"", "rule-without-certificate"},
        {"peer_names = [\"dns:a\"]", "f:6:14: peer_names has no effect with client_certificate = \"none\"",
         "rule-without-certificate"},
        {"ca = \"/a\"\nclient_certificate = \"required\"\ncrl = [\"c\"]", "f:8:8: crl = \"c\": expected an absolute",
         "bad-path"},
        {"plaintext_remote = \"yes\"", R"(f:6:20: plaintext_remote = "yes": expected "refuse" or "allow")",
         "not-a-choice"},
    };
    for (const Case& test : cases) {
        CAPTURE(test.line);
        const std::string complaint = said(server(test.line));
        CAPTURE(complaint);
        CHECK(complaint.starts_with(test.beginning));
        CHECK(reason(server(test.line)) == test.reason);
    }
    CHECK(said("[[tls.service]]\nname = \"a\"\nmode = \"client\"\nlisten = [\"[::1]:1\"]\nconnect = [\"h:1\"]\n"
               "verify_peer = \"none\"") == "ok");
}

TEST_CASE("what a service lacks") {
    CHECK(said("[[tls.service]]") ==
          "f:1:1: this [[tls.service]] lacks the key certificate, which mode = \"server\" needs\n"
          "f:1:1: this [[tls.service]] lacks the key connect, which every service needs\n"
          "f:1:1: this [[tls.service]] lacks the key listen, which every service needs\n"
          "f:1:1: this [[tls.service]] lacks the key name, which every service needs\n"
          "f:1:1: this [[tls.service]] lacks the key private_key, which mode = \"server\" needs");
    CHECK(said("[[tls.service]]\nname = \"a\"\nlisten = [\"[::1]:1\"]\nconnect = [\"h:1\"]\nmode = \"client\"") ==
          "f:1:1: this [[tls.service]] lacks the key ca, which mode = \"client\" needs\n"
          "f:1:1: this [[tls.service]] lacks the key server_name, which mode = \"client\" needs");
    CHECK(said("[[tls.service]]\nname = \"a\"\nlisten = [\"[::1]:1\"]\nconnect = [\"h:1\"]\nmode = \"x\"") ==
          "f:5:8: mode = \"x\": expected \"server\" or \"client\"");
}

TEST_CASE("what is wrong with names and addresses") {
    const std::string rest = "\ncertificate = \"/c\"\nprivate_key = \"file:/k\"\n";
    const auto with = [&rest](const std::string& name, const std::string& listen, const std::string& connect) {
        return said("[[tls.service]]\nname = " + name + "\nlisten = " + listen + "\nconnect = " + connect + rest);
    };
    const std::string ok = "[\"[::1]:1\"]";
    CHECK(with("\"a b\"", ok, ok) ==
          "f:2:8: name = \"a b\": expected 1 to 64 letters, digits, \"_\", \".\" or \"-\"");
    CHECK(with("3", ok, ok) == "f:2:8: name: expected a string, got an integer");
    CHECK(with("\"a\"", "[\"host:1\"]", ok) ==
          "f:3:11: listen: \"host:1\" is a host name: expected an address of this machine, as in \"0.0.0.0:443\" or "
          "\"[::]:443\"");
    CHECK(with("\"a\"", "\"[::]:1\"", ok) ==
          "f:3:10: listen: expected an array of addresses, as in [\"127.0.0.1:8080\"], got a string");
    CHECK(with("\"a\"", ok, "[]") == "f:4:11: connect has 0 addresses: expected 1 to 64");
    CHECK(with("\"a\"", ok, "[\"h:1\", 2, \"h\"]") ==
          "f:4:19: connect: expected an address in quotes, as in \"127.0.0.1:8080\", got an integer\n"
          "f:4:22: connect: \"h\" has no port: expected \"ADDRESS:PORT\", \"[IPV6-ADDRESS]:PORT\" or \"unix:/PATH\"");
    std::string many = "[";
    for (int i = 1; i <= 64; ++i) {
        many += "\"[::1]:" + std::to_string(i) + "\",";
    }
    CHECK(with("\"a\"", many + "]", many + "]") == "ok");
    CHECK(with("\"a\"", many + "\"[::1]:65\"]", ok) == "f:3:10: listen has 65 addresses: expected 1 to 64");
}

TEST_CASE("what is there twice") {
    CHECK(said(server("") + "\n" + server("")) ==
          "f:8:1: a service with the name \"a\" stands already at f:1:1\n"
          "f:10:11: listen: \"0.0.0.0:443\" stands already at f:3:11");
    CHECK(said("[[tls.service]]\nname = \"a\"\nlisten = [\"[::]:1\",\n \"[0::0]:1\"]\nconnect = [\"h:1\"]\n"
               "certificate = \"/c\"\nprivate_key = \"file:/k\"") ==
          "f:4:2: listen: \"[::]:1\" stands already at f:3:11");
}

TEST_CASE("what is wrong at the top") {
    CHECK(said("[demon]") == R"(f:1:2: unknown table "demon" in the file; did you mean "daemon"?)");
    CHECK(said("engines = 2") == R"(f:1:1: unknown key "engines" in the file; known here: daemon, )"
                                 "host_group, ike, policies, policy, policy_test, tls");
    CHECK(said("daemon = 1") == "f:1:10: daemon: expected a table, got an integer");
    CHECK(said("tls = []") == "f:1:7: tls: expected a table, got an array");
    CHECK(said("[tls]\nservices = []") == R"(f:2:1: unknown key "services" in [tls]; did you mean "service"?)");
    CHECK(said("[tls]\nservice = [1]") == "f:2:12: tls.service: expected a table, got an integer");
    CHECK(said("[tls.service]\nname = \"a\"") ==
          "f:1:1: tls.service: expected [[tls.service]], in double brackets and once for each service, got a table");
    CHECK(said("[ike]\nconnection = 1") ==
          "f:2:14: ike.connection: expected [[ike.connection]], in double brackets and once for each connection, got "
          "an integer");
}

TEST_CASE("faults come in the order of the file, all of them") {
    CHECK(said("[[tls.service]]\nofload = 1\nname = \"a\"\nlisten = [\"x\"]\nmode = 1\n[daemon]\nengines = -1") ==
          "f:1:1: this [[tls.service]] lacks the key connect, which every service needs\n"
          "f:2:1: unknown key \"ofload\" in [[tls.service]]; did you mean \"offload\"?\n"
          "f:4:11: listen: \"x\" has no port: expected \"ADDRESS:PORT\", \"[IPV6-ADDRESS]:PORT\" or \"unix:/PATH\"\n"
          "f:5:8: mode: expected \"server\" or \"client\", got an integer\n"
          "f:7:11: engines = -1: expected an integer from 0 to 256");
}

TEST_CASE("reasons are stable") {
    CHECK(reason("x = 1") == "unknown-key");
    CHECK(reason("[x]") == "unknown-table");
    CHECK(reason("[daemon") == "toml-syntax");
    CHECK(reason("[ike]\nport = 0") == "out-of-range");
    CHECK(reason(server("offload = \"x\"")) == "not-a-choice");
    CHECK(reason(server("offload = 1")) == "wrong-type");
    CHECK(reason(server("drain_timeout = \"x\"")) == "bad-duration");
    CHECK(reason(server("drain_timeout = \"0s\"")) == "out-of-range");
    CHECK(reason(server("session_lifetime = \"4999ms\"")) == "out-of-range");
    CHECK(reason(server("session_max_uses = 1000001")) == "out-of-range");
    CHECK(reason(server("private_key = \"x\"")) == "bad-key-reference");
    CHECK(reason(server("private_key = \"-----BEGIN PRIVATE KEY-----\"")) == "secret-in-file");
    CHECK(reason(server("client_certificate = \"optional\"")) == "key-missing");
}

TEST_CASE("each fault has its reason code") {
    struct Case {
        std::string_view reason;
        std::string text;
    };
    const std::string connection =
        "[[ike.connection]]\nname = \"a\"\npsk = \"file:/k\"\nlocal_id = \"i\"\nremote = \"192.0.2.2\"\n";
    const std::string child = "[[ike.connection.child]]\nname = \"c\"\n";
    const std::vector<Case> cases{
        {"toml-syntax", "a ="},
        {"file-not-utf8", "a = \"\xff\""},
        {"secret-in-file", "a = \"-----BEGIN PRIVATE KEY-----\""},
        {"unknown-key", "[daemon]\nengine = 1"},
        {"unknown-table", "[demon]"},
        {"wrong-type", "[daemon]\nengines = \"1\""},
        {"out-of-range", "[daemon]\nengines = 100000"},
        {"not-a-choice", "[daemon]\nlog_level = \"loud\""},
        {"bad-path", "[daemon]\nruntime_directory = \"relative\""},
        {"bad-path", "[daemon]\nruntime_directory = \"/" + std::string(100, 'x') + "\""},
        {"key-missing",
         "[[tls.service]]\nname = \"a\"\nlisten = [\"0.0.0.0:1\"]\ncertificate = \"/c\"\nprivate_key = "
         "\"file:/k\""},
        {"bad-name",
         "[[tls.service]]\nname = \"a b\"\nlisten = [\"0.0.0.0:1\"]\nconnect = [\"h:1\"]\ncertificate = "
         "\"/c\"\nprivate_key = \"file:/k\""},
        {"duplicate-name", server("") + "\n[[tls.service]]\nname = \"a\"\nlisten = [\"0.0.0.0:444\"]\nconnect = "
                                        "[\"h:1\"]\ncertificate = \"/c\"\nprivate_key = \"file:/k\""},
        {"duplicate-listen", server("") + "\n[[tls.service]]\nname = \"b\"\nlisten = [\"0.0.0.0:443\"]\nconnect = "
                                          "[\"h:1\"]\ncertificate = \"/c\"\nprivate_key = \"file:/k\""},
        {"bad-endpoint", client("") +
                             "\n[[tls.service]]\nname = \"b\"\nmode = \"client\"\nlisten = [\"h:1\"]\nconnect = "
                             "[\"h:1\"]\nca = \"/a\"\nserver_name = \"h\""},
        {"bad-duration", server("handshake_timeout = \"soon\"")},
        {"bad-rekey-after", server("rekey_after = \"soon\"")},
        {"bad-key-reference", server("private_key = \"/k\"")},
        {"no-credentials",
         "[[ike.connection]]\nname = \"a\"\npsk = \"credential:k\"\nlocal_id = \"i\"\nremote = \"192.0.2.2\"\n" +
             child},
        {"delivery-conflict", server("application_users = [\"0\"]")},
        {"bad-server-name", client("server_name = \"h:443\"")},
        {"wrong-mode", client("client_certificate = \"required\"")},
        {"service-too-large",
         [] {
             std::string crls;
             for (int i = 0; i < 4; ++i) {
                 crls += std::string(i == 0 ? "" : ",") + "\"/" + std::string(4090, 'c') + "\"";
             }
             std::string names;
             for (int i = 0; i < 32; ++i) {
                 names += std::string(i == 0 ? "" : ",") + "\"dns:" + std::string(250, 'n') + "\"";
             }
             std::string targets;
             for (int i = 0; i < 63; ++i) {
                 const std::string label(60, 'h');
                 targets += ",\"" + label + "." + label + "." + label + "." + label + ":1\"";
             }
             return "[[tls.service]]\nname = \"a\"\nmode = \"client\"\nlisten = [\"0.0.0.0:443\"]\nconnect = "
                    "[\"h:1\"" +
                    targets + "]\nca = \"/" + std::string(4090, 'a') + "\"\nserver_name = \"h\"\ncrl = [" + crls +
                    "]\npeer_names = [" + names + "]\npeer_subjects = [\"CN=a\"]\ncertificate = \"/" +
                    std::string(4090, 'c') + "\"\nprivate_key = \"file:/" + std::string(4090, 'k') + "\"";
         }()},
        {"rule-without-certificate", client("peer_names = [\"dns:a\"]\nverify_peer = \"none\"")},
        {"wrong-mode", client("session_max_uses = 1")},
        {"bad-address", connection + "local = \"192.0.2.1:500\"\n" + child},
        {"no-peer",
         "[[ike.connection]]\nname = \"a\"\npsk = \"file:/k\"\nlocal_id = \"i\"\nremote = \"any\"\nstart = "
         "\"on-load\"\n" +
             child},
        {"selector-syntax", connection + child + "remote_ts = [\"10.2.0.0/64\"]"},
        {"selector-families", connection + child + "local_ts = [\"10.1.0.0/16\"]\nremote_ts = [\"fd00::/64\"]"},
        {"identity-syntax", connection + "remote_id = \"a b\"\n" + child},
        {"proposal-syntax", connection + "proposals = [\"nonsense\"]\n" + child},
        {"proposal-incomplete", connection + "proposals = [\"aes256\"]\n" + child},
        {"proposal-weak", connection + "proposals = [\"3des-sha1-modp1024\"]\n" + child},
    };
    for (const Case& each : cases) {
        CAPTURE(each.text);
        CAPTURE(said(each.text));
        CHECK(reason(each.text) == each.reason);
    }
}
