#include "daemon/control/state_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "daemon/shared/system_random.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

struct Fixture {
    Fixture() { random.fill(key.writable(32)); }

    [[nodiscard]] StateFile create() { return StateFile::create(key, random).value(); }
    /// The next process.
    [[nodiscard]] StateFile reopen(const StateFile& before) {
        return StateFile::open(UniqueFd(fcntl(before.file(), F_DUPFD_CLOEXEC, 0)), key, random).value();
    }

    SystemRandom random;
    StateFile::Key key;
};

SecretBuffer buffer(const std::string& text) {
    return {text.begin(), text.end()};
}

Result<void> write(StateFile& file, StateFile::Name name, const std::string& text) {
    std::array<StateFile::Change, 1> change;
    change[0].name = name;
    change[0].contents = buffer(text);
    return file.write(change);
}

std::string text(StateFile& file, StateFile::Name name) {
    const auto read = file.read(name);
    return read ? std::string(read->begin(), read->end()) : std::string(read.error().reason);
}

std::size_t size_of(const StateFile& file) {
    struct stat status{};
    REQUIRE(fstat(file.file(), &status) == 0);
    return static_cast<std::size_t>(status.st_size);
}

/// The bytes of the file, as somebody who holds a duplicate sees them.
struct FileBytes {
    explicit FileBytes(const StateFile& file) : size(size_of(file)) {
        at = static_cast<std::uint8_t*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.file(), 0));
        REQUIRE(at != MAP_FAILED);
    }
    ~FileBytes() { munmap(at, size); }
    FileBytes(const FileBytes&) = delete;
    FileBytes& operator=(const FileBytes&) = delete;
    std::size_t size;
    std::uint8_t* at;
};

/// Two records that always say the same, in every size, until somebody kills it.
[[noreturn]] void write_for_ever(StateFile& file) {
    for (std::size_t round = 1;; ++round) {
        const std::string both = std::to_string(round) + " " + std::string(round * 37 % 5'000, 'x');
        std::array<StateFile::Change, 3> changes;
        for (StateFile::Name name = 1; name <= 2; ++name) {
            changes.at(name - 1).name = name;
            changes.at(name - 1).contents = buffer(both);
        }
        changes[2].name = 3;
        if (round % 2 == 0) {
            changes[2].contents = buffer(both);
        }
        if (!file.write(changes)) {
            _exit(1);
        }
    }
}

}  // namespace

TEST_SUITE_BEGIN("state file");

