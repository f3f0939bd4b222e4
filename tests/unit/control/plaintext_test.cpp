#include "daemon/control/plaintext.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "daemon/control/doubts.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

const std::set<IpAddress> kOwn{*IpAddress::parse("192.0.2.7"), *IpAddress::parse("2001:db8::7")};

Configuration with(TlsService service) {
    const auto places = [](std::uint32_t line, std::size_t count) {
        std::vector<Position> positions;
        for (std::uint32_t column = 1; column <= count; ++column) {
            positions.push_back({"k.toml", line, column});
        }
        return positions;
    };
    service.name = "shop";
    Configuration configuration;
    configuration.sources.push_back({.section = {"k.toml", 1, 1},
                                     .certificate = {},
                                     .private_key = {},
                                     .ca = {},
                                     .verify_peer = {"k.toml", 4, 1},
                                     .key_exchange_groups = {"k.toml", 5, 1},
                                     .listen = places(2, service.listen.size()),
                                     .connect = places(3, service.connect.size())});
    configuration.services.push_back(std::move(service));
    return configuration;
}

/// One line for each thing that is wrong.
std::string said(const Diagnostics& diagnostics) {
    std::string lines;
    for (const Diagnostic& each : diagnostics) {
        lines += fmt::format("{}:{} {}\n", each.where.line, each.where.column, each.reason);
    }
    return lines;
}

std::vector<Endpoint> endpoints(std::initializer_list<std::string_view> texts) {
    std::vector<Endpoint> found;
    for (const std::string_view text : texts) {
        found.push_back(parse_endpoint(text).value());
    }
    return found;
}

const std::vector<Endpoint> kHere = endpoints(
    {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "unix:/run/x", "192.0.2.7:1", "[2001:db8::7]:1", "localhost:1"});
const std::vector<Endpoint> kElsewhere =
    endpoints({"0.0.0.0:1", "[::]:1", "192.0.2.8:1", "[2001:db8::8]:1", "128.0.0.1:1", "[::2]:1"});
constexpr std::string_view kRefused =
    "{0}:1 plaintext-remote\n{0}:2 plaintext-remote\n{0}:3 plaintext-remote\n{0}:4 plaintext-remote\n"
    "{0}:5 plaintext-remote\n{0}:6 plaintext-remote\n";

}  // namespace

TEST_CASE("a server's plaintext goes nowhere else, unless that is allowed") {
    CHECK(said(check_plaintext(with({.listen = kElsewhere, .connect = kHere}), kOwn)).empty());
    TlsService service{.connect = kElsewhere};
    CHECK(said(check_plaintext(with(service), kOwn)) == fmt::format(fmt::runtime(kRefused), 3));
    service.plaintext_remote = PlaintextRemote::allow;
    CHECK(said(check_plaintext(with(service), kOwn)).empty());
    const auto faults = check_plaintext(with({.connect = endpoints({"192.0.2.8:80"})}), kOwn);
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].sentence.starts_with(
        "connect: plaintext would leave this host for 192.0.2.8:80: expected a loopback"));
}

TEST_CASE("nor does a route lead elsewhere") {
    Configuration configuration = with({.connect = kHere, .routes = {{.connect = kHere}, {.connect = kElsewhere}}});
    configuration.sources[0].routes = {std::vector<Position>(kHere.size(), {"k.toml", 8, 1}),
                                       std::vector<Position>(kElsewhere.size(), {"k.toml", 9, 1})};
    const auto faults = check_plaintext(configuration, kOwn);
    REQUIRE(faults.size() == kElsewhere.size());
    CHECK(faults[0].where.line == 9);
}

TEST_CASE("a client's plaintext comes from nowhere else, unless that is allowed") {
    std::vector<Endpoint> here = kHere;
    here.pop_back();  // listen has no host names
    CHECK(said(check_plaintext(with({.mode = Mode::client, .listen = here, .connect = kElsewhere}), kOwn)).empty());
    TlsService service{.mode = Mode::client, .listen = kElsewhere};
    CHECK(said(check_plaintext(with(service), kOwn)) == fmt::format(fmt::runtime(kRefused), 2));
    service.plaintext_remote = PlaintextRemote::allow;
    CHECK(said(check_plaintext(with(service), kOwn)).empty());
}

TEST_CASE("where this host's addresses are unknown, only loopback and unix sockets are its own") {
    const auto faults = check_plaintext(with({.connect = kHere}), {});
    CHECK(said(faults) == "3:5 plaintext-remote\n3:6 plaintext-remote\n");
}

TEST_CASE("a name that can't be looked up is not judged here") {
    CHECK(
        said(check_plaintext(with({.connect = {HostEndpoint{std::string(64, 'x') + ".example", 1}}}), kOwn)).empty());
}

TEST_CASE("this host has addresses of its own") {
    const auto own = own_addresses();
    CHECK(own.contains(*IpAddress::parse("127.0.0.1")));
    CHECK_FALSE(own.contains(IpAddress()));
}

TEST_CASE("what a person should know of a client") {
    CHECK(said(doubts_about(with({.verify_peer = VerifyPeer::none}))).empty());  // a server's mistake, told elsewhere
    const TlsService quiet{.mode = Mode::client, .listen = endpoints({"127.0.0.1:1", "[::1]:1", "unix:/run/x"})};
    CHECK(said(doubts_about(with(quiet))).empty());
    TlsService service{
        .mode = Mode::client, .listen = endpoints({"127.0.0.1:1", "192.0.2.7:1"}), .verify_peer = VerifyPeer::none};
    const auto doubts = doubts_about(with(service));
    CHECK(said(doubts) == "4:1 peer-not-verified\n2:2 plaintext-reachable\n");
    CHECK(doubts[0].sentence.starts_with("WARNING: verify_peer = \"none\": shop trusts any server"));
    service.plaintext_remote = PlaintextRemote::allow;
    CHECK(said(doubts_about(with(service))) == "4:1 peer-not-verified\n");
}

TEST_CASE("a group that is left out is told") {
    CHECK(said(doubts_about(with({.key_exchange_groups = {"?X25519", "P-256"}}))).empty());
    const auto doubts = doubts_about(with({.key_exchange_groups = {"?NONSENSE", "P-256"}}));
    CHECK(said(doubts) == "5:1 group-left-out\n");
}
