#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/child_installer.hpp"
#include "tests/support/fake_databases.hpp"

namespace keysluice::test {

inline ike::ChildSaSpec spec(const std::string& child, std::uint32_t inbound) {
    ike::ChildSaSpec made;
    made.connection = "hq";
    made.child = child;
    made.local = *IpAddress::parse("192.0.2.1");
    made.remote = *IpAddress::parse("198.51.100.7");
    made.inbound = {inbound};
    made.outbound = {inbound + 1000};
    made.suite = {.encryption = {ike::EncryptionId::aes_gcm_16, 128}, .integrity = {}, .group = {}, .esn = false};
    made.local_selectors = {*ike::parse_selector("10.1.0.0/16")};
    made.remote_selectors = {*ike::parse_selector("10.2.0.0/16")};
    return made;
}

inline const xfrm::SaId kInbound{.destination = *IpAddress::parse("192.0.2.1"), .spi = {300}};
inline const xfrm::SaId kOutbound{.destination = *IpAddress::parse("198.51.100.7"), .spi = {1300}};

inline ike::ChildDirectionKeys some_keys() {
    ike::ChildDirectionKeys keys;
    std::ranges::fill(keys.encryption.writable(20), std::uint8_t{1});
    return keys;
}

/// Its inbound half, as a responder installs it.
inline ike::InstallChild child_that_asks(ike::Offload offload) {
    ike::ChildSaSpec asking = spec("net", 300);
    asking.offload = offload;
    return {.spec = asking, .inbound = some_keys(), .outbound = {}, .replaces_outbound = {}};
}

inline ike::InstallOutbound late_half(ike::Offload offload) {
    return {.spec = child_that_asks(offload).spec, .outbound = some_keys(), .replaces_outbound = {}};
}

struct ChildInstalling : control::ChildInstaller::Owner {
    void on_kernel(ike::Event event) override { events.push_back(std::move(event)); }
    void on_wanted(const ike::ChildSaSpec& child, const xfrm::Selector& /*packet*/) override {
        wanted.push_back(child.child);
    }
    void on_progress() override { ++progress; }
    /// Of the CHILD SA that was to be installed last, why it was not; empty where it was.
    [[nodiscard]] std::string_view installed() const {
        REQUIRE_FALSE(events.empty());
        const auto& result = std::get<ike::ChildInstalled>(events.back()).result;
        return result ? "" : result.error().reason;
    }
    void await_idle() {
        for (int i = 0; i < 10'000 && !installer->idle(); ++i) {
            loop.turn(std::chrono::milliseconds(10));
        }
        REQUIRE(installer->idle());
    }

    Loop loop;
    FakeDatabases::Tables tables;
    std::vector<ike::Event> events;
    std::vector<std::string> wanted;
    int progress = 0;
    std::unique_ptr<control::ChildInstaller> installer =
        std::make_unique<control::ChildInstaller>(loop, std::make_unique<FakeDatabases>(tables), *this);
};

}  // namespace keysluice::test