TEST_CASE("what one process wrote, the next one reads; what was replaced or erased is gone") {
    Fixture fixture;
    StateFile file = fixture.create();
    REQUIRE(write(file, 1, "one"));
    REQUIRE(write(file, 2, "two"));
    REQUIRE(write(file, 3, std::string(300'000, '3')));
    REQUIRE(write(file, 1, "one again, and longer than before" + std::string(4'000, '.')));
    REQUIRE(write(file, 2, ""));
    StateFile next = fixture.reopen(file);
    CHECK(next.names() == std::vector<StateFile::Name>{1, 3});
    CHECK(text(next, 1).starts_with("one again"));
    CHECK(text(next, 3) == std::string(300'000, '3'));
    REQUIRE(write(next, 3, "three"));
    StateFile third = fixture.reopen(next);
    CHECK(text(third, 1).starts_with("one again"));
    CHECK(text(third, 3) == "three");
    third.forget(1);
    CHECK(fixture.reopen(third).names() == std::vector<StateFile::Name>{3});
}

TEST_CASE("nothing of a secret stands in the file") {
    Fixture fixture;
    StateFile file = fixture.create();
    const std::string key = "a key that must not be seen";
    REQUIRE(write(file, 1, key));
    const FileBytes bytes(file);
    CHECK(memmem(bytes.at, bytes.size, key.data(), key.size()) == nullptr);
}

TEST_CASE("room is used again, whatever the sizes") {
    Fixture fixture;
    StateFile file = fixture.create();
    for (std::size_t round = 0; round < 20'000; ++round) {
        REQUIRE(write(file, round % 50, std::string(1 + round * 131 % 3'000, 'r')));
    }
    CHECK(size_of(file) < 2U << 20U);
    CHECK(size_of(fixture.reopen(file)) == size_of(file));
}

TEST_CASE("a change that does not fit takes what was there before away") {
    Fixture fixture;
    StateFile file = fixture.create();
    REQUIRE(write(file, 1, "small"));
    const auto refused = write(file, 1, std::string(RecordHeap::kLargestContents + 1, 'l'));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "state-file-full");
    CHECK(fixture.reopen(file).names().empty());
}

TEST_CASE("a process that is killed at any moment leaves whole batches") {
    Fixture fixture;
    for (useconds_t round = 0; round < 40; ++round) {
        StateFile file = fixture.create();
        const pid_t writer = fork();
        if (writer == 0) {
            write_for_ever(file);
        }
        usleep(500 + round * 97);
        kill(writer, SIGKILL);
        waitpid(writer, nullptr, 0);
        StateFile next = fixture.reopen(file);
        const auto names = next.names();
        if (names.empty()) {
            continue;  // not even one batch
        }
        const std::string both = text(next, 1);
        CHECK(both != "state-damaged");
        CHECK(text(next, 2) == both);
        const bool even = std::stoul(both) % 2 == 0;
        CHECK(names.size() == (even ? 3 : 2));
        CHECK((!even || text(next, 3) == both));
    }
}

TEST_CASE("whatever is damaged is not believed, and the rest is") {
    Fixture fixture;
    for (const std::size_t step : {1U, 7U, 64U}) {
        StateFile file = fixture.create();
        for (StateFile::Name name = 1; name <= 20; ++name) {
            REQUIRE(write(file, name, "record " + std::to_string(name) + std::string(100, '.')));
        }
        const FileBytes bytes(file);
        for (std::size_t at = step; at < bytes.size; at += 509 * step) {
            bytes.at[at] ^= 0x10U;
            auto next =
                StateFile::open(UniqueFd(fcntl(file.file(), F_DUPFD_CLOEXEC, 0)), fixture.key, fixture.random);
            if (next) {
                for (const StateFile::Name name : next->names()) {
                    const std::string said = text(*next, name);
                    const bool sound = said.starts_with("record " + std::to_string(name) + ".");
                    CHECK((sound || said == "state-damaged" || said == "state-set-aside"));
                }
            } else {
                CHECK(next.error().reason == "state-file-failed");
                bytes.at[at] ^= 0x10U;
            }
        }
    }
}

TEST_CASE("another key opens nothing") {
    Fixture fixture;
    StateFile file = fixture.create();
    REQUIRE(write(file, 1, "one"));
    fixture.random.fill(fixture.key.writable(32));
    StateFile next = fixture.reopen(file);
    CHECK(text(next, 1) == "state-damaged");
}

TEST_CASE("what three processes died of is set aside; what they lived through is not") {
    Fixture fixture;
    StateFile file = fixture.create();
    REQUIRE(write(file, 1, "deadly"));
    REQUIRE(write(file, 2, "harmless"));
    const auto die_of_it = [&] {
        StateFile next = fixture.reopen(file);
        next.begin_adoption(2);
        next.end_adoption();
        next.forgive(2);
        next.begin_adoption(1);  // it survives the first step
        CHECK(text(next, 1) == "deadly");
        next.end_adoption();
        next.begin_adoption(1);
    };
    die_of_it();
    die_of_it();
    die_of_it();
    StateFile fourth = fixture.reopen(file);
    CHECK(text(fourth, 1) == "state-set-aside");
    CHECK(text(fourth, 2) == "harmless");
    fourth.begin_adoption(77);  // one that is gone
    fourth.forgive(1);
    CHECK(text(fourth, 1) == "deadly");
}

TEST_CASE("a file that is none of ours is refused") {
    Fixture fixture;
    UniqueFd file(memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(ftruncate(file.get(), RecordHeap::kUnit) == 0);
    const auto unsealed = StateFile::open(UniqueFd(dup(file.get())), fixture.key, fixture.random);
    REQUIRE_FALSE(unsealed);
    CHECK(unsealed.error().reason == "state-file-failed");
    REQUIRE(fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == 0);
    CHECK_FALSE(StateFile::open(std::move(file), fixture.key, fixture.random));
}

TEST_SUITE_END();
