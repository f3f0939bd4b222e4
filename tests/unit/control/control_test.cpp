#include "daemon/control/control.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/control/listeners.hpp"
#include "daemon/keeper/keeper.hpp"
#include "daemon/shared/accept_balance.hpp"
#include "tests/support/captured_stderr.hpp"
#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

constexpr ServiceId kTcp = service_id("tcp");
constexpr ServiceId kLocal = service_id("local");

/// A port that was free a moment ago.
std::uint16_t free_port() {
    const UniqueFd socket = bind_listener(Ipv4Endpoint{{127, 0, 0, 1}, 0}, false).value();
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

int family_of(const UniqueFd& socket) {
    int family = 0;
    socklen_t size = sizeof(family);
    return ::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 ? family : AF_UNSPEC;
}

/// keysluiced with a keeper, in one process. What they log is out of sight.
struct Fixture {
    Fixture() {
        configuration.daemon.engines = 2;
        configuration.daemon.runtime_directory = folder.path();
        add({.name = "tcp", .listen = {tcp}});
        add({.name = "local", .listen = {local}});
    }
    void add(TlsService service) {
        const std::vector<Position> lines(service.listen.size(), {"k.toml", 5, 1});
        configuration.services.push_back(std::move(service));
        configuration.sources.push_back(
            {.section = {"k.toml", 4, 1}, .certificate = {}, .private_key = {}, .ca = {}, .listen = lines});
    }
    void start_keeper() {
        keeper = Keeper::create(loop, folder.path(), 8, [](std::uint16_t) {}).value();
    }
    void start_control() {
        control = std::make_unique<Control>(loop, configuration, [this] { failed = true; });
        settle(loop);
    }
    void start() {
        start_keeper();
        start_control();
    }
    /// Begins it; what comes of it stands in left_out when it is over.
    void reload(Configuration fresh) {
        left_out.reset();
        control->reload(std::move(fresh), Occasion::reload,
                        [this](Diagnostics problems) { left_out = std::move(problems); });
        settle(loop);
    }
    /// The kernel is asked on a thread.
    void await_end() {
        turn_until(loop, [this] { return left_out.has_value(); });
    }
    /// What waits in this mailbox is answered as by an engine or relay; with a reason, it can't load `spoilt`.
    void answer(Mailbox& process, ServiceId spoilt = {}, bool fresh = false) {
        for (int round = 0; round < 4; ++round) {
            for (auto& [message, sockets] : std::exchange(process.mail, {})) {
                if (const auto* load = std::get_if<LoadService>(&message)) {
                    const bool bad = load->id == spoilt;
                    REQUIRE(process.channel.send(ServiceLoaded{load->id, bad ? "private-key-mismatch" : "",
                                                               bad ? "they do not belong together" : "", load->load,
                                                               fresh}));
                } else if (const auto* ask = std::get_if<AskSessions>(&message)) {
                    REQUIRE(process.channel.send(Sessions{ask->token, false, {}}));
                } else if (const auto* count = std::get_if<AskCounters>(&message)) {
                    REQUIRE(process.channel.send(Counters{count->token, {}}));
                } else {
                    heard.push_back({std::move(message), std::move(sockets)});
                }
            }
            settle(loop);
        }
    }
    /// Of what answer() has read.
    template <typename Kind>
    [[nodiscard]] std::vector<Mailbox::Mail*> heard_of() {
        std::vector<Mailbox::Mail*> found;
        for (auto& each : heard) {
            if (std::holds_alternative<Kind>(each.message)) {
                found.push_back(&each);
            }
        }
        return found;
    }
    [[nodiscard]] bool connects() {
        const SocketAddress address = to_socket_address(tcp).value();
        const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        return ::connect(client.get(), address.get(), address.length) == 0;
    }
    std::unique_ptr<Mailbox> call(ProcessKind kind, std::uint16_t index = 0) {
        auto process = std::make_unique<Mailbox>(loop, connect_channel(folder / "control.sock").value());
        REQUIRE(process->channel.send(Hello{kind, index, 1}));
        settle(loop);
        return process;
    }

    RuntimeFolder folder;
    CapturedStderr captured;
    Loop loop;
    Endpoint tcp = Ipv4Endpoint{{127, 0, 0, 1}, free_port()};
    Endpoint local = UnixEndpoint{folder / "local.sock"};
    Configuration configuration;
    bool failed = false;
    std::unique_ptr<Keeper> keeper;
    std::unique_ptr<Control> control;
    std::optional<Diagnostics> left_out;
    std::vector<Mailbox::Mail> heard;
};

}  // namespace

