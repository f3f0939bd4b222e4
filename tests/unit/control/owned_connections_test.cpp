#include "daemon/control/owned_connections.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace keysluice;
using namespace keysluice::control;

namespace {

/// A memory file that processes find, one after the other.
struct Fixture {
    UniqueFd file{memfd_create("test", MFD_CLOEXEC)};

    [[nodiscard]] OwnedConnections process() const {
        std::map<std::string, UniqueFd> inherited;
        inherited.emplace("owned-connections", duplicate_fd(file.get()));
        DescriptorStore store("", std::move(inherited));
        return OwnedConnections(store);
    }
    [[nodiscard]] std::map<std::string, std::string> texts() const {
        std::map<std::string, std::string> found;
        for (const auto& [name, added] : process().inherited()) {
            found.emplace(name, added.text);
        }
        return found;
    }
};

AddedTexts owned(const std::string& name, const std::string& text) {
    return {{name, {.text = text, .owner = ":1.7"}}};
}

}  // namespace

TEST_SUITE("owned connections") {
    TEST_CASE_FIXTURE(Fixture, "the next process finds those with an owner, without their secrets") {
        const auto key = std::make_shared<const ike::SharedKey>(as_bytes("swordfish"));
        CHECK(process().inherited().empty());
        process().save({{"mine", {.text = "a", .given = {.psk = key}, .owner = ":1.7"}},
                        {"nobody's", {.text = "b"}},
                        {"theirs", {.text = "", .owner = ":1.8"}}});
        const AddedTexts found = process().inherited();
        REQUIRE(found.size() == 2);
        CHECK(found.at("mine").text == "a");
        CHECK(found.at("mine").owner == ":1.7");
        CHECK(found.at("mine").awaited);
        CHECK(found.at("theirs").owner == ":1.8");
        REQUIRE(found.at("mine").given.psk);
        const Bytes unknown = found.at("mine").given.psk->expose();
        CHECK(unknown.size() == 32);
        REQUIRE(found.at("mine").given.private_key);
        CHECK_FALSE(*found.at("mine").given.private_key);
        CHECK_FALSE(std::ranges::equal(unknown, found.at("theirs").given.psk->expose()));
        CHECK_FALSE(std::ranges::equal(unknown, process().inherited().at("mine").given.psk->expose()));
    }

    TEST_CASE_FIXTURE(Fixture, "what counts is what was saved last, whatever its size") {
        const OwnedConnections one = process();
        for (const std::size_t size : {10U, 5000U, 1U, 70'000U, 20U, 20U, 0U, 9000U}) {
            CAPTURE(size);
            const std::string text(size, 'x');
            OwnedConnections(process()).save(owned("hq", text));
            CHECK(texts() == std::map<std::string, std::string>{{"hq", text}});
        }
        CHECK(lseek(file.get(), 0, SEEK_END) < 200'000);
        process().save({});
        CHECK(texts().empty());
    }

    TEST_CASE_FIXTURE(Fixture, "a process that dies while it writes has changed nothing, wherever it was") {
        process().save(owned("hq", std::string(100, 'a')));
        const off_t end = lseek(file.get(), 0, SEEK_END);
        const std::string begun(50, 'z');
        CHECK(pwrite(file.get(), begun.data(), begun.size(), end) == 50);
        CHECK(texts() == std::map<std::string, std::string>{{"hq", std::string(100, 'a')}});
    }

    TEST_CASE_FIXTURE(Fixture, "what makes no sense is nothing") {
        process().save(owned("hq", "text"));
        SUBCASE("another release's") {
            CHECK(pwrite(file.get(), "\xff", 1, 0) == 1);
        }
        SUBCASE("cut off") {
            CHECK(ftruncate(file.get(), lseek(file.get(), 0, SEEK_END) - 1) == 0);
        }
        SUBCASE("too short in itself") {
            CHECK(pwrite(file.get(), "\x7f", 1, 20) == 1);
        }
        SUBCASE("a size beyond all sense") {
            CHECK(pwrite(file.get(), "\x7f", 1, 12) == 1);
        }
        CHECK(texts().empty());
        process().save(owned("hq", "again"));
        CHECK(texts() == std::map<std::string, std::string>{{"hq", "again"}});
    }

    TEST_CASE("where nobody keeps descriptors nothing is kept") {
        DescriptorStore nobody;
        OwnedConnections none(nobody);
        none.save(owned("hq", "text"));
        CHECK(none.inherited().empty());
    }
}
