#include "daemon/control/offloading.hpp"

#include <doctest/doctest.h>

#include "tests/support/fake_databases.hpp"

using namespace keysluice;
using namespace keysluice::control;
using keysluice::test::FakeDatabases;

namespace {

xfrm::Sa sa(std::uint32_t spi, xfrm::Direction direction) {
    xfrm::Sa made;
    made.direction = direction;
    made.destination = *IpAddress::parse(direction == xfrm::Direction::in ? "192.0.2.1" : "192.0.2.2");
    made.spi = {spi};
    made.offload = xfrm::Offload{.device = 7, .inbound = direction == xfrm::Direction::in, .packet = false};
    return made;
}

xfrm::Policy policy() {
    return {.direction = xfrm::Direction::out, .priority = 5};
}

struct Fixture {
    FakeDatabases::Tables tables;
    FakeDatabases databases{tables};

    Result<OffloadState> install(ike::Offload requested) {
        xfrm::Transaction transaction;
        for (auto [spi, direction] : {std::pair(1U, xfrm::Direction::in), std::pair(2U, xfrm::Direction::out)}) {
            xfrm::Sa made = sa(spi, direction);
            made.offload->packet = requested == ike::Offload::packet;
            transaction.add(std::move(made));
        }
        transaction.add(policy());
        return install_offloaded(databases, std::move(transaction), {.requested = requested, .device = {7, "eth7"}});
    }
    /// The kernel's answer to SAs for a device.
    void refuse_offload(std::string_view reason) {
        tables.refuse = [reason](const xfrm::Transaction& transaction) -> Result<void> {
            for (const auto& addition : transaction.additions()) {
                const auto* each = std::get_if<xfrm::Sa>(&addition);
                if (each != nullptr && each->offload) {
                    return fail(reason, "Operation not supported (\"Unsupported xfrm offload\")");
                }
            }
            return {};
        };
    }
    [[nodiscard]] bool whole() const { return tables.sas.size() == 2 && tables.policies.size() == 1; }
    [[nodiscard]] bool nothing() const { return tables.sas.empty() && tables.policies.empty(); }
};

}  // namespace

TEST_SUITE_BEGIN("offloading");

TEST_CASE_FIXTURE(Fixture, "a device that takes it") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    for (const auto& [requested, in_force] : {std::pair(ike::Offload::automatic, ike::Offload::crypto),
                                              std::pair(ike::Offload::crypto, ike::Offload::crypto),
                                              std::pair(ike::Offload::packet, ike::Offload::packet)}) {
        CHECK(install(requested) ==
              OffloadState{
                  .requested = requested, .in_force = in_force, .taken = in_force, .device = "eth7", .reason = {}});
        CHECK(whole());
    }
}

TEST_CASE_FIXTURE(Fixture,
                  "a device without IPsec is no failure to the kernel, and is one to whoever wants no less") {
    for (const ike::Offload requested : {ike::Offload::crypto, ike::Offload::packet}) {
        const auto refused = install(requested);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason == "offload-declined");
        CHECK(refused.error().sentence.starts_with("eth7 does not take over "));
        CHECK(nothing());
    }
    const auto state = install(ike::Offload::automatic);
    REQUIRE(state);
    CHECK(state->in_force == ike::Offload::off);
    CHECK(state->reason == "eth7 does not take over ESP's cryptography: the kernel took the SA and does it itself");
    CHECK(whole());
}

TEST_CASE_FIXTURE(Fixture, "a device that takes it while its feature is off does nothing with it") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    std::string_view says = "eth7's feature esp-hw-offload is off: ";
    SUBCASE("off") {
        tables.esp_feature = [] { return netlink::Feature::off; };
    }
    SUBCASE("it has none") {
        tables.esp_feature = [] { return netlink::Feature::missing; };
        says = "eth7 lacks the feature esp-hw-offload: ";
    }
    for (const ike::Offload requested : {ike::Offload::crypto, ike::Offload::packet}) {
        const auto refused = install(requested);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason == "offload-declined");
        CHECK(refused.error().sentence.starts_with(says));
        CHECK(nothing());
    }
    const auto state = install(ike::Offload::automatic);
    REQUIRE(state);
    CHECK(state->in_force == ike::Offload::off);
    CHECK(state->taken == ike::Offload::crypto);
    CHECK(state->reason.starts_with(says));
    CHECK(whole());
}

