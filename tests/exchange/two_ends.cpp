#include "tests/exchange/two_ends.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

namespace keysluice::ike::testing {
namespace {

Connection connection_of(const End& own, const End& peer) {
    Connection connection;
    connection.name = "a-z";
    connection.local = own.address.address;
    connection.remote = peer.address.address;
    connection.local_id = *parse_identity(own.name + ".example");
    connection.remote_id = *IdentityPattern::parse(peer.name + ".example");
    connection.keys.set_for_all(SharedKey(as_bytes("correct horse battery staple")));
    connection.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x25519", {})};
    ChildRule child;
    child.name = "net";
    child.local = {*parse_selector(own.name == "a" ? "10.1.0.0/16" : "10.2.0.0/16")};
    child.remote = {*parse_selector(own.name == "a" ? "10.2.0.0/16" : "10.1.0.0/16")};
    child.proposals = {*parse_esp_proposal("aes128gcm16", {})};
    connection.children.push_back(std::move(child));
    return connection;
}

}  // namespace

TwoEnds::TwoEnds(Settings of_a, Settings of_z) : a("a", "192.0.2.1", of_a, 1), z("z", "198.51.100.7", of_z, 2) {}

void TwoEnds::configure(const std::function<void(Connection&, Connection&)>& change) {
    auto of_a = std::make_shared<Connection>(connection_of(a, z));
    auto of_z = std::make_shared<Connection>(connection_of(z, a));
    if (change) {
        change(*of_a, *of_z);
    }
    a.configure(std::move(of_a));
    z.configure(std::move(of_z));
}

void TwoEnds::initiate(End& end, const std::string& child) {
    event(
        end,
        Initiate{.connection = "a-z", .child = child, .local = end.address, .remote = (&end == &a ? z : a).address});
}

void TwoEnds::event(End& end, const Event& event) {
    if (rewriting) {
        end.rewrite();
    }
    perform(end, end.endpoint->on(event, now));
}

void TwoEnds::perform(End& end, Actions actions) {
    REQUIRE_MESSAGE(end.kernel.fault().empty(), end.kernel.fault());
    REQUIRE_MESSAGE(end.endpoint->inconsistency() == nullptr, end.endpoint->inconsistency());
    for (Action& action : actions) {
        if (auto* send = std::get_if<SendDatagram>(&action)) {
            if (!send->keepalive) {
                wire.push_back({send->from, send->to, std::move(send->bytes)});
            }
        } else if (auto* install = std::get_if<InstallChild>(&action)) {
            auto result = end.kernel.install(*install);
            if (!end.holds_installs) {
                event(end, ChildInstalled{install->spec.inbound, std::move(result)});
            }
        } else if (auto* outbound = std::get_if<InstallOutbound>(&action)) {
            if (end.holds_outbound) {
                continue;
            }
            if (auto result = end.kernel.install(*outbound); !result) {
                event(end, ChildLost{outbound->spec.inbound, std::move(result).error()});
            } else {
                event(end, OutboundInstalled{outbound->spec.inbound});
            }
        } else if (const auto* move = std::get_if<MoveChild>(&action)) {
            end.kernel.move(*move);
        } else if (auto* remove = std::get_if<RemoveChild>(&action)) {
            end.kernel.remove(*remove);
        } else if (auto* half = std::get_if<RemoveOutbound>(&action)) {
            end.kernel.remove(*half);
        } else if (auto* report = std::get_if<Report>(&action)) {
            end.reports.push_back(std::move(*report));
        } else if (const auto* count = std::get_if<CountTraffic>(&action)) {
            event(end, TrafficCounted{count->sa, end.traffic});
        } else if (!std::holds_alternative<StateChanged>(action)) {
            perform_errand(end, std::move(action));
        }
    }
}

void TwoEnds::perform_errand(End& end, Action errand) {
    // What the routes say is known at once.
    if (end.holds_errands && !std::holds_alternative<FindPaths>(errand)) {
        end.errands.push_back(std::move(errand));
        return;
    }
    // The answer comes to the process that asked. Where another one took over, that one asks again.
    if (rewriting && !asked_again_) {
        asked_again_ = true;
        const Event late = end.answer(errand);
        end.rewrite();
        perform(end, end.endpoint->on(late, now));
        perform(end, end.endpoint->on(TimePassed{}, now));
        asked_again_ = false;
        return;
    }
    perform(end, end.endpoint->on(end.answer(errand), now));
}

bool TwoEnds::deliver() {
    if (wire.empty()) {
        return false;
    }
    const Packet packet = std::move(wire.front());
    wire.pop_front();
    event(other(packet.to), DatagramReceived{packet.to, packet.from, packet.bytes});
    return true;
}

void TwoEnds::drop() {
    REQUIRE_FALSE(wire.empty());
    wire.pop_front();
}

void TwoEnds::tamper(const End& sender, const std::function<void(Payloads&)>& change) {
    REQUIRE(wire.size() == 1);
    Packet& packet = wire.front();
    const auto message = wire::parse(packet.bytes);
    REQUIRE(message);
    REQUIRE(message->encrypted);
    const wire::Header& header = message->header;
    const Sa& sa = *sender.endpoint->sas().at(header.from_initiator ? header.initiator_spi : header.responder_spi);
    Toolbox tools;
    const auto plaintext = open_part(tools, sa.suite, sa.sending(), *message->encrypted);
    REQUIRE(plaintext);
    Payloads payloads = wire::parse_payloads(message->encrypted->first_inner, *plaintext).value();
    change(payloads);
    IvCounter iv{.epoch = 77, .next = 0};
    packet.bytes = seal_message(tools, sa.suite, sa.sending(), iv, message->header, payloads, {}).value().front();
}

void TwoEnds::settle() {
    while (deliver()) {
    }
}

void TwoEnds::pass(Duration time) {
    const Instant end = now + time;
    for (;;) {
        settle();
        const Instant next = std::min(a.endpoint->next_deadline(), z.endpoint->next_deadline());
        if (next > end) {
            break;
        }
        now = std::max(now, next);
        for (End* each : {&a, &z}) {
            if (each->endpoint->next_deadline() <= now) {
                event(*each, TimePassed{});
            }
        }
    }
    now = end;
}

void TwoEnds::pass_silently(Duration time) {
    const Instant end = now + time;
    for (;;) {
        wire.clear();
        const Instant next = std::min(a.endpoint->next_deadline(), z.endpoint->next_deadline());
        if (next > end) {
            break;
        }
        now = std::max(now, next);
        event(a, TimePassed{});
        event(z, TimePassed{});
    }
    wire.clear();
    now = end;
}

void TwoEnds::check_kernels() const {
    for (const auto& [here, there] : {std::pair{&a, &z}, std::pair{&z, &a}}) {
        for (const auto& [spi, half] : here->kernel.outbound()) {
            const auto peer = there->kernel.inbound().find(spi);
            REQUIRE(peer != there->kernel.inbound().end());
            CHECK(peer->second.keys == half.keys);
            CHECK(peer->second.spec.local_selectors == half.spec.remote_selectors);
            CHECK(peer->second.spec.remote_selectors == half.spec.local_selectors);
            CHECK(peer->second.spec.suite == half.spec.suite);
        }
    }
}

void TwoEnds::check_up(std::size_t children) const {
    CAPTURE(a.states());
    CAPTURE(z.states());
    REQUIRE(a.sa() != nullptr);
    REQUIRE(z.sa() != nullptr);
    CHECK(a.sa()->state == State::established);
    CHECK(z.sa()->state == State::established);
    CHECK(a.sa()->initiator_spi == z.sa()->initiator_spi);
    CHECK(a.sa()->responder_spi == z.sa()->responder_spi);
    CHECK(a.installed() == children);
    CHECK(z.installed() == children);
    CHECK(a.kernel.outbound().size() == children);
    CHECK(z.kernel.outbound().size() == children);
    check_kernels();
}

}  // namespace keysluice::ike::testing