TEST_CASE("an engine is told what it serves, with its own listening sockets") {
    Fixture fixture;
    fixture.start();
    auto engine = fixture.call(ProcessKind::engine, 1);
    REQUIRE(engine->mail.size() == 5);
    CHECK(engine->at<Tickets>(0) == Tickets{});
    TicketMemory tickets;
    REQUIRE(engine->mail[0].descriptors.size() == 1);
    REQUIRE(tickets.use(std::move(engine->mail[0].descriptors[0])));
    CHECK(tickets.sealing_key());
    const Service tcp = engine->at<Service>(1);
    CHECK(tcp.id == kTcp);
    CHECK(decode_service(tcp.settings).value() == fixture.configuration.services[0]);
    CHECK_FALSE(tcp.balanced);
    REQUIRE(engine->mail[1].descriptors.size() == 1);
    CHECK(family_of(engine->mail[1].descriptors[0]) == AF_INET);
    CHECK(engine->count<ServicesComplete>() == 1);
    CHECK(engine->count<SigningKeysComplete>() == 1);
}

TEST_CASE("engines share a unix socket, and the counts of what they accept") {
    Fixture fixture;
    fixture.start();
    auto first = fixture.call(ProcessKind::engine, 0);
    auto second = fixture.call(ProcessKind::engine, 1);
    std::vector<AcceptBalance> views;
    for (Mailbox* engine : {first.get(), second.get()}) {
        CHECK(engine->at<Service>(2).balanced);
        Descriptors& sent = engine->mail[2].descriptors;
        REQUIRE(sent.size() == 2);
        CHECK(family_of(sent[1]) == AF_UNIX);
        auto view = AcceptBalance::open(std::move(sent[0]), static_cast<std::uint16_t>(views.size()));
        REQUIRE(view);
        views.push_back(std::move(*view));
    }
    for (std::uint64_t i = 0; i <= AcceptBalance::kSlack; ++i) {
        views[0].count();
    }
    CHECK(views[0].is_ahead());
    for (std::uint64_t i = 0; i <= AcceptBalance::kSlack; ++i) {
        views[1].count();
    }
    CHECK_FALSE(views[0].is_ahead());
}

TEST_CASE("a relay is told the services, no sockets, and when that was all") {
    Fixture fixture;
    fixture.start();
    auto relay = fixture.call(ProcessKind::relay);
    REQUIRE(relay->mail.size() == 3);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(decode_service(relay->at<Service>(i).settings).value() == fixture.configuration.services[i]);
        CHECK_FALSE(relay->at<Service>(i).balanced);
        CHECK(relay->mail[i].descriptors.empty());
    }
    CHECK(relay->count<ServicesComplete>() == 1);
}

TEST_CASE("a new keysluiced gets its listening sockets back from the keeper, with whom waits in their queues") {
    Fixture fixture;
    fixture.start();
    const SocketAddress address = to_socket_address(fixture.tcp).value();
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), address.get(), address.length) == 0);
    fixture.control.reset();
    settle(fixture.loop);
    fixture.start_control();
    CHECK_FALSE(fixture.failed);
    bool waiting = false;
    for (std::uint16_t i = 0; i < 2; ++i) {
        auto engine = fixture.call(ProcessKind::engine, i);
        REQUIRE(engine->mail.at(1).descriptors.size() == 1);
        const UniqueFd accepted(::accept(engine->mail[1].descriptors[0].get(), nullptr, nullptr));
        waiting = waiting || accepted;
    }
    CHECK(waiting);
}

