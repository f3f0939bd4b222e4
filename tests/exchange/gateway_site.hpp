#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/exchange/two_ends.hpp"

namespace keysluice::ike::testing {

using namespace std::chrono_literals;

/// A client and three gateways that serve one connection of it.
class GatewaySite {
   public:
    explicit GatewaySite(const std::function<void(Connection&)>& change = {}) {
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
    void settle() { settle_some(std::numeric_limits<int>::max()); }
    /// Delivers so many packets, if there are.
    void settle_some(int packets) {
        for (; !wire.empty() && packets > 0; --packets) {
            const Packet packet = std::move(wire.front());
            wire.pop_front();
            for (End* end : ends()) {
                const bool passes = !off.contains(end) && !cut.contains(packet.to.address);
                if (passes && is_at(*end, packet.to.address)) {
                    event(*end, DatagramReceived{packet.to, packet.from, packet.bytes});
                }
            }
        }
    }

    /// An end has these addresses now, and uses the first.
    void move(End& end, const std::vector<const char*>& to) {
        std::vector<IpAddress> all;
        std::ranges::transform(to, std::back_inserter(all), [](const char* text) { return *IpAddress::parse(text); });
        end.address.address = all.front();
        end.settings.addresses = all;
        event(end, OwnAddresses{all});
    }
    [[nodiscard]] static bool is_at(const End& end, const IpAddress& address) {
        return address == end.address.address || std::ranges::count(end.settings.addresses, address) > 0;
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
            if (is_at(*gateways[index], client.kernel.newest_outbound()->spec.remote)) {
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
    std::set<IpAddress> cut;           ///< nothing gets to these addresses
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
        } else if (const auto* move = std::get_if<MoveChild>(&action)) {
            end.kernel.move(*move);
        } else if (std::holds_alternative<FindPaths>(action)) {
            event(end, end.answer(action));
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
                event(end, NoWay{seek->connection, seek->child, seek->gateway, {"no-route", "no way"}, seek->probe});
            } else {
                event(end, Initiate{seek->connection, seek->child, end.address, seek->gateway, {}, seek->probe});
            }
        }
    }
};

struct RewrittenGatewaySite : GatewaySite {
    explicit RewrittenGatewaySite(const std::function<void(Connection&)>& change = {}) : GatewaySite(change) {
        rewriting = true;
    }
};

}  // namespace keysluice::ike::testing
