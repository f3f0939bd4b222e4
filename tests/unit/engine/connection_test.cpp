#include "daemon/engine/connection.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/support/kernel.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/suites.hpp"
#include "tests/support/tcp_pair.hpp"
#include "tests/support/tls_client.hpp"
#include "tests/support/tls_pair.hpp"

using namespace keysluice;
using namespace keysluice::test;
using keysluice::testing::client_context;
using keysluice::testing::kSuites;
using keysluice::testing::server_context;

namespace {

constexpr ServiceId kService{3};

/// An engine with one connection, whose client shakes hands, and a keeper that takes it or not.
struct FakeEngine final : Connection::Host {
    explicit FakeEngine(bool keeper_takes, ktls::Capabilities can = kernel_capabilities())
        : takes(keeper_takes), capabilities(std::move(can)) {
        ktls::TcpPair pair = tcp_pair();
        set_nonblocking(pair.server.get());
        service->id = kService;
        service->settings.name = "shop";
        service->context = std::make_unique<const tls::Context>(server_context());
        client.emplace(std::move(pair.client), tls::Session::connect(theirs).value());
        connection = std::make_unique<Connection>(*this, service, Accepted{std::move(pair.server), {}});
        connection->start();
        turn_until(loop_, [&] {
            client->pump();
            return connection == nullptr;
        });
    }

    Loop& loop() override { return loop_; }
    CounterSet& counters() override { return counters_; }
    Farewells& farewells() override { return farewells_; }
    FailureReport& failures() override { return failures_; }
    [[nodiscard]] const ktls::Capabilities& kernel() const override { return capabilities; }
    [[nodiscard]] bool hand_over(const Carried& carried, std::shared_ptr<const TrafficSecrets> /*secrets*/,
                                 std::vector<UniqueFd> sockets) override {
        CHECK(carried.service == kService);
        CHECK(sockets.size() == 1);
        return takes;
    }
    void ended(Connection& /*ended*/) override { loop_.bury(std::move(connection)); }
    [[nodiscard]] std::uint64_t counted(const std::string& name) const { return counters_.value(kService, name); }

    bool takes;
    ktls::Capabilities capabilities;
    std::shared_ptr<ServedService> service = std::make_shared<ServedService>();
    tls::Context theirs = client_context(testing::only(kSuites[0]));
    Loop loop_;
    CounterSet counters_;
    Farewells farewells_{loop_};
    FailureReport failures_{loop_, [](const Failures& /*failures*/) {}};
    std::optional<TlsClient> client;
    std::unique_ptr<Connection> connection;
};

}  // namespace

TEST_SUITE("kernel") {
    TEST_CASE("a connection that the kernel carries leaves for the keeper, or ends where that takes none") {
        if (!kernel_has_ktls()) {
            return;
        }
        const FakeEngine idle(true);
        CHECK(idle.counted("established-kernel") == 1);
        CHECK(idle.counted("failed:keeper-busy") == 0);

        const FakeEngine busy(false);
        CHECK(busy.counted("established-kernel") == 0);
        CHECK(busy.counted("failed:keeper-busy") == 1);
        CHECK(busy.counted("negotiating") == 0);
    }
}