TEST_CASE("what is listened on no longer is let go, by the keeper too") {
    Fixture fixture;
    fixture.start();
    fixture.control.reset();
    settle(fixture.loop);
    fixture.configuration.services.resize(1);
    fixture.configuration.sources.resize(1);
    fixture.configuration.daemon.engines = 1;
    fixture.start_control();
    CHECK_FALSE(fixture.failed);
    const SocketAddress address = to_socket_address(fixture.local).value();
    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(::connect(client.get(), address.get(), address.length) != 0);
    fixture.control.reset();
    settle(fixture.loop);
    Mailbox asking(fixture.loop, connect_channel(fixture.folder / "keeper.sock").value());
    REQUIRE(asking.channel.send(Hello{ProcessKind::control, 0, 1}));
    settle(fixture.loop);
    REQUIRE(asking.count<Listener>() == 1);
    CHECK(asking.at<Listener>(0).name == listener_name(fixture.tcp, 0));
}

TEST_CASE("a keeper that comes back empty is told what to hold, and its coming is an event") {
    Fixture fixture;
    fixture.start();
    std::optional<Changes> told;
    fixture.control->changes().next([&](Changes changes) { told = std::move(changes); });
    fixture.keeper.reset();
    settle(fixture.loop);
    fixture.start_keeper();
    std::size_t held = 0;
    turn_until(fixture.loop, [&] {
        Mailbox asking(fixture.loop, connect_channel(fixture.folder / "keeper.sock").value());
        REQUIRE(asking.channel.send(Hello{ProcessKind::control, 0, 1}));
        settle(fixture.loop);
        held = asking.count<Listener>();
        return held > 0;
    });
    CHECK(held == 3);
    turn_until(fixture.loop, [&] { return told.has_value(); });
    REQUIRE(told->happened.size() == 1);
    CHECK(told->happened[0].kind == "failover");
    CHECK(told->happened[0].connection == "keeper");
    CHECK_FALSE(fixture.failed);
}

TEST_CASE("a port that another process serves is named with its line, and nothing is served") {
    Fixture fixture;
    const UniqueFd taken = bind_listener(fixture.tcp, true).value();
    fixture.start();
    CHECK(fixture.failed);
    CHECK(fixture.captured.text().find("k.toml:5:1: cannot listen on " + to_string(fixture.tcp)) !=
          std::string::npos);
    CHECK(fixture.captured.text().find("(address-in-use)") != std::string::npos);
}

TEST_CASE("every address that can't be had is reported, not only the first one") {
    Fixture fixture;
    const UniqueFd taken = bind_listener(fixture.tcp, true).value();
    const UniqueFd taken_too = bind_listener(fixture.local, false).value();
    fixture.start();
    CHECK(fixture.captured.text().find(to_string(fixture.tcp)) != std::string::npos);
    CHECK(fixture.captured.text().find(to_string(fixture.local)) != std::string::npos);
}

TEST_CASE("a service that no engine can serve ends it all before anything was served, and not later") {
    Fixture fixture;
    fixture.start();
    auto engine = fixture.call(ProcessKind::engine);
    const ServiceLoaded bad{kLocal, "private-key-mismatch", "they do not belong together"};
    SUBCASE("before") {
        REQUIRE(engine->channel.send(bad));
        settle(fixture.loop);
        CHECK(fixture.failed);
    }
    SUBCASE("later") {
        REQUIRE(engine->channel.send(ServiceLoaded{kTcp, "", ""}));
        REQUIRE(engine->channel.send(bad));
        settle(fixture.loop);
        CHECK_FALSE(fixture.failed);
    }
    CHECK(fixture.captured.text().find("k.toml:4:1: service local: engine 0 can't serve it: they do not belong "
                                       "together (private-key-mismatch)") != std::string::npos);
}

