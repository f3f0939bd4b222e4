#include "daemon/control/named_keys.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

const std::string kContent = "keysluice-key 1 aes-128\n000102030405060708090a0b0c0d0e0f\n";
constexpr uid_t kSomebody = 64000;

struct Fixture {
    Fixture() { REQUIRE(chmod(folder.path().c_str(), 0700) == 0); }

    static void write(const std::string& path, std::string_view content = kContent, mode_t mode = 0600) {
        std::ofstream(path, std::ios::binary) << content;
        REQUIRE(chmod(path.c_str(), mode) == 0);
    }
    [[nodiscard]] std::string reason_of(const std::string& name) const {
        const auto key = keys.read(name);
        return key ? "none" : std::string(key.error().reason);
    }
    [[nodiscard]] std::string sentence_of(const std::string& name) const {
        const auto key = keys.read(name);
        REQUIRE(!key);
        return key.error().sentence;
    }
    /// Its first octet.
    [[nodiscard]] int value_of(const std::string& name) const {
        const auto key = keys.read(name);
        return key ? key->value.expose()[0] : -1;
    }
    [[nodiscard]] static NamedKey key(const std::string& name, std::uint8_t octet) {
        NamedKey made{.name = name, .kind = KeyKind::aes_128, .value = {}};
        std::ranges::fill(made.value.writable(16), octet);
        return made;
    }
    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator()));
    }

    test::RuntimeFolder folder;
    test::RuntimeFolder credentials;
    NamedKeys keys{folder.path(), credentials.path()};
};

struct stat status_of(const std::string& path) {
    struct stat status{};
    REQUIRE(lstat(path.c_str(), &status) == 0);
    return status;
}

}  // namespace

TEST_SUITE_BEGIN("named keys");

TEST_CASE_FIXTURE(Fixture, "a key is read from its file, or from a credential, and not where it is both") {
    write(folder / "A.key");
    write(credentials / "B.key", kContent, 0440);
    CHECK(value_of("A") == 0);
    CHECK(value_of("B") == 0);
    CHECK(keys.read("A")->name == "A");
    write(credentials / "A.key");
    CHECK(reason_of("A") == "key-ambiguous");
}

TEST_CASE_FIXTURE(Fixture, "what is not there is not found, and a name leads nowhere else") {
    CHECK(sentence_of("C") == "there is no key C in " + folder.path());
    CHECK(reason_of("C") == "key-not-found");
    CHECK(reason_of("../C") == "bad-name");
    CHECK(NamedKeys(folder / "none", "").read("C").error().reason == "key-not-found");
    CHECK(NamedKeys(folder / "none", "").list()->empty());
}

TEST_CASE_FIXTURE(Fixture, "a file that others may read or write is refused, with what to type") {
    for (const mode_t mode : {0644U, 0640U, 0604U, 0620U, 0602U, 0610U}) {
        CAPTURE(mode);
        write(folder / "A.key", kContent, mode);
        CHECK(reason_of("A") == "key-open-to-others");
    }
    CHECK(sentence_of("A") ==
          "key A: " + (folder / "A.key") +
              " has the mode 0610: others than its owner may read or write it, so it is not taken; "
              "chmod 600 it, and think about who may have read it");
    write(folder / "A.key", kContent, 0400);
    CHECK(value_of("A") == 0);
    write(credentials / "B.key", kContent, 0444);
    CHECK(reason_of("B") == "key-open-to-others");
}

TEST_CASE_FIXTURE(Fixture, "so is every file of a folder that others may write to") {
    write(folder / "A.key");
    for (const mode_t mode : {0720U, 0702U}) {
        REQUIRE(chmod(folder.path().c_str(), mode) == 0);
        CHECK(reason_of("A") == "key-open-to-others");
        CHECK(keys.keep(key("B", 1), false).error().reason == "key-open-to-others");
        CHECK(keys.remove("A").error().reason == "key-open-to-others");
    }
    REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
    CHECK(value_of("A") == 0);
}

TEST_CASE_FIXTURE(Fixture, "and one that somebody else has put there") {
    if (geteuid() != 0) {
        return;
    }
    write(folder / "A.key");
    REQUIRE(chown((folder / "A.key").c_str(), kSomebody, kSomebody) == 0);
    CHECK(reason_of("A") == "key-open-to-others");
    REQUIRE(chown(folder.path().c_str(), kSomebody, kSomebody) == 0);
    CHECK(value_of("A") == 0);
}

TEST_CASE_FIXTURE(Fixture, "what is no plain file of a sensible size is refused, and nobody waits for it") {
    write(folder / "target");
    REQUIRE(symlink("target", (folder / "link.key").c_str()) == 0);
    CHECK(reason_of("link") == "key-unreadable");
    REQUIRE(mkdir((folder / "folder.key").c_str(), 0700) == 0);
    CHECK(reason_of("folder") == "key-unreadable");
    REQUIRE(mkfifo((folder / "pipe.key").c_str(), 0600) == 0);
    CHECK(reason_of("pipe") == "key-malformed");
    write(folder / "large.key", std::string(5000, 'x'));
    CHECK(sentence_of("large") == "key large: " + (folder / "large.key") + " has more than 4096 octets");
    write(folder / "other.key", "no key");
    CHECK(reason_of("other") == "key-malformed");
}

