#include "daemon/control/eap_files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

const Position kWhere{"k.toml", 13, 7};

struct Fixture {
    Fixture() {
        ike.connections.emplace_back().eap_password = {
            .kind = SecretReference::Kind::file, .path = folder.path() + "/password", .where = kWhere};
    }
    void write(const std::string& name, std::string_view content, mode_t mode = 0600) const {
        const std::string path = folder.path() + "/" + name;
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path, std::ios::binary) << content;
        REQUIRE(chmod(path.c_str(), mode) == 0);
    }
    /// The reason code of the only thing that is wrong.
    std::string fault() {
        const Diagnostics faults = load_passwords(ike, warnings);
        REQUIRE(faults.size() == 1);
        CHECK(faults[0].where == kWhere);
        sentence = faults[0].sentence;
        return std::string(faults[0].reason);
    }
    [[nodiscard]] const eap::Rules& rules() const { return ike.connections[0].rules->eap_rules; }
    void use_directory() {
        ike.connections[0].eap_password.kind = SecretReference::Kind::directory;
        ike.connections[0].eap_password.path = folder.path() + "/users";
    }

    test::RuntimeFolder folder;
    IkeConfiguration ike;
    Diagnostics warnings;
    std::string sentence;
};

}  // namespace

TEST_SUITE_BEGIN("eap files");

TEST_CASE_FIXTURE(Fixture, "our own password") {
    write("password", "sesame\n");
    CHECK(load_passwords(ike, warnings).empty());
    CHECK(as_text(rules().password.expose()) == "sesame");
    CHECK(warnings.empty());
}

TEST_CASE_FIXTURE(Fixture, "a password that came with the call") {
    ike.connections[0].eap_password.kind = SecretReference::Kind::option;
    ike.connections[0].given_eap_password = std::make_shared<const eap::Password>(as_bytes("sesame"));
    CHECK(load_passwords(ike, warnings).empty());
    CHECK(as_text(rules().password.expose()) == "sesame");
    ike.connections[0].given_eap_password = std::make_shared<const eap::Password>(as_bytes("\xFF"));
    CHECK(fault() == "password-encoding");
}

TEST_CASE_FIXTURE(Fixture, "those of users, by the names of their files") {
    use_directory();
    write("users/alice", "one\n");
    write("users/joe@example.test", "two\n");
    write("users/HQ\\bob", "three");
    write("users/.alice.swp", "four\n");
    CHECK(load_passwords(ike, warnings).empty());
    REQUIRE(rules().users.size() == 3);
    CHECK(as_text(rules().users.at("alice").expose()) == "one");
    CHECK(as_text(rules().users.at("joe@example.test").expose()) == "two");
    CHECK(as_text(rules().users.at("HQ\\bob").expose()) == "three");
}

TEST_CASE_FIXTURE(Fixture, "what is wrong with one of them is said without it") {
    CHECK(fault() == "password-unreadable");
    write("password", "");
    CHECK(fault() == "password-size");
    write("password", std::string(257, 'x'));
    CHECK(fault() == "password-size");
    CHECK(sentence.ends_with("holds more: expected a password of 1 to 256 bytes"));
    write("password", "s\xE9same");
    CHECK(fault() == "password-encoding");
    CHECK(sentence.starts_with("eap_password: " + folder.path() + "/password: "));
    CHECK_FALSE(sentence.contains("same"));
    use_directory();
    CHECK(fault() == "password-unreadable");
    write("users/alice", "");
    CHECK(fault() == "password-size");
    CHECK(sentence.contains("/users/alice"));
}

TEST_CASE_FIXTURE(Fixture, "one that everybody can read is a warning") {
    write("password", "sesame", 0644);
    CHECK(load_passwords(ike, warnings).empty());
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].reason == "password-open-to-all");
    CHECK(warnings[0].where == kWhere);
}

TEST_CASE_FIXTURE(Fixture, "without OpenSSL's module legacy, nothing of it is loaded") {
    write("password", "sesame");
    setenv("OPENSSL_MODULES", "/nowhere", 1);
    CHECK(fault() == "legacy-provider");
    unsetenv("OPENSSL_MODULES");
}