TEST_CASE("the log says when all engines serve all services, and who carries the records") {
    Fixture fixture;
    fixture.start();
    auto first = fixture.call(ProcessKind::engine, 0);
    auto second = fixture.call(ProcessKind::engine, 1);
    for (Mailbox* engine : {first.get(), second.get()}) {
        CHECK(fixture.captured.text().find("ready") == std::string::npos);
        REQUIRE(engine->channel.send(ServiceLoaded{kTcp, "", ""}));
        REQUIRE(engine->channel.send(ServiceLoaded{kLocal, "", ""}));
        REQUIRE(engine->channel.send(ServiceLoaded{{99}, "", ""}));
        settle(fixture.loop);
    }
    CHECK(fixture.captured.text().find("ready: 2 services, 2 engines; ") != std::string::npos);
}

TEST_CASE("an engine that dies during the start and comes back counts once") {
    Fixture fixture;
    fixture.start();
    const auto load_all = [&](Mailbox& engine) {
        REQUIRE(engine.channel.send(ServiceLoaded{kTcp, "", ""}));
        REQUIRE(engine.channel.send(ServiceLoaded{kLocal, "", ""}));
        settle(fixture.loop);
    };
    for (int life = 0; life < 2; ++life) {
        auto engine = fixture.call(ProcessKind::engine, 0);
        load_all(*engine);
        engine.reset();
        settle(fixture.loop);
    }
    CHECK(fixture.captured.text().find("ready") == std::string::npos);
    auto other = fixture.call(ProcessKind::engine, 1);
    load_all(*other);
    CHECK(fixture.captured.text().find("ready: 2 services, 2 engines; ") != std::string::npos);
}

TEST_CASE("the status adds up what engines and relays have counted") {
    Fixture fixture;
    fixture.start();
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const SocketAddress address = to_socket_address(UnixEndpoint{fixture.folder / "status.sock"}).value();
    REQUIRE(::connect(client.get(), address.get(), address.length) == 0);
    settle(fixture.loop);
    std::uint64_t count = 3;
    for (Mailbox* process : {engine.get(), relay.get()}) {
        REQUIRE(process->count<AskCounters>() == 1);
        const auto token = process->at<AskCounters>(process->mail.size() - 1).token;
        REQUIRE(process->channel.send(Counters{token, {{kTcp, "active-kernel", count++}}}));
    }
    std::array<char, 16384> document{};
    ssize_t size = 0;
    turn_until(fixture.loop, [&] {
        size = ::recv(client.get(), document.data(), document.size(), 0);
        return size >= 0;
    });
    const auto table = to_table(std::string(document.data(), static_cast<std::size_t>(size)));
    REQUIRE(table);
    CHECK(table->find("tcp                         7 ") != std::string::npos);
}

TEST_CASE("a runtime directory without room for a socket ends it") {
    Fixture fixture;
    fixture.start_keeper();
    REQUIRE(::mkdir((fixture.folder / "control.sock").c_str(), 0700) == 0);
    fixture.start_control();
    CHECK(fixture.failed);
    CHECK(fixture.captured.text().find("(channel-bind-failed)") != std::string::npos);
}

