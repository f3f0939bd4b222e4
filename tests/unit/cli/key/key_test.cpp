#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "cli/key/verbs.hpp"
#include "tests/support/fake_service.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::cli;

namespace {

const std::string kDigits = "000102030405060708090a0b0c0d0e0f10111213";

/// Standard input for as long as this exists.
class Input {
   public:
    explicit Input(const std::string& text) : before_(::dup(STDIN_FILENO)) {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        ::close(ends[1]);
        ::dup2(ends[0], STDIN_FILENO);
        ::close(ends[0]);
    }
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
    ~Input() { ::dup2(before_.get(), STDIN_FILENO); }

   private:
    UniqueFd before_;
};

struct Fixture {
    Fixture() {
        write("passphrase", "open sesame\n");
        write("other", "open barley\n");
    }
    ~Fixture() { ::prctl(PR_SET_DUMPABLE, 1); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    Result<Outcome> key(std::vector<std::string> words, const std::string& input = {}) {
        const Input standard_input(input);
        words.insert(words.begin(), {"key", "--folder", folder / "keys.d"});
        return perform(service, words);
    }
    std::string text(const std::vector<std::string>& words, const std::string& input = {}) {
        const auto outcome = key(words, input);
        if (!outcome) {
            FAIL(outcome.error().sentence);
        }
        return outcome->text;
    }
    std::string reason(const std::vector<std::string>& words, const std::string& input = {}) {
        const auto outcome = key(words, input);
        return outcome ? "none" : std::string(outcome.error().reason);
    }
    std::string usage(const std::vector<std::string>& words) {
        const auto outcome = key(words);
        REQUIRE(!outcome);
        CHECK(outcome.error().reason == "bad-argument");
        return outcome.error().sentence;
    }
    void write(const std::string& name, const std::string& content, mode_t mode = 0600) const {
        std::ofstream(folder / name, std::ios::binary) << content;
        REQUIRE(chmod((folder / name).c_str(), mode) == 0);
    }
    [[nodiscard]] std::string content(const std::string& name) const {
        std::ifstream file(folder / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void define_key() { text({"define", "A", "--kind", "hmac-sha1"}, kDigits + "\n"); }

    FakeService service;
    test::RuntimeFolder folder;
};

}  // namespace

TEST_SUITE_BEGIN("cli: key");

TEST_CASE("the table of commands has the verbs that there are, and no option without one that takes it") {
    const Command* const command = find_command("key");
    std::string words;
    for (const key::Verb& verb : key::verbs()) {
        words += (words.empty() ? "" : " ") + std::string(verb.name);
    }
    CHECK(words == command->arguments[0].words);
    for (const Option& option : command->options) {
        CAPTURE(std::string(option.name));
        CHECK((option.name == "folder" || std::ranges::any_of(key::verbs(), [&](const key::Verb& verb) {
                   return std::ranges::find(verb.options, option.name) != verb.options.end();
               })));
    }
}

TEST_CASE_FIXTURE(Fixture, "the process leaves no dump from then on") {
    CHECK(::prctl(PR_GET_DUMPABLE) == 1);
    text({"list"});
    CHECK(::prctl(PR_GET_DUMPABLE) == 0);
}

TEST_CASE_FIXTURE(Fixture, "generate makes another key each time, of the kind's length") {
    CHECK(text({"generate", "A", "--kind", "aes-gcm-256"}).starts_with("A: aes-gcm-256, fingerprint "));
    CHECK(text({"generate", "B", "--kind", "aes-gcm-256"}).starts_with("B: aes-gcm-256, fingerprint "));
    CHECK(content("keys.d/A.key").size() == content("keys.d/B.key").size());
    CHECK(content("keys.d/A.key") != content("keys.d/B.key"));
    CHECK(reason({"generate", "A", "--kind", "aes-gcm-256"}) == "key-exists");
    CHECK(service.told.empty());
}

TEST_CASE_FIXTURE(Fixture, "define takes hexadecimal or text from standard input, and shows it nowhere") {
    CHECK(text({"define", "A", "--kind", "hmac-sha1", "--json"}, kDigits + "\n") ==
          "{\"version\":1,\"key\":{\"name\":\"A\",\"kind\":\"hmac-sha1\",\"fingerprint\":\"2b5634bb\","
          "\"place\":\"file\"}}\n");
    CHECK(content("keys.d/A.key") == "keysluice-key 1 hmac-sha1\n" + kDigits + "\n");
    text({"define", "B", "--kind", "aes-128", "--text"}, "sixteen letters!");
    CHECK(content("keys.d/B.key") == "keysluice-key 1 aes-128\n7369787465656e206c65747465727321\n");
    CHECK(reason({"define", "C", "--kind", "aes-128"}, "00") == "key-size");
    CHECK(reason({"define", "C", "--kind", "aes-128"}, "sixteen letters!") == "key-malformed");
    CHECK(reason({"define", "C", "--kind", "aes-128", "--text"}, "sixteen letters!!") == "key-size");
    CHECK(reason({"define", "C", "--kind", "aes-128"}, std::string(5000, '0')) == "key-malformed");
    CHECK(text({"list"}).find(" C ") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a key goes from one host to the other under its passphrase") {
    define_key();
    const std::string out = folder / "out";
    CHECK(text({"export", "A", "--output", out, "--passphrase-file", folder / "passphrase"}) ==
          "A: hmac-sha1, fingerprint 2b5634bb, written to " + out + "\n");
    CHECK(content("out").find(kDigits.substr(0, 8)) == std::string::npos);
    CHECK(content("out").starts_with("keysluice-exported-key 1 A\nscrypt 17 8 1 "));
    struct stat status{};
    REQUIRE(stat(out.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0600);
    // It may lie open on its way.
    REQUIRE(chmod(out.c_str(), 0644) == 0);
    CHECK(reason({"import", out, "--passphrase-file", folder / "passphrase"}) == "key-exists");
    CHECK(reason({"import", out, "--name", "B", "--passphrase-file", folder / "other"}) == "passphrase-wrong");
    text({"import", out, "--name", "B", "--passphrase-file", folder / "passphrase"});
    CHECK(content("keys.d/B.key") == content("keys.d/A.key"));
    text({"delete", "A"});
    text({"import", out, "--passphrase-file", folder / "passphrase"});
    CHECK(content("keys.d/B.key") == content("keys.d/A.key"));
    CHECK(reason({"export", "A", "--output", out, "--passphrase-file", folder / "passphrase"}) == "file-unwritable");
    write("other", "open barley\n", 0640);
    CHECK(reason({"export", "A", "--output", folder / "x", "--passphrase-file", folder / "other"}) ==
          "key-open-to-others");
    CHECK(!std::filesystem::exists(folder / "x"));
}

TEST_CASE_FIXTURE(Fixture, "or without one, which is said, and then nobody else may read the file") {
    define_key();
    const std::string out = folder / "drbackup.key";
    CHECK(text({"export", "A", "--plain", "--output", out}).find("\nwarning: ") != std::string::npos);
    CHECK(content("drbackup.key") == content("keys.d/A.key"));
    CHECK(text({"export", "A", "--plain", "--output", folder / "x", "--json"}).ends_with("\"encrypted\":false}}\n"));
    CHECK(text({"import", out}).starts_with("drbackup: hmac-sha1, "));
    CHECK(content("keys.d/drbackup.key") == content("keys.d/A.key"));
    REQUIRE(chmod(out.c_str(), 0644) == 0);
    CHECK(reason({"import", out, "--name", "B"}) == "key-open-to-others");
    CHECK(reason({"import", folder / "none"}) == "key-unreadable");
    CHECK(reason({"import", folder / "passphrase"}) == "key-malformed");
    CHECK(reason({"import", out, "--name", "../B"}) == "bad-name");
}

TEST_CASE_FIXTURE(Fixture, "replace keeps the key before, and its kind") {
    define_key();
    const std::string before = content("keys.d/A.key");
    CHECK(text({"replace", "A", "--generate", "--json"}).ends_with("\"old\":\"A.old\"}}\n"));
    CHECK(content("keys.d/A.old.key") == before);
    CHECK(content("keys.d/A.key") != before);
    text({"replace", "A"}, kDigits);
    CHECK(content("keys.d/A.key") == before);
    text({"replace", "A", "--text"}, "twenty letters or so");
    CHECK(content("keys.d/A.key") != before);
}

TEST_CASE_FIXTURE(Fixture, "replace takes what import takes, for the name that it is told") {
    define_key();
    text({"generate", "B", "--kind", "hmac-sha1"});
    text({"generate", "C", "--kind", "aes-128"});
    text({"export", "B", "--plain", "--output", folder / "b"});
    text({"export", "C", "--plain", "--output", folder / "c"});
    text({"replace", "A", "--from", folder / "b"});
    CHECK(content("keys.d/A.key") == content("keys.d/B.key"));
    CHECK(reason({"replace", "A", "--from", folder / "c"}) == "key-kind");
    CHECK(reason({"replace", "none", "--generate"}) == "key-not-found");
    CHECK(usage({"replace", "A", "--from", folder / "b", "--generate"}) ==
          "keysluice key replace takes one of --generate, --from and --text");
}

TEST_CASE_FIXTURE(Fixture, "delete takes what replace has left with it") {
    define_key();
    text({"replace", "A", "--generate"});
    CHECK(text({"delete", "A"}) == "deleted A and A.old\n");
    define_key();
    CHECK(text({"delete", "A", "--json"}) == "{\"version\":1,\"deleted\":[\"A\"]}\n");
    CHECK(reason({"delete", "A"}) == "key-not-found");
}

TEST_CASE_FIXTURE(Fixture, "the list says what is wrong, and ends with 1 then") {
    CHECK(text({"list"}) == "no keys in " + (folder / "keys.d") + "\n");
    CHECK(text({"list", "--json"}) == "{\"version\":1,\"keys\":[]}\n");
    define_key();
    text({"define", "LONGER", "--kind", "aes-128", "--text"}, "sixteen letters!");
    CHECK(text({"list"}) ==
          "A       hmac-sha1     2b5634bb  file\n"
          "LONGER  aes-128       7841fef9  file\n");
    write("keys.d/B.key", "x");
    write("keys.d/\x1b[2J.key", "x");
    const auto outcome = key({"list"});
    REQUIRE(outcome);
    CHECK(outcome->status == ExitStatus::failed);
    CHECK(outcome->text.find("B        wrong: key B: expected a line") != std::string::npos);
    CHECK(outcome->text.find('\x1b') == std::string::npos);
    CHECK(
        text({"list", "--json"}).find("{\"name\":\"B\",\"place\":\"file\",\"error\":{\"reason\":\"key-malformed\"") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a verb takes its own argument and options alone") {
    CHECK(
        usage({"lits"}) ==
        "keysluice key wants \"generate\", \"define\", \"import\", \"export\", \"list\", \"delete\" or \"replace\", "
        "got \"lits\"; did you mean \"list\"?");
    CHECK(usage({"list", "A"}) == "keysluice key list takes nothing behind it");
    CHECK(usage({"import"}) == "keysluice key import wants FILE");
    CHECK(usage({"list", "--plain"}) == "keysluice key list takes no --plain");
    CHECK(usage({"generate", "A"}).starts_with("--kind wants \"hmac-sha1\", "));
    CHECK(usage({"generate", "A", "--kind", "hmac-sha255"}).ends_with("did you mean \"hmac-sha-256\"?"));
    CHECK(usage({"export", "A"}) == "keysluice key export wants --output FILE");
    CHECK(usage({"export", "A", "--output", "x", "--plain", "--passphrase-file", "y"}) ==
          "keysluice key export takes --plain or --passphrase-file");
    CHECK(reason({"generate", "../A", "--kind", "aes-128"}) == "bad-name");
}

TEST_SUITE_END();
