#include "daemon/keeper/listeners.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "daemon/keeper/descriptor_shelf.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

namespace {

struct Fixture {
    /// What the shelf keeps, as the next process gets it.
    Listeners next_keepers() {
        shelf->read_all();
        std::map<std::string, UniqueFd> inherited;
        for (const auto& [name, descriptor] : shelf->kept()) {
            inherited.emplace(name, UniqueFd(fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0)));
        }
        return Listeners(DescriptorStore(path, std::move(inherited)));
    }

    Loop loop;
    RuntimeFolder folder;
    std::string path = folder / "store.sock";
    std::unique_ptr<DescriptorShelf> shelf = DescriptorShelf::create(loop, path).value();
    Listeners listeners{DescriptorStore(path, {})};
    Token first;
    Token second;
};

}  // namespace

TEST_SUITE_BEGIN("listeners");

TEST_CASE_FIXTURE(Fixture, "the next keeper finds listening sockets, whatever they are called") {
    const std::string address = "[2001:db8::1]:443 0";
    const std::string file = "unix:/run/\xc3\xa4\n:= socket";
    listeners.hold(address, std::move(first.theirs));
    listeners.hold(file, std::move(second.theirs));
    const Listeners next = next_keepers();
    REQUIRE(next.all().size() == 2);
    CHECK(first.is_other_end(next.all().at(address).get()));
    CHECK(second.is_other_end(next.all().at(file).get()));
}

TEST_CASE_FIXTURE(Fixture, "what keysluiced tells a keeper again is not kept twice") {
    listeners.hold("a", std::move(first.theirs));
    Listeners next = next_keepers();
    next.hold("a", std::move(second.theirs));
    CHECK(second.is_other_end(next.all().at("a").get()));
    CHECK(first.is_other_end(next_keepers().all().at("a").get()));
}

TEST_CASE_FIXTURE(Fixture, "what is forgotten is kept by nobody") {
    listeners.hold("a", std::move(first.theirs));
    listeners.forget("a");
    CHECK(listeners.all().empty());
    CHECK(next_keepers().all().empty());
    CHECK(first.let_go());
}

TEST_CASE_FIXTURE(Fixture, "what has no name of ours is let go") {
    std::map<std::string, UniqueFd> inherited;
    inherited.emplace("stored", std::move(first.theirs));
    inherited.emplace("616", std::move(second.theirs));
    CHECK(Listeners(DescriptorStore(path, std::move(inherited))).all().empty());
    CHECK(first.let_go());
    CHECK(second.let_go());
}

TEST_CASE("where nobody keeps descriptors, a keeper holds listening sockets all the same") {
    Token socket;
    Listeners listeners;
    listeners.hold("a", std::move(socket.theirs));
    CHECK(socket.is_other_end(listeners.all().at("a").get()));
    listeners.forget("a");
    CHECK(socket.let_go());
}

TEST_SUITE_END();