TEST_CASE("a reload: nobody uses anything before all engines have loaded it") {
    Fixture fixture;
    fixture.start();
    auto engine = fixture.call(ProcessKind::engine);
    auto other = fixture.call(ProcessKind::engine, 1);
    auto relay = fixture.call(ProcessKind::relay);
    Configuration fresh = fixture.configuration;
    fresh.services[0].connect = {parse_endpoint("127.0.0.1:9").value()};
    fixture.answer(*engine);
    fixture.answer(*other);
    fixture.answer(*relay);
    fixture.heard.clear();
    fixture.reload(fresh);
    fixture.answer(*engine, {}, true);
    fixture.answer(*relay);
    CHECK(fixture.heard.empty());
    CHECK_FALSE(fixture.left_out);
    SUBCASE("they can") {
        fixture.answer(*other);
        fixture.answer(*engine);
        fixture.answer(*relay);
        // The one engine has other files of both services, and everybody hears of both.
        auto told = fixture.heard_of<Service>();
        REQUIRE(told.size() == 6);
        CHECK(decode_service(std::get<Service>(told.front()->message).settings).value() == fresh.services[0]);
        CHECK(std::get<Service>(told.front()->message).load != 0);
        CHECK(fixture.control->configuration().services == fresh.services);
        fixture.await_end();
        CHECK(fixture.left_out->empty());
    }
    SUBCASE("one of them can't") {
        fixture.answer(*other, kTcp);
        fixture.answer(*engine);
        fixture.answer(*relay);
        for (const Mailbox::Mail* told : fixture.heard_of<Service>()) {
            CHECK(std::get<Service>(told->message).id == kLocal);
        }
        CHECK(fixture.control->configuration().services == fixture.configuration.services);
        fixture.await_end();
        REQUIRE(fixture.left_out->size() == 1);
        CHECK(fixture.left_out->front().reason == "private-key-mismatch");
        CHECK(fixture.left_out->front().sentence == "service tcp stays as it was: they do not belong together");
    }
    CHECK_FALSE(fixture.heard_of<ServicesComplete>().empty());
}

TEST_CASE("a reload: what is removed is closed and stays known, and what is added is bound") {
    Fixture fixture;
    fixture.start();
    auto engine = fixture.call(ProcessKind::engine);
    auto relay = fixture.call(ProcessKind::relay);
    fixture.answer(*engine);
    fixture.answer(*relay);
    fixture.heard.clear();
    const Configuration before = fixture.configuration;
    fixture.configuration.services.resize(1);
    fixture.configuration.sources.resize(1);
    fixture.configuration.services[0].name = "heir";
    fixture.reload(fixture.configuration);
    fixture.answer(*engine);
    fixture.answer(*relay);
    fixture.answer(*engine);
    fixture.await_end();
    CHECK(fixture.left_out->empty());
    // The engine only: what it has negotiated already, the relay takes.
    CHECK(fixture.heard_of<CloseService>().size() == 2);
    CHECK(fixture.connects());
    CHECK(fixture.control->removed().find(kTcp) != nullptr);
    auto late = fixture.call(ProcessKind::relay, 1);
    CHECK(late->count<Service>() == 3);
    // They come back before their connections have ended.
    fixture.configuration = before;
    fixture.reload(before);
    for (Mailbox* each : {engine.get(), relay.get(), late.get(), engine.get()}) {
        fixture.answer(*each);
    }
    fixture.await_end();
    CHECK(fixture.control->removed().find(kTcp) == nullptr);
    CHECK(fixture.control->removed().find(service_id("heir")) != nullptr);
}

TEST_CASE("a reload: an address in use, and no engines") {
    Fixture fixture;
    std::string reason;
    SUBCASE("an address in use") {
        fixture.start();
        Configuration fresh = fixture.configuration;
        const UniqueFd taken = bind_listener(Ipv4Endpoint{{127, 0, 0, 1}, free_port()}, false).value();
        sockaddr_in address{};
        socklen_t size = sizeof(address);
        REQUIRE(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        fresh.services[0].listen = {Ipv4Endpoint{{127, 0, 0, 1}, ntohs(address.sin_port)}};
        fixture.reload(fresh);
        CHECK(fixture.connects());
        reason = "address-in-use";
    }
    SUBCASE("no engines") {
        Configuration full = std::exchange(fixture.configuration, {});
        fixture.configuration.daemon.runtime_directory = fixture.folder.path();
        fixture.start();
        fixture.reload(full);
        CHECK(fixture.control->configuration().services.empty());
        reason = "engines-missing";
    }
    fixture.await_end();
    REQUIRE_FALSE(fixture.left_out->empty());
    CHECK(fixture.left_out->front().reason == reason);
}
