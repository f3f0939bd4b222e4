#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <set>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::Packet;
using namespace std::chrono_literals;

namespace {

/// A client and three gateways that serve one connection of it.
class Site {
   public:
    explicit Site(const std::function<void(Connection&)>& change = {}) {
        for (const char* address : {"198.51.100.1", "198.51.100.2", "198.51.100.3"}) {
            gateways.push_back(std::make_unique<End>("gw", address, settings(), gateways.size() + 10));
            gateways.back()->configure(rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16"));
        }
        auto of_client = rules("client.example", "gw.example", "10.1.0.0/16", "10.2.0.0/16");
        of_client->remote = gateways.front()->address.address;
        for (const auto& gateway : gateways) {
            of_client->gateways.all.push_back(gateway->address);
        }
        if (change) {
            change(*of_client);
        }
        client.configure(std::move(of_client));
    }

    static Settings settings() {
        Settings settings;
        settings.retransmission = {.first = 1s, .tries = 3};  // 7 s
        return settings;
    }
    static std::shared_ptr<Connection> rules(const char* own, const char* peer, const char* local,
                                             const char* remote) {
        auto rules = std::make_shared<Connection>();
        rules->name = "a-z";
        rules->local_id = *parse_identity(own);
        rules->remote_id = *IdentityPattern::parse(peer);
        rules->keys.set_for_all(SharedKey(as_bytes("correct horse battery staple")));
        rules->proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x25519", {})};
        ChildRule child;
        child.name = "net";
        child.local = {*parse_selector(local)};
        child.remote = {*parse_selector(remote)};
        child.proposals = {*parse_esp_proposal("aes128gcm16", {})};
        rules->children.push_back(child);
        return rules;
    }

    void up() { event(client, Initiate{"a-z", {}, client.address, *client.endpoint->next_gateway("a-z")}); }
    void down() { event(client, Terminate{"a-z"}); }

    void event(End& end, const Event& event) {
        if (rewriting) {
            end.rewrite();
        }
        for (Action& action : end.endpoint->on(event, now)) {
            perform(end, action);
        }
        REQUIRE_MESSAGE(end.endpoint->inconsistency() == nullptr, end.endpoint->inconsistency());
        REQUIRE_MESSAGE(end.kernel.fault().empty(), end.kernel.fault());
    }

    void pass(Duration time) {
        const Instant end = now + time;
        for (;;) {
            settle();
            Instant next = client.endpoint->next_deadline();
            for (const auto& gateway : gateways) {
                next = std::min(next, gateway->endpoint->next_deadline());
            }
            if (next > end) {
                break;
            }
            now = std::max(now, next);
            if (client.endpoint->next_deadline() <= now) {
                event(client, TimePassed{});
            }
            for (const auto& gateway : gateways) {
                if (gateway->endpoint->next_deadline() <= now) {
                    event(*gateway, TimePassed{});
                }
            }
        }
        now = end;
    }
    void settle() {
        while (!wire.empty()) {
            const Packet packet = std::move(wire.front());
            wire.pop_front();
            for (End* end : ends()) {
                if (end->address.address == packet.to.address && !off.contains(end)) {
                    event(*end, DatagramReceived{packet.to, packet.from, packet.bytes});
                }
            }
        }
    }

    End& gateway(std::size_t index) { return *gateways.at(index); }
    /// Of which gateway the client has an IKE SA, and a CHILD SA that sends; nothing: of none, or of more than one.
    std::optional<std::size_t> served_by() { return served_by_all(1); }
    /// The same with so many CHILD SAs.
    std::optional<std::size_t> served_by_all(std::size_t children) {
        std::optional<std::size_t> found;
        if (client.installed() != children) {
            return found;
        }
        for (std::size_t index = 0; index < gateways.size(); ++index) {
            if (client.kernel.newest_outbound()->spec.remote == gateways[index]->address.address) {
                found = index;
            }
        }
        return found;
    }
    /// "1>2 peer-silent": from which to which, and why.
    std::vector<std::string> changes() const {
        std::vector<std::string> all;
        const auto number = [&](const UdpEndpoint& address) {
            const auto is_it = [&](const auto& each) { return each->address == address; };
            return std::to_string(std::distance(gateways.begin(), std::ranges::find_if(gateways, is_it)) + 1);
        };
        for (const Report& report : client.reports) {
            if (report.kind == Report::Kind::gateway_changed) {
                all.push_back(number(*report.from) + ">" + number(report.peer) + " " +
                              std::string(report.error.reason));
            }
        }
        return all;
    }

    End client{"client", "192.0.2.1", settings(), 1};
    std::vector<std::unique_ptr<End>> gateways;
    std::set<const End*> off;          ///< nothing reaches them
    std::set<const End*> unreachable;  ///< there is no way to them
    std::deque<Packet> wire;
    std::size_t sent = 0;  ///< datagrams of the client
    std::size_t seeks = 0;
    Instant now{1h};
    bool rewriting = false;

   private:
    std::vector<End*> ends() {
        std::vector<End*> all{&client};
        for (const auto& gateway : gateways) {
            all.push_back(gateway.get());
        }
        return all;
    }
    void perform(End& end, Action& action) {
        if (auto* send = std::get_if<SendDatagram>(&action)) {
            sent += &end == &client ? 1 : 0;
            wire.push_back({send->from, send->to, std::move(send->bytes)});
        } else if (auto* install = std::get_if<InstallChild>(&action)) {
            auto result = end.kernel.install(*install);
            event(end, ChildInstalled{install->spec.inbound, std::move(result)});
        } else if (auto* outbound = std::get_if<InstallOutbound>(&action)) {
            REQUIRE(end.kernel.install(*outbound));
            event(end, OutboundInstalled{outbound->spec.inbound});
        } else if (auto* remove = std::get_if<RemoveChild>(&action)) {
            end.kernel.remove(*remove);
        } else if (auto* half = std::get_if<RemoveOutbound>(&action)) {
            end.kernel.remove(*half);
        } else if (auto* report = std::get_if<Report>(&action)) {
            end.reports.push_back(std::move(*report));
        } else if (const auto* count = std::get_if<CountTraffic>(&action)) {
            event(end, TrafficCounted{count->sa, end.traffic});
        } else if (const auto* seek = std::get_if<SeekGateway>(&action)) {
            ++seeks;
            const auto is_it = [&](const auto& each) { return each->address == seek->gateway; };
            if (unreachable.contains(std::ranges::find_if(gateways, is_it)->get())) {
                event(end, NoWay{seek->connection, seek->child, {"no-route", "no way"}, seek->probe});
            } else {
                event(end, Initiate{seek->connection, seek->child, end.address, seek->gateway, {}, seek->probe});
            }
        }
    }
};

struct RewrittenSite : Site {
    explicit RewrittenSite(const std::function<void(Connection&)>& change = {}) : Site(change) { rewriting = true; }
};

void keep_up(Connection& rules) {
    rules.keep_up = true;
}

void go_back_at_once(Connection& rules) {
    rules.gateways.back = Gateways::Return::at_once;
    rules.gateways.check = 20s;
}

using Changes = std::vector<std::string>;

/// Something happens to one of the gateways, to the client or to what is between them.
void shake(Site& site, ike::testing::SeededRandom& dice) {
    const auto number = [&](std::uint32_t sides) { return dice.number<std::uint32_t>() % sides; };
    End& one = site.gateway(number(3));
    switch (number(8)) {
        case 0:
        case 1:
            site.off.insert(&one);
            break;
        case 2:
            site.off.erase(&one);
            break;
        case 3:
            one.kernel = {};
            one.endpoint = std::make_unique<Endpoint>(one.settings, one.random);
            one.endpoint->configure(one.connections);
            break;
        case 4:
            site.event(one, Terminate{"a-z"});
            break;
        case 5:
            site.client.rewrite();
            break;
        case 6:
            site.event(site.client, Rekey{"a-z", number(2) == 0 ? "net" : ""});
            break;
        case 7:
            if (site.unreachable.erase(&one) == 0) {
                site.unreachable.insert(&one);
            }
            break;
    }
}

}  // namespace

TEST_SUITE("exchange: several gateways") {
    TEST_CASE_TEMPLATE("one that does not answer is followed by the next at once", Case, Site, RewrittenSite) {
        Case site;
        site.off = {&site.gateway(0), &site.gateway(1)};
        site.up();
        site.pass(7s);
        CHECK(site.changes() == Changes{"1>2 peer-silent"});
        site.pass(7s);
        CHECK(site.served_by() == 2);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent"});
        CHECK(site.client.endpoint->gateway("a-z") == site.gateway(2).address);
    }

    TEST_CASE_TEMPLATE("so is one that refuses", Case, Site, RewrittenSite) {
        Case site;
        auto strict = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
        strict->keys.set_for_all(SharedKey(as_bytes("another one")));
        site.gateway(0).configure(strict);
        site.up();
        site.settle();
        CHECK(site.served_by() == 1);
        CHECK(site.changes() == Changes{"1>2 auth-refused"});
    }

    TEST_CASE("a gateway to which there is no way is passed over") {
        Site site;
        site.unreachable = {&site.gateway(1)};
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(7s);
        CHECK(site.served_by() == 2);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 no-route"});
    }

    TEST_CASE_TEMPLATE("what is dead is left, and what was to be up is up again with the next", Case, Site,
                       RewrittenSite) {
        for (const bool kept : {true, false}) {
            CAPTURE(kept);
            Case site([&](Connection& rules) {
                rules.keep_up = kept;
                rules.liveness = 4s;
            });
            site.up();
            site.pass(1min);
            REQUIRE(site.served_by() == 0);
            site.off = {&site.gateway(0)};
            site.pass(4s + 7s);
            CHECK(site.served_by() == 1);
            CHECK(site.changes() == Changes{"1>2 peer-silent"});
            // And the other way round: from the last one the first is the next.
            site.off = {&site.gateway(1), &site.gateway(2)};
            site.pass(4s + 7s + 7s);
            CHECK(site.served_by() == 0);
            CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent", "3>1 peer-silent"});
        }
    }

    TEST_CASE("one that closes the IKE SA is followed by the next") {
        Site site(keep_up);
        site.up();
        site.pass(10s);
        site.event(site.gateway(0), Terminate{"a-z"});
        site.settle();
        CHECK(site.served_by() == 1);
        CHECK(site.changes() == Changes{"1>2 gateway-closed"});
    }

    TEST_CASE("between rounds there are the pauses of the connection") {
        Site site([](Connection& rules) {
            keep_up(rules);
            rules.retry = {.first = 5s, .most = 5s};
        });
        site.off = {&site.gateway(0), &site.gateway(1), &site.gateway(2)};
        site.up();
        site.pass(21s);
        CHECK(site.seeks == 2);  // the first began without
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent", "3>1 peer-silent"});
        site.pass(4s);
        CHECK(site.seeks == 2);
        site.pass(1s);
        CHECK(site.seeks == 3);
        site.off.clear();
        site.pass(4s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("without a wish for more, one round is all") {
        Site site;
        site.off = {&site.gateway(0), &site.gateway(1), &site.gateway(2)};
        site.up();
        site.pass(5min);
        CHECK(site.seeks == 2);
        CHECK(site.client.standing() == 0);
        site.off.clear();
        site.up();
        site.settle();
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("gateways that take everybody and keep nobody don't make a storm") {
        Site site([](Connection& rules) {
            keep_up(rules);
            rules.retry = {.first = 5s, .most = 5s};
        });
        site.up();
        for (int round = 0; round < 20; ++round) {
            site.settle();
            for (const auto& gateway : site.gateways) {
                site.event(*gateway, Terminate{"a-z"});
            }
        }
        CHECK(site.seeks <= 3);
        site.pass(20s);
        CHECK(site.served_by());
    }

    TEST_CASE("what is taken down stays down, and what an administrator closes is no fault of the gateway's") {
        Site site(keep_up);
        site.up();
        site.pass(10s);
        const IkeSpi spi = site.client.sa()->own_spi();
        site.event(site.client, Terminate{"a-z", spi});
        site.pass(10s);
        CHECK(site.served_by() == 0);
        CHECK(site.changes().empty());
        site.down();
        site.pass(10min);
        CHECK(site.client.standing() == 0);
        CHECK(site.changes().empty());
    }

    TEST_CASE("priority begins with the first again; rotation goes on where it stopped") {
        for (const auto order : {Gateways::Order::priority, Gateways::Order::rotation}) {
            CAPTURE(static_cast<int>(order));
            Site site([&](Connection& rules) { rules.gateways.order = order; });
            const std::size_t first = order == Gateways::Order::priority ? 0 : 1;
            const auto begun = site.client.endpoint->gateway("a-z");
            site.off = {};
            for (const auto& gateway : site.gateways) {
                if (gateway->address == begun) {
                    site.off = {gateway.get()};
                }
            }
            site.up();
            site.pass(8s);
            const auto served = site.served_by();
            REQUIRE(served);
            site.off.clear();
            site.down();
            site.pass(1min);
            site.up();
            site.settle();
            CHECK((site.served_by() == served) == (first == 1));
        }
    }

    TEST_CASE("rotation spreads its beginnings") {
        std::set<UdpEndpoint> begun;
        for (std::uint8_t seed = 0; seed < 20; ++seed) {
            Site site;
            std::array<std::uint8_t, 32> skipped{};
            for (std::uint8_t each = 0; each < seed; ++each) {
                site.client.random.fill(skipped);
            }
            auto rules = Site::rules("client.example", "gw.example", "10.1.0.0/16", "10.2.0.0/16");
            rules->name = "spread";
            rules->gateways = site.client.connections.front()->gateways;
            rules->gateways.order = Gateways::Order::rotation;
            site.client.configure(rules);
            begun.insert(*site.client.endpoint->gateway("spread"));
        }
        CHECK(begun.size() == 3);
    }

    TEST_CASE_TEMPLATE("a better one is used again as soon as it is there: make before break", Case, Site,
                       RewrittenSite) {
        Case site(go_back_at_once);
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.pass(1min);
        CHECK(site.served_by() == 1);  // tried in vain
        site.off.clear();
        const auto before = site.client.kernel.newest_outbound()->spec.outbound;
        for (int step = 0; step < 60 && site.served_by() != 0; ++step) {
            site.pass(500ms);
            CHECK(site.client.installed() >= 1);
        }
        REQUIRE(site.served_by() == 0);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>1 gateway-returned"});
        CHECK(site.client.standing() == 1);
        CHECK_FALSE(site.client.kernel.outbound().contains(before));
        CHECK(site.client.kernel.inbound().size() == 2);  // what is on its way still comes in
        const Sa& serving = *site.client.sa();
        REQUIRE(serving.children.size() == 2);
        CHECK(serving.children.back().state == ChildState::installed);
        CHECK(site.gateway(1).standing() == 0);
        site.pass(10s);
        CHECK(site.client.kernel.inbound().size() == 1);
        // There is none better, and nobody looks.
        const std::size_t seeks = site.seeks;
        site.pass(4min);
        CHECK(site.seeks == seeks);
    }

    TEST_CASE("looks for a better one are bounded, and don't disturb the one in use") {
        Site site(go_back_at_once);
        site.off = {&site.gateway(0), &site.gateway(1)};
        site.up();
        site.pass(15s);
        REQUIRE(site.served_by() == 2);
        const auto child = site.client.kernel.newest_outbound()->spec.outbound;
        const std::size_t seeks = site.seeks;
        site.pass(5min);
        // Each look tries both, 7 s each, and the next comes 20 s later.
        CHECK(site.seeks - seeks <= 2 * (300 / (20 + 14) + 1));
        CHECK(site.seeks - seeks >= 2 * (300 / (20 + 14) - 1));
        CHECK(site.client.kernel.newest_outbound()->spec.outbound == child);
        CHECK(site.changes() == Changes{"1>2 peer-silent", "2>3 peer-silent"});
        // The second of them is better than the third, and the first is looked for from there.
        site.off = {&site.gateway(0)};
        site.pass(40s);
        CHECK(site.served_by() == 1);
        site.off.clear();
        site.pass(40s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("a better gateway that lacks a child is not used") {
        Site site([](Connection& rules) {
            go_back_at_once(rules);
            ChildRule other = rules.children.front();
            other.name = "other";
            other.local = {*parse_selector("10.9.0.0/16")};
            rules.children.push_back(other);
        });
        auto both = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
        ChildRule other = both->children.front();
        other.name = "other";
        other.remote = {*parse_selector("10.9.0.0/16")};
        both->children.push_back(other);
        site.gateway(1).configure(both);
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.client.installed() == 2);
        site.off.clear();
        site.pass(1min);
        CHECK(site.client.installed() == 2);
        CHECK(site.client.last_reason() == "gateway-lacks-child");
        CHECK(site.changes() == Changes{"1>2 peer-silent"});
        CHECK(site.gateway(0).standing() == 0);
        // It is looked at again, and used once it has them.
        site.gateway(0).configure(both);
        site.pass(30s);
        CHECK(site.served_by_all(2) == 0);
    }

    TEST_CASE("an administrator closes the IKE SA with which a better one is tried") {
        Site site(go_back_at_once);
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s + 21s);
        REQUIRE(site.client.standing() == 2);
        for (const auto& [spi, sa] : site.client.endpoint->sas()) {
            if (sa->state == State::init_sent) {
                site.event(site.client, Terminate{"a-z", spi});
                break;
            }
        }
        CHECK(site.served_by() == 1);
        site.off.clear();
        site.pass(30s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE("when the one in use dies while a better one is tried, that one is it") {
        Site site([](Connection& rules) {
            go_back_at_once(rules);
            rules.liveness = 4s;
        });
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.off = {&site.gateway(0), &site.gateway(1), &site.gateway(2)};
        site.pass(9s);  // the next look comes 20 s after the beginning, and finds nobody for 7 s
        site.off = {&site.gateway(1), &site.gateway(2)};
        site.pass(30s);
        CHECK(site.served_by() == 0);
    }

    TEST_CASE_TEMPLATE("when-idle waits until nothing has passed for a while", Case, Site, RewrittenSite) {
        Case site([](Connection& rules) {
            go_back_at_once(rules);
            rules.gateways.back = Gateways::Return::when_idle;
            rules.gateways.idle = 30s;
            rules.liveness = 10s;
        });
        site.client.traffic = Traffic{};
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        REQUIRE(site.served_by() == 1);
        site.off.clear();
        const std::size_t seeks = site.seeks;
        for (int second = 0; second < 120; ++second) {
            site.client.traffic->in += 10;
            site.client.traffic->out += 10;
            site.pass(1s);
        }
        CHECK(site.seeks == seeks);
        CHECK(site.served_by() == 1);
        site.pass(29s - 5s);
        CHECK(site.served_by() == 1);
        site.pass(20s + 5s);
        CHECK(site.served_by() == 0);
        CHECK(site.changes().back() == "2>1 gateway-returned");
    }

    TEST_CASE("gateways die and return, lose their memory and close, at random: in the end the first one serves") {
        for (std::uint64_t seed = 0; seed < 60; ++seed) {
            CAPTURE(seed);
            ike::testing::SeededRandom dice(seed);
            Site site([&](Connection& rules) {
                keep_up(rules);
                go_back_at_once(rules);
                rules.liveness = 4s;
                rules.retry = {.first = 2s, .most = 10s};
            });
            site.up();
            for (int step = 0; step < 60; ++step) {
                shake(site, dice);
                site.pass(std::chrono::milliseconds(dice.number<std::uint32_t>() % 30'000));
            }
            site.off.clear();
            site.unreachable.clear();
            site.pass(6min);
            CHECK(site.served_by() == 0);
            CHECK(site.client.standing() == 1);
            CHECK(site.gateway(0).installed() == 1);
            CHECK(site.gateway(1).standing() + site.gateway(2).standing() == 0);
            CHECK(site.client.endpoint->gateway("a-z") == site.gateway(0).address);
            site.down();
            site.pass(2min);
            CHECK(site.client.kernel.empty());
            CHECK(site.client.standing() == 0);
        }
    }

    TEST_CASE("who stays never looks") {
        Site site;
        site.off = {&site.gateway(0)};
        site.up();
        site.pass(8s);
        site.off.clear();
        const std::size_t seeks = site.seeks;
        site.pass(1h);
        CHECK(site.served_by() == 1);
        CHECK(site.seeks == seeks);
    }

    TEST_CASE("a gateway may begin, and is answered, whichever it is") {
        Site site;
        auto begins = Site::rules("gw.example", "client.example", "10.2.0.0/16", "10.1.0.0/16");
        begins->remote = site.client.address.address;
        site.gateway(2).configure(begins);
        site.event(site.gateway(2), Initiate{"a-z", {}, site.gateway(2).address, site.client.address});
        site.settle();
        CHECK(site.served_by() == 2);
        CHECK(site.changes().empty());
    }
}
