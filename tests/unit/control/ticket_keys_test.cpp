#include "daemon/control/ticket_keys.hpp"

#include <doctest/doctest.h>

#include <array>
#include <map>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/sealed_memory.hpp"
#include "tests/support/captured_stderr.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace std::chrono_literals;
using keysluice::test::CapturedStderr;

namespace {

/// What the process before has left, which made its newest key so long ago.
struct Before {
    explicit Before(Duration ago) {
        REQUIRE(memory.create());
        memory.rotate(random, now() - ago);
        name = memory.sealing_key()->name;
    }
    DescriptorStore store() const {
        std::map<std::string, UniqueFd> inherited;
        inherited.emplace("tickets", duplicate_fd(memory.file()));
        return {"", std::move(inherited)};
    }

    SystemRandom random;
    TicketMemory memory;
    std::array<std::uint8_t, tls::TicketKey::kNameSize> name{};
};

TicketKeys start(Loop& loop, DescriptorStore store, std::chrono::milliseconds lifetime) {
    return {loop, store, [lifetime] { return lifetime; }};
}

}  // namespace

TEST_CASE("there is a key from the beginning, and engines get the memory that it is in") {
    Loop loop;
    const TicketKeys keys = start(loop, {}, 5min);
    TicketMemory engine;
    REQUIRE(engine.use(keys.file()));
    CHECK(engine.sealing_key()->name == keys.memory().sealing_key()->name);
}

TEST_CASE("keys are those of the process before, and a new one is made when half of the longest lifetime is over") {
    Loop loop;
    const Before before(11h);
    CHECK(start(loop, before.store(), 24h).memory().sealing_key()->name == before.name);
    CHECK(start(loop, before.store(), 0s).memory().sealing_key()->name == before.name);
    CHECK(before.memory.sealing_key()->name == before.name);
    const TicketKeys later = start(loop, before.store(), 22h);
    CHECK(later.memory().sealing_key()->name != before.name);
    CHECK(before.memory.sealing_key()->name == later.memory().sealing_key()->name);
    CHECK(later.memory().key_named(before.name));
}

TEST_CASE("a configuration with shorter lifetimes brings a new key sooner") {
    Loop loop;
    const Before before(11h);
    DescriptorStore store = before.store();
    std::chrono::milliseconds lifetime = 24h;
    TicketKeys keys(loop, store, [&] { return lifetime; });
    CHECK(keys.memory().sealing_key()->name == before.name);
    lifetime = 22h;
    keys.look();
    CHECK(keys.memory().sealing_key()->name != before.name);
}

TEST_CASE("what is left of another release is said, and replaced") {
    Loop loop;
    CapturedStderr captured;
    std::map<std::string, UniqueFd> inherited;
    inherited.emplace("tickets", duplicate_fd(SealedMemory::create("odd", 4096).value().file()));
    const TicketKeys keys = start(loop, {"", std::move(inherited)}, 5min);
    CHECK(keys.memory().sealing_key());
    CHECK(captured.text().contains("memory-file-failed"));
}
