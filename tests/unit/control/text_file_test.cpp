#include "daemon/control/text_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/unique_fd.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

class Folder {
   public:
    Folder() {
        std::string name = "/tmp/text.XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    std::filesystem::path operator/(const char* name) const { return path_ / name; }

    /// All names in it, one a line.
    [[nodiscard]] std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
    }

   private:
    std::filesystem::path path_;
};

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct stat of(const std::filesystem::path& path) {
    struct stat found{};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    return found;
}

mode_t rights(const std::filesystem::path& path) {
    return of(path).st_mode & 07777;
}

}  // namespace

TEST_SUITE_BEGIN("text file");

TEST_CASE("a new file is for everybody, in a folder that is made for it, whatever the umask says") {
    const Folder folder;
    const mode_t before = ::umask(0027);
    REQUIRE(write_text_file(folder / "made" / "file", "one\n"));
    ::umask(before);
    CHECK(content(folder / "made" / "file") == "one\n");
    CHECK(rights(folder / "made" / "file") == 0644);
}

TEST_CASE("a name alone is one in the current folder") {
    const Folder folder;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder / "");
    const auto written = write_text_file("file", "one\n");
    std::filesystem::current_path(before);
    REQUIRE_MESSAGE(written, (written ? "" : written.error().sentence));
    CHECK(content(folder / "file") == "one\n");
}

TEST_CASE("a file that is there keeps its rights and its owner") {
    const Folder folder;
    const auto file = folder / "file";
    std::ofstream(file) << "one\n";
    REQUIRE(::chmod(file.c_str(), 0640) == 0);
    const bool root = ::geteuid() == 0;
    if (root) {
        REQUIRE(::chown(file.c_str(), 1234, 4321) == 0);
    }
    const auto before = of(file);
    REQUIRE(write_text_file(file, "two\n"));
    CHECK(content(file) == "two\n");
    CHECK(rights(file) == 0640);
    CHECK(of(file).st_uid == before.st_uid);
    CHECK(of(file).st_gid == before.st_gid);
    CHECK(of(file).st_ino != before.st_ino);  // it was there as a whole at all times
    CHECK(folder.entries() == 1);
}

TEST_CASE("a link stays, and what it leads to is written") {
    const Folder folder;
    REQUIRE(write_text_file(folder / "there" / "file", "one\n"));
    REQUIRE(::chmod((folder / "there" / "file").c_str(), 0600) == 0);
    std::filesystem::create_symlink("there/file", folder / "first");
    std::filesystem::create_symlink("first", folder / "second");
    REQUIRE(write_text_file(folder / "second", "two\n"));
    CHECK(std::filesystem::is_symlink(folder / "first"));
    CHECK(std::filesystem::is_symlink(folder / "second"));
    CHECK(content(folder / "there" / "file") == "two\n");
    CHECK(rights(folder / "there" / "file") == 0600);
}

TEST_CASE("a link that leads nowhere is refused, and stays") {
    const Folder folder;
    std::filesystem::create_symlink("nothing", folder / "link");
    const auto written = write_text_file(folder / "link", "one\n");
    REQUIRE_FALSE(written);
    CHECK(written.error().reason == "file-unwritable");
    CHECK(written.error().sentence == (folder / "link").string() + ": following the link: No such file or directory");
    CHECK(folder.entries() == 1);
}

TEST_CASE("a pipe gets what is written") {
    const Folder folder;
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(writer.get()), folder / "link");
    REQUIRE(write_text_file(folder / "link", "one\n"));
    std::array<char, 8> text{};
    CHECK(::read(reader.get(), text.data(), text.size()) == 4);
    CHECK(std::string(text.data()) == "one\n");
    CHECK(folder.entries() == 1);
}

TEST_CASE("what can't be written stays as it was") {
    const Folder folder;
    REQUIRE(write_text_file(folder / "file", "one\n"));
    const auto below = write_text_file(folder / "file" / "below", "two\n");
    REQUIRE_FALSE(below);
    CHECK(below.error().reason == "file-unwritable");
    CHECK(content(folder / "file") == "one\n");
    std::filesystem::create_directory(folder / "folder");
    CHECK_FALSE(write_text_file(folder / "folder", "two\n"));
}

TEST_SUITE_END();
