#include "dbus/networkmanager/private_files.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "base/json_text.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::networkmanager;
using test::RuntimeFolder;

namespace {

constexpr std::string_view kPem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
constexpr std::string_view kKey = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n";

/// Files of a user who is not this one.
struct Fixture {
    Fixture() { REQUIRE(::chmod(folder.path().c_str(), 0755) == 0); }

    [[nodiscard]] std::string write(const std::string& name, std::string_view content, bool theirs = true) const {
        const std::string path = folder / name;
        std::ofstream(path) << content;
        REQUIRE(::chmod(path.c_str(), 0600) == 0);
        REQUIRE((!theirs || ::chown(path.c_str(), 1, 1) == 0));  // "daemon", on every Debian
        return path;
    }
    [[nodiscard]] static Request request(std::map<std::string, std::string> data) {
        Request made;
        made.id = "office";
        made.users = {"daemon"};
        made.data = std::move(data);
        return made;
    }
    [[nodiscard]] static Error error_of(Request wrong) {
        const auto read = read_private_files(wrong);
        REQUIRE_FALSE(read);
        return read.error();
    }
    static bool may_not() {
        if (::geteuid() == 0) {
            return false;
        }
        MESSAGE("skipped: only root can become another user");
        return true;
    }

    RuntimeFolder folder;
};

}  // namespace

TEST_SUITE_BEGIN("networkmanager: private files");

TEST_CASE_FIXTURE(Fixture, "what stands in files comes in the place of their names") {
    if (may_not()) {
        return;
    }
    Request theirs = request({{"gateway", "/not/a/file"},
                              {"ca", write("ca.pem", std::string("Subject: ä\n") + std::string(kPem))},
                              {"crl", write("1.crl", kPem) + ", " + write("2.crl", kPem)},
                              {"private-key", write("key.pem", kKey)}});
    const auto read = read_private_files(theirs);
    REQUIRE_MESSAGE(read, read.error().sentence);
    CHECK(theirs.data["gateway"] == "/not/a/file");
    CHECK(theirs.data["ca"] == kPem);
    CHECK(theirs.data["crl"] == std::string(kPem) + std::string(kPem));
    CHECK(theirs.data["private-key"] == "option:private_key");
    std::array<char, 1024> key{};
    const ssize_t size = ::pread(theirs.secrets.private_key.get(), key.data(), key.size(), 0);
    CHECK(std::string_view(key.data(), static_cast<std::size_t>(size)) == kKey);
    CHECK((fcntl(theirs.secrets.private_key.get(), F_GET_SEALS) & F_SEAL_WRITE) != 0);
    theirs.data["certificate"] = kPem;
    theirs.data["method"] = "certificate";
    const auto profile = read_profile(theirs);
    REQUIRE(profile);
    std::string quoted;
    append_json_text(quoted, kPem);
    CHECK(profile->toml.find("private_key = \"option:private_key\"\n") != std::string::npos);
    CHECK(profile->toml.find("ca = " + quoted + "\n") != std::string::npos);
    CHECK(profile->toml.find("crl = [" + quoted.substr(0, quoted.size() - 1)) != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "what the user can't read stays closed, whoever else could") {
    if (may_not()) {
        return;
    }
    const auto refused = [](const std::string& key, const std::string& path) {
        const Error error = error_of(request({{key, path}}));
        CHECK(error.reason == "vpn-file-unreadable");
        CHECK(error.sentence.starts_with("vpn.data: " + key + ": "));
        return error.sentence;
    };
    const std::string ours = write("ours.pem", kPem, false);
    for (const char* key : {"certificate", "private-key", "ca", "crl"}) {
        CAPTURE(key);
        CHECK(refused(key, ours).find("Permission denied") != std::string::npos);
        CHECK(refused(key, folder / "nothing").find("No such file") != std::string::npos);
    }
    REQUIRE(::symlink(ours.c_str(), (folder / "link").c_str()) == 0);
    CHECK(refused("ca", folder / "link").find("Permission denied") != std::string::npos);
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0666) == 0);
    REQUIRE(::chmod((folder / "fifo").c_str(), 0666) == 0);
    CHECK(refused("ca", folder / "fifo").find("not a regular file") != std::string::npos);
    CHECK(refused("ca", "relative.pem").find("absolute path") != std::string::npos);
    CHECK(refused("ca", write("large.pem", std::string(32'769, 'x'))).find("larger than 32 KiB") !=
          std::string::npos);
    CHECK(refused("ca", write("no.pem", "swordfish")).find("expected PEM") != std::string::npos);
    CHECK(refused("certificate", write("combined.pem", kKey)).find("expected PEM") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a connection for all names files, and so does one without files for anybody") {
    Request all = request({{"ca", "/etc/ca.pem"}});
    all.users.clear();
    CHECK(read_private_files(all));
    CHECK(all.data["ca"] == "/etc/ca.pem");
    Request none = request({{"gateway", "192.0.2.1"}});
    none.users = {"alice", "bob"};
    CHECK(read_private_files(none));
}

TEST_CASE_FIXTURE(Fixture, "several users, or one whom nobody knows, have no files") {
    Request several = request({{"ca", "/etc/ca.pem"}});
    several.users = {"daemon", "root"};
    CHECK(error_of(std::move(several)).reason == "vpn-files-private");
    Request unknown = request({{"ca", "/etc/ca.pem"}});
    unknown.users = {":group:wheel"};
    CHECK(error_of(std::move(unknown)).reason == "vpn-files-private");
}

TEST_CASE("of a text, what is PEM") {
    CHECK(pem_blocks("").empty());
    CHECK(pem_blocks("-----BEGIN X-----\nAAAA\n").empty());
    CHECK(pem_blocks("-----BEGIN X-----\nAAAA\n-----END X").empty());
    CHECK(pem_blocks("a\n-----BEGIN X-----\nAAAA\n-----END X-----") == "-----BEGIN X-----\nAAAA\n-----END X-----\n");
    CHECK(pem_blocks("-----BEGIN X-----\n\x80\n-----END X-----").empty());
    CHECK(pem_blocks(std::string(kKey) + std::string(kPem)) == kPem);
}

TEST_SUITE_END();
