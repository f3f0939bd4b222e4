#include "daemon/keeper/descriptor_shelf.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "daemon/shared/descriptor_store.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

struct Fixture {
    Loop loop;
    RuntimeFolder folder;
    std::string path = folder / "store.sock";
    std::unique_ptr<DescriptorShelf> shelf = DescriptorShelf::create(loop, path).value();
    DescriptorStore store{path, {}};
};

UniqueFd file_with(const std::string& text) {
    UniqueFd file(memfd_create("test", MFD_CLOEXEC));
    REQUIRE(::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    return file;
}

std::string text_in(int descriptor) {
    std::string text(100, '\0');
    const ssize_t size = pread(descriptor, text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
}

}  // namespace

TEST_SUITE_BEGIN("descriptor shelf");

TEST_CASE_FIXTURE(Fixture, "what one child leaves, the next one finds") {
    REQUIRE(store.keep("a", file_with("first").get()));
    REQUIRE(store.keep("b", file_with("second").get()));
    REQUIRE(store.keep("c", file_with("third").get()));
    store.forget("b");
    REQUIRE(store.keep("c", file_with("third again").get()));
    shelf->read_all();
    REQUIRE(shelf->kept().size() == 2);
    const pid_t child = fork();
    if (child == 0) {
        shelf->hand_over();
        DescriptorStore next = DescriptorStore::from_environment();
        const auto a = next.take("a");
        const auto c = next.take("c");
        const bool well = next.available() && a && text_in(a->get()) == "first" && c &&
                          text_in(c->get()) == "third again" && !next.take("a") && !next.take("b") &&
                          fcntl(c->get(), F_GETFD) == FD_CLOEXEC;
        _exit(well ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

TEST_CASE_FIXTURE(Fixture, "only so many") {
    for (std::size_t each = 0; each < DescriptorShelf::kMost + 5; ++each) {
        REQUIRE(store.keep("number " + std::to_string(each), file_with("x").get()));
        shelf->read_all();
    }
    CHECK(shelf->kept().size() == DescriptorShelf::kMost);
}

TEST_CASE_FIXTURE(Fixture, "a name that would break the list of names is not kept") {
    REQUIRE(store.keep("a:b", file_with("x").get()));
    REQUIRE(store.keep("", file_with("x").get()));
    shelf->read_all();
    CHECK(shelf->kept().empty());
}

TEST_CASE("nobody keeps anything") {
    DescriptorStore none;
    CHECK_FALSE(none.available());
    const auto refused = none.keep("a", 0);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "descriptor-not-kept");
    const RuntimeFolder folder;
    DescriptorStore gone(folder / "nobody.sock", {});
    CHECK_FALSE(gone.keep("a", 0));
}

TEST_SUITE_END();