TEST_CASE_FIXTURE(Fixture, "the list has names, kinds, places and what is wrong, in order") {
    write(folder / "B.key");
    write(folder / "A.key", kContent, 0644);
    write(folder / "a b.key");
    write(folder / ".B.key.new");
    write(folder / "README");
    write(credentials / "C.key");
    write(credentials / "shop.key", "-----BEGIN PRIVATE KEY-----\n");
    const auto all = keys.list();
    REQUIRE(all);
    REQUIRE(all->size() == 4);
    CHECK((*all)[0].name == "A");
    CHECK((*all)[0].wrong.reason == "key-open-to-others");
    CHECK((*all)[1].name == "B");
    CHECK((*all)[1].wrong.reason == "");
    CHECK((*all)[1].kind == KeyKind::aes_128);
    CHECK((*all)[1].fingerprint == fingerprint(*keys.read("B")));
    CHECK((*all)[1].place == NamedKeys::Place::file);
    CHECK((*all)[2].name == "C");
    CHECK((*all)[2].place == NamedKeys::Place::credential);
    CHECK((*all)[3].wrong.reason == "bad-name");
}

TEST_CASE_FIXTURE(Fixture, "a key is kept for its owner alone, and only where there was none") {
    const mode_t before = umask(0);
    CHECK(keys.keep(key("A", 1), false));
    umask(before);
    CHECK(value_of("A") == 1);
    CHECK((status_of(folder / "A.key").st_mode & 07777U) == 0600);
    const auto again = keys.keep(key("A", 2), false);
    REQUIRE(!again);
    CHECK(again.error().reason == "key-exists");
    CHECK(value_of("A") == 1);
    CHECK(files() == 1);
    write(credentials / "B.key");
    CHECK(keys.keep(key("B", 2), true).error().reason == "key-exists");
}

TEST_CASE_FIXTURE(Fixture, "the folder is made where there is none, and what root writes is its owner's") {
    const NamedKeys fresh(folder / "keys.d", "");
    CHECK(fresh.keep(key("A", 1), false));
    CHECK((status_of(folder / "keys.d").st_mode & 07777U) == 0700);
    CHECK(NamedKeys(folder / "no/keys.d", "").keep(key("A", 1), false).error().reason == "file-unwritable");
    if (geteuid() == 0) {
        REQUIRE(chown(folder.path().c_str(), kSomebody, kSomebody) == 0);
        CHECK(keys.keep(key("B", 1), false));
        CHECK(status_of(folder / "B.key").st_uid == kSomebody);
        CHECK(status_of(folder / "B.key").st_gid == kSomebody);
    }
}

TEST_CASE_FIXTURE(Fixture, "a key that is replaced stays as NAME.old") {
    CHECK(keys.keep(key("A", 1), true));
    CHECK(keys.keep(key("A", 2), true));
    CHECK(value_of("A") == 2);
    CHECK(value_of("A.old") == 1);
    CHECK(keys.keep(key("A", 3), true));
    CHECK(value_of("A") == 3);
    CHECK(value_of("A.old") == 2);
    CHECK(files() == 2);
    CHECK(keys.keep(key("B.old", 3), false).error().reason == "bad-name");
    CHECK(keys.keep(key(std::string(61, 'a'), 3), false).error().reason == "bad-name");
    CHECK(keys.keep(key(std::string(60, 'a'), 3), true));
    CHECK(keys.keep(key(std::string(60, 'a'), 4), true));
    CHECK(value_of(std::string(60, 'a') + ".old") == 3);
}

TEST_CASE_FIXTURE(Fixture, "what a crash has left is in nobody's way, and goes with the key") {
    write(folder / ".A.key.new", "half");
    CHECK(keys.keep(key("A", 1), false));
    CHECK(files() == 1);
    write(folder / ".A.key.new", "half");
    CHECK(keys.remove("A"));
    CHECK(files() == 0);
    CHECK(keys.remove("A").error().reason == "key-not-found");
    CHECK(keys.remove("../A").error().reason == "bad-name");
    CHECK(NamedKeys(folder / "none", "").remove("A").error().reason == "key-not-found");
}

TEST_CASE_FIXTURE(Fixture, "a name that is taken for the time of writing does not lead elsewhere") {
    write(folder / "precious", "precious");
    REQUIRE(symlink("precious", (folder / ".A.key.new").c_str()) == 0);
    CHECK(keys.keep(key("A", 1), false));
    CHECK(S_ISREG(status_of(folder / "A.key").st_mode));
    CHECK(std::filesystem::file_size(folder / "precious") == 8);
    REQUIRE(mkdir((folder / ".B.key.new").c_str(), 0700) == 0);
    CHECK(keys.keep(key("B", 1), false).error().reason == "file-unwritable");
    CHECK(reason_of("B") == "key-not-found");
}

TEST_SUITE_END();
