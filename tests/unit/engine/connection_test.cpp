#include "daemon/engine/connection.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/shared/sockets.hpp"
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

/// A listening socket on the loopback interface.
struct Backend {
    Backend() : listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
        REQUIRE(listen(listener.get(), 4) == 0);
    }
    [[nodiscard]] Endpoint endpoint() const { return parse_endpoint(describe_local(listener.get())).value(); }

    UniqueFd listener;
};

/// An engine with one connection, whose client shakes hands, and a keeper that takes it or not.
struct FakeEngine final : Connection::Host {
    enum class Until { it_ends, it_begins };
    explicit FakeEngine(bool keeper_takes, TlsService settings = {}, Until until = Until::it_ends)
        : takes(keeper_takes), capabilities(kernel_capabilities()) {
        ktls::TcpPair pair = tcp_pair();
        set_nonblocking(pair.server.get());
        service->id = kService;
        service->settings = std::move(settings);
        service->settings.name = "shop";
        service->context = std::make_unique<const tls::Context>(server_context());
        client.emplace(std::move(pair.client), tls::Session::connect(theirs).value());
        connection = std::make_unique<Connection>(*this, service, Accepted{std::move(pair.server), {}});
        connection->start();
        turn_until(loop_, [&] {
            if (until == Until::it_begins) {
                return true;
            }
            client->pump();
            return connection == nullptr;
        });
    }

    Loop& loop() override { return loop_; }
    CounterSet& counters() override { return counters_; }
    Farewells& farewells() override { return farewells_; }
    FailureReport& failures() override { return failures_; }
    Limiter& limiter() override { return limiter_; }
    [[nodiscard]] const ktls::Capabilities& kernel() const override { return capabilities; }
    [[nodiscard]] bool hand_over(const Carried& carried, std::shared_ptr<const TrafficSecrets> /*secrets*/,
                                 std::vector<UniqueFd> sockets) override {
        CHECK(carried.service == kService);
        handed_over = std::move(sockets);
        return takes;
    }
    void await_ticket(TlsSessionId /*id*/, std::unique_ptr<tls::Session> /*session*/) override {}
    void ended(Connection& /*ended*/) override { loop_.bury(std::move(connection)); }
    [[nodiscard]] std::uint64_t counted(const std::string& name) const { return counters_.value(kService, name); }

    bool takes;
    ktls::Capabilities capabilities;
    std::shared_ptr<ServedService> service = std::make_shared<ServedService>();
    tls::Context theirs = client_context(testing::only(kSuites[0]));
    Loop loop_;
    CounterSet counters_;
    Limiter limiter_{counters_};
    Farewells farewells_{loop_};
    FailureReport failures_{loop_, [](const Failures& /*failures*/) {}};
    std::optional<TlsClient> client;
    std::unique_ptr<Connection> connection;
    std::vector<UniqueFd> handed_over;
};

/// Cuts a connection off when its own turn comes.
struct Axe final : Watcher {
    explicit Axe(FakeEngine& cut) : engine(cut), ready(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)) {
        engine.loop_.add(ready.get(), EPOLLIN, *this);
    }
    ~Axe() override { engine.loop_.remove(ready.get(), *this); }
    void on_events(std::uint32_t /*events*/) override {
        if (engine.connection) {
            engine.connection->cut_off({"closed-on-request", "no more"});
        }
    }

    FakeEngine& engine;
    UniqueFd ready;
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
        CHECK(idle.handed_over.size() == 1);

        const FakeEngine busy(false);
        CHECK(busy.counted("established-kernel") == 0);
        CHECK(busy.counted("failed:keeper-busy") == 1);
        CHECK(busy.counted("negotiating") == 0);
    }

    TEST_CASE("a backend that is told of the client has the PROXY header before the connection leaves with it") {
        if (!kernel_has_ktls()) {
            return;
        }
        const Backend backend;
        const FakeEngine engine(true, {.connect = {backend.endpoint()}, .send_proxy = SendProxy::v1});
        CHECK(engine.counted("established-kernel") == 1);
        REQUIRE(engine.handed_over.size() == 2);
        const UniqueFd accepted(accept4(backend.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        std::array<char, 200> buffer{};
        const ssize_t size = recv(accepted.get(), buffer.data(), buffer.size(), 0);
        REQUIRE(size > 0);
        const std::string_view line(buffer.data(), static_cast<std::size_t>(size));
        CHECK(line.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "));
        CHECK(line.ends_with("\r\n"));
    }

    TEST_CASE("a client of the kernel's hears an alert where no backend is there to be told of it") {
        if (!kernel_has_ktls()) {
            return;
        }
        Backend backend;
        const Endpoint nobody = backend.endpoint();
        backend.listener.reset();
        FakeEngine engine(true, {.connect = {nobody}, .send_proxy = SendProxy::v2});
        CHECK(engine.counted("failed:backend-unreachable") == 1);
        CHECK(engine.handed_over.empty());
        turn_until(engine.loop_, [&] {
            engine.client->pump();
            return engine.client->over();
        });
        CHECK(engine.client->failure == "peer-alert");
    }
}

TEST_CASE("a connection that is cut off is not heard of again, whatever came for it in the same round") {
    FakeEngine engine(true, {}, FakeEngine::Until::it_begins);
    const Axe axe(engine);
    REQUIRE(shutdown(engine.client->socket(), SHUT_WR) == 0);  // behind the axe in what epoll reports
    engine.loop_.turn(std::chrono::seconds(1));
    CHECK(engine.connection == nullptr);
    CHECK(engine.counted("failed:closed-on-request") == 1);
    CHECK(engine.counted("failed:peer-closed") == 0);
    CHECK(engine.counted("negotiating") == 0);
}
