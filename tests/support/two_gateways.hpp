#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/control/ike_service.hpp"
#include "daemon/shared/clock.hpp"
#include "tests/support/captured_stderr.hpp"
#include "tests/support/fake_databases.hpp"
#include "tests/support/network_namespace.hpp"

namespace keysluice::test {

inline const IpAddress kLeft = *IpAddress::parse("10.0.0.1");
inline const IpAddress kRight = *IpAddress::parse("10.0.0.2");

/// One gateway in a network namespace of its own.
struct Gateway {
    FakeDatabases::Tables tables;
    DescriptorStore store;
    std::unique_ptr<control::IkeService> service;

    [[nodiscard]] std::vector<control::ChildView> children() const {
        std::vector<control::ChildView> all;
        for (const control::IkeSaView& sa : service->view().sas) {
            all.insert(all.end(), sa.children.begin(), sa.children.end());
        }
        return all;
    }
    [[nodiscard]] std::optional<control::ChildView> only_child() const {
        const auto all = children();
        return all.size() == 1 && all[0].state == "installed" ? std::optional(all[0]) : std::nullopt;
    }
};

inline control::IkeConfiguration configuration_of(const IpAddress& local, const IpAddress& remote,
                                                  control::IkeStart start) {
    control::IkeConfiguration configuration;
    control::IkeConnection& connection = configuration.connections.emplace_back();
    connection.start = start;
    ike::Connection& rules = *connection.rules;
    rules.name = "hq";
    rules.local = local;
    rules.remote = remote;
    rules.local_id = *ike::parse_identity(local.text());
    rules.remote_id = *ike::IdentityPattern::parse(remote.text());
    rules.keys.set_for_all(ike::SharedKey(as_bytes("correct horse battery staple")));
    rules.proposals = {*ike::parse_ike_proposal("aes128gcm16-prfsha256-x25519", {})};
    rules.keep_up = start == control::IkeStart::on_load;
    ike::ChildRule& child = rules.children.emplace_back();
    child.name = "net";
    child.proposals = {*ike::parse_esp_proposal("aes128gcm16", {})};
    return configuration;
}

/// One for all, since a new link takes a second to come up.
inline const NamespacePair& shared_network() {
    static const NamespacePair network;
    return network;
}

/// `left` begins.
struct TwoGateways {
    CapturedStderr log;
    Loop loop;
    const NamespacePair& network = shared_network();
    control::Signers signers{loop};
    Gateway left;
    Gateway right;

    using Change = std::function<void(control::IkeConnection& of_left, control::IkeConnection& of_right)>;
    /// Neither is started yet.
    struct None {};
    explicit TwoGateways(None /*none*/) {}
    TwoGateways() : TwoGateways([](control::IkeConnection&, control::IkeConnection&) {}) {}
    explicit TwoGateways(const Change& change) {
        control::IkeConfiguration of_right = configuration_of(kRight, kLeft, control::IkeStart::manual);
        control::IkeConfiguration of_left = configuration_of(kLeft, kRight, control::IkeStart::on_load);
        change(of_left.connections.front(), of_right.connections.front());
        start(right, network.right, of_right);
        start(left, network.left, of_left);
    }
    ~TwoGateways() {
        left.service.reset();  // their threads use the tables
        right.service.reset();
    }
    void start(Gateway& gateway, const NetworkNamespace& where, const control::IkeConfiguration& configuration) {
        auto started = where.run([&] {
            return control::IkeService::start(loop, configuration, std::make_unique<FakeDatabases>(gateway.tables),
                                              signers, {.store = gateway.store, .state = {}});
        });
        REQUIRE(started);
        gateway.service = *std::move(started);
    }
    [[nodiscard]] bool await(const std::function<bool()>& done) {
        const Instant patience = now() + std::chrono::seconds(10);
        while (!done() && now() < patience) {
            loop.turn(std::chrono::milliseconds(10));
        }
        return done();
    }
    void await_up() {
        REQUIRE(await([&] { return left.only_child() && right.only_child(); }));
        CHECK(left.only_child()->inbound == right.only_child()->outbound);
        CHECK(left.only_child()->outbound == right.only_child()->inbound);
    }
};

}  // namespace keysluice::test
