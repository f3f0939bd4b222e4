#include "daemon/control/ike_files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

const Position kPsk{"k.toml", 13, 7};
const Position kRemote{"k.toml", 9, 10};

struct Fixture {
    Fixture() {
        IkeConnection& connection = ike.connections.emplace_back();
        connection.psk = {.kind = SecretReference::Kind::file, .path = folder.path() + "/psk", .where = kPsk};
        connection.remote = kRemote;
    }
    void write(const std::string& name, std::string_view content, mode_t mode = 0600) const {
        const std::string path = folder.path() + "/" + name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path, std::ios::binary) << content;
        REQUIRE(chmod(path.c_str(), mode) == 0);
    }
    /// The key for a peer, or "none".
    [[nodiscard]] std::string key_of(const char* peer) const {
        const auto* key = ike.connections[0].rules->keys.find(ike::parse_identity(peer).value());
        return key == nullptr ? "none" : std::string(as_text(key->expose()));
    }
    /// The only thing that is wrong.
    Diagnostic fault() {
        const Diagnostics faults = load_secrets(ike, warnings);
        REQUIRE(faults.size() == 1);
        CHECK(faults[0].where == kPsk);
        return faults[0];
    }
    void load() { CHECK(load_secrets(ike, warnings).empty()); }
    void use_directory() {
        ike.connections[0].psk.kind = SecretReference::Kind::directory;
        ike.connections[0].psk.path = folder.path() + "/keys";
    }

    test::RuntimeFolder folder;
    IkeConfiguration ike;
    Diagnostics warnings;
};

}  // namespace

TEST_SUITE_BEGIN("ike files");

TEST_CASE_FIXTURE(Fixture, "one newline at the end is not part of the key") {
    write("psk", "swordfish\n");
    load();
    CHECK(key_of("anybody.example") == "swordfish");
    CHECK(warnings.empty());
}

TEST_CASE_FIXTURE(Fixture, "everything else is") {
    const std::string key = std::string("\0 \r\n\n", 5);
    write("psk", key + "\n");
    load();
    CHECK(key_of("anybody.example") == key);
}

TEST_CASE_FIXTURE(Fixture, "sizes") {
    write("psk", std::string(256, 'x') + "\n");
    load();
    CHECK(key_of("a") == std::string(256, 'x'));
    write("psk", std::string(257, 'x'));
    CHECK(fault().sentence == "psk: " + folder.path() + "/psk holds more: expected a key of 1 to 256 bytes");
    write("psk", "\n");
    CHECK(fault().sentence == "psk: " + folder.path() + "/psk holds nothing: expected a key of 1 to 256 bytes");
    CHECK(fault().reason == "psk-size");
}

TEST_CASE_FIXTURE(Fixture, "what is no file") {
    CHECK(fault().reason == "psk-unreadable");
    CHECK(fault().sentence == "psk: " + folder.path() + "/psk: No such file or directory");
    std::filesystem::create_directory(folder.path() + "/psk");
    CHECK(fault().sentence == "psk: " + folder.path() + "/psk is no regular file");
}

TEST_CASE_FIXTURE(Fixture, "a key that everybody can read is a key, and a warning") {
    write("psk", "swordfish", 0640);
    load();
    CHECK(warnings.empty());
    write("psk", "swordfish", 0644);
    load();
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].reason == "psk-open-to-all");
    CHECK(warnings[0].where == kPsk);
    CHECK(key_of("a") == "swordfish");
    CHECK(warnings[0].sentence.find("swordfish") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a directory has a key for each peer") {
    use_directory();
    write("keys/gw1.example", "one\n");
    write("keys/192.0.2.7", "two\n");
    write("keys/joe@example", "three\n");
    write("keys/.gw4.example.swp", "four\n");
    load();
    CHECK(key_of("gw1.example") == "one");
    CHECK(key_of("192.0.2.7") == "two");
    CHECK(key_of("joe@example") == "three");
    CHECK(key_of("gw4.example") == "none");
}

TEST_CASE_FIXTURE(Fixture, "faults in a directory name the file") {
    use_directory();
    CHECK(fault().sentence == "psk: " + folder.path() + "/keys: No such file or directory");
    write("keys/gw1.example", "");
    CHECK(fault().sentence ==
          "psk: " + folder.path() + "/keys/gw1.example holds nothing: expected a key of 1 to 256 bytes");
    write("keys/gw1.example", "x");
    write("keys/a b", "x");
    CHECK(fault().reason == "identity-syntax");
    CHECK(fault().sentence.find("'a b'") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "host names are looked up, in the family of the local address") {
    IkeConnection& connection = ike.connections[0];
    CHECK(look_up_peers(ike, {}, warnings).empty());
    CHECK_FALSE(connection.rules->remote);
    connection.peers = {{.host = "localhost", .port = 0, .address = {}, .where = kRemote}};
    connection.rules->local = IpAddress::parse("192.0.2.1");
    CHECK(look_up_peers(ike, {}, warnings).empty());
    CHECK(connection.rules->remote == IpAddress::parse("127.0.0.1"));
    CHECK_FALSE(connection.rules->gateways.several());
}

TEST_CASE_FIXTURE(Fixture, "a name that nobody has") {
    ike.connections[0].peers = {{.host = "nobody.invalid", .port = 0, .address = {}, .where = kRemote}};
    const Diagnostics faults = look_up_peers(ike, {}, warnings);
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].where == kRemote);
    CHECK(faults[0].reason == "host-not-found");
    CHECK(faults[0].sentence.starts_with("remote: nobody.invalid can't be looked up: "));
}

TEST_CASE_FIXTURE(Fixture, "a name that nobody has any more means what it meant before") {
    IkeConnection& connection = ike.connections[0];
    connection.peers = {{.host = "nobody.invalid", .port = 0, .address = {}, .where = kRemote}};
    const IpAddress before = *IpAddress::parse("192.0.2.7");
    CHECK(look_up_peers(ike, {{"nobody.invalid", before}}, warnings).empty());
    CHECK(connection.rules->remote == before);
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].reason == "host-not-found");
    CHECK(known_peers(ike) == KnownPeers{{"nobody.invalid", before}});
    connection.rules->gateways.all.clear();
    connection.rules->local = IpAddress::parse("2001:db8::1");  // and has no use for the other family
    CHECK(look_up_peers(ike, {{"nobody.invalid", before}}, warnings).size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "of several gateways, those that are found") {
    IkeConnection& connection = ike.connections[0];
    ike.settings.port = 501;
    connection.rules->local = IpAddress::parse("192.0.2.1");
    const auto address = [](const char* text) { return IpAddress::parse(text); };
    connection.peers = {{.host = "nobody.invalid", .port = 0, .address = {}, .where = kRemote},
                        {.host = "127.0.0.1", .port = 4500, .address = address("127.0.0.1"), .where = kRemote},
                        {.host = "localhost", .port = 0, .address = {}, .where = kRemote},
                        {.host = "127.0.0.1", .port = 501, .address = address("127.0.0.1"), .where = kRemote}};
    CHECK(look_up_peers(ike, {}, warnings).empty());
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].reason == "host-not-found");
    const std::vector<UdpEndpoint> found{{*address("127.0.0.1"), 4500}, {*address("127.0.0.1"), 501}};
    CHECK(connection.rules->gateways.all == found);
    CHECK(connection.rules->remote == address("127.0.0.1"));
}

TEST_SUITE_END();