TEST_CASE_FIXTURE(Fixture, "a device that does not tell its features is believed") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    tables.esp_feature = [] { return std::nullopt; };
    CHECK(install(ike::Offload::crypto)->in_force == ike::Offload::crypto);
}

TEST_CASE_FIXTURE(Fixture, "one half alone is not what was asked for") {
    tables.takes = [](const xfrm::Sa& each) { return each.direction == xfrm::Direction::out; };
    CHECK(install(ike::Offload::crypto).error().reason == "offload-declined");
    CHECK(nothing());
}

TEST_CASE_FIXTURE(Fixture, "a driver that refuses") {
    SUBCASE("because it can't") {
        refuse_offload("netlink-refused");
    }
    SUBCASE("because it does not know this") {
        refuse_offload("netlink-not-supported");
    }
    SUBCASE("because it does something else") {
        refuse_offload("netlink-busy");
    }
    const auto refused = install(ike::Offload::crypto);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "offload-refused");
    CHECK(refused.error().sentence ==
          R"(eth7 was to take over ESP's cryptography: Operation not supported ("Unsupported xfrm offload"))");
    CHECK(nothing());
    const auto state = install(ike::Offload::automatic);
    REQUIRE(state);
    CHECK(state->in_force == ike::Offload::off);
    CHECK(state->reason == refused.error().sentence);
    CHECK(whole());
}

TEST_CASE_FIXTURE(Fixture, "a device that does the cryptography alone has not taken whole packets") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    tables.takes_packets = false;
    CHECK(install(ike::Offload::packet).error().reason == "offload-declined");
    CHECK(nothing());
}

TEST_CASE_FIXTURE(Fixture, "what the kernel does not tell is not in force") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    tables.tells = false;
    CHECK(install(ike::Offload::crypto).error().reason == "offload-declined");
    CHECK(nothing());
    const auto state = install(ike::Offload::automatic);
    REQUIRE(state);
    CHECK(state->in_force == ike::Offload::off);
    CHECK(state->reason == "there is none");
    CHECK(whole());
}

TEST_CASE_FIXTURE(Fixture, "a failure that has nothing to do with it is passed on, and nothing stays behind") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    bool later = false;
    SUBCASE("of the SAs") {}
    SUBCASE("of the policies") {
        later = true;
    }
    tables.refuse = [later](const xfrm::Transaction& transaction) -> Result<void> {
        const auto& additions = transaction.additions();
        if (!additions.empty() && std::holds_alternative<xfrm::Sa>(additions.front()) != later) {
            return fail("xfrm-exists", "File exists");
        }
        return {};
    };
    CHECK(install(ike::Offload::crypto).error().reason == "xfrm-exists");
    CHECK(nothing());
}

TEST_CASE_FIXTURE(Fixture, "no device helps where the kernel has no such algorithm") {
    tables.refuse = [](const xfrm::Transaction&) -> Result<void> {
        return fail("netlink-not-supported", "Requested AEAD algorithm not found");
    };
    CHECK(install(ike::Offload::automatic).error().reason == "netlink-not-supported");
    CHECK(nothing());
}

TEST_CASE_FIXTURE(Fixture, "what an earlier process left: in force where both halves are with the device") {
    tables.takes = [](const xfrm::Sa&) { return true; };
    REQUIRE(install(ike::Offload::crypto));
    const auto state_of = [this](xfrm::Direction direction) -> xfrm::SaState& {
        return tables.sas.at(sa(direction == xfrm::Direction::in ? 1 : 2, direction).id());
    };
    xfrm::SaState& inbound = state_of(xfrm::Direction::in);
    xfrm::SaState& outbound = state_of(xfrm::Direction::out);
    CHECK(found_offload(ike::Offload::crypto, inbound, &outbound).in_force == ike::Offload::crypto);
    CHECK(found_offload(ike::Offload::crypto, inbound, nullptr).in_force == ike::Offload::crypto);
    SUBCASE("inbound alone") {
        outbound.offload.reset();
    }
    SUBCASE("outbound alone") {
        inbound.offload.reset();
    }
    const OffloadState half = found_offload(ike::Offload::crypto, inbound, &outbound);
    CHECK(half.partly);
    CHECK(half.in_force == ike::Offload::off);
    CHECK(half.reason.ends_with("has one half only since an earlier process installed it"));
    CHECK(found_in(inbound, &outbound)->device == 7);
    inbound.offload.reset();
    outbound.offload.reset();
    CHECK_FALSE(found_offload(ike::Offload::crypto, inbound, &outbound).partly);
}

TEST_SUITE_END();
