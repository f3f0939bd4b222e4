#include "tests/sim/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ike/key_exchange.hpp"
#include "ike/transitions.hpp"
#include "tests/support/ike_end.hpp"

namespace keysluice::ike::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// What is to happen at some moment.
struct Arrival {
    UdpEndpoint from;
    UdpEndpoint to;
    wire::Octets bytes;
};
struct KernelAnswer {
    std::size_t end = 0;
    unsigned life = 0;  ///< of the process that asked
    EspSpi inbound;
    bool accepted = true;
};
/// About an outbound half.
struct OutboundAnswer {
    std::size_t end = 0;
    unsigned life = 0;
    EspSpi inbound;
    bool accepted = true;
};
/// A signature was made or checked, or a key exchange computed.
struct Answer {
    std::size_t end = 0;
    unsigned life = 0;
    Event event;
};
/// What the routes say.
struct Question {
    std::size_t end = 0;
    FindPaths paths;
};
struct Mischief {};

using Planned = std::variant<Arrival, KernelAnswer, OutboundAnswer, Answer, Question, Mischief>;

ChildRule child_rule(std::size_t spoke, bool at_hub, const std::string& group, Random& random) {
    ChildRule child;
    child.name = "net";
    const auto own = *parse_selector(fmt::format("10.{}.0.0/16", spoke));
    const auto hub = *parse_selector("10.200.0.0/16");
    child.local = {at_hub ? hub : own};
    child.remote = {at_hub ? own : hub};
    const bool pfs = spoke % 2 == 0;
    child.proposals = {*parse_esp_proposal(pfs ? "aes128gcm16-" + group : "aes128gcm16", {})};
    child.rekey_time = seconds(20 + random.number<std::uint8_t>() % 60);
    return child;
}

class Simulation {
   public:
    Simulation(std::uint64_t seed, bool narrate)
        : chance_(seed),
          narrate_(narrate),
          certified_(seed % 3 == 0),
          hub_begins_(seed % 5 < 2),
          roaming_(!hub_begins_ && seed % 2 == 0),
          mobike_(seed % 7 != 0),
          eap_(!hub_begins_ && seed % 7 < 2),
          reauth_(seed % 5 != 1),
          group_(seed % 8 < 2 ? "x448" : "x25519") {
        const std::size_t spokes = 1 + seed % 2;
        for (std::size_t each = 0; each <= spokes; ++each) {
            Settings settings;
            settings.cookie_after = dice(4) == 0 ? 0 : 100;
            settings.retransmission = {.first = milliseconds(500), .tries = 6};
            const std::string name = each == 0 ? "hub" : fmt::format("spoke{}", each);
            const std::string address = fmt::format("192.0.2.{}", each + 1);
            hosts_.push_back(std::make_unique<Host>(name, address, settings, seed * 16 + each));
        }
        for (std::size_t each = 0; each < hosts_.size(); ++each) {
            configure(each);
            hosts_[each]->end.settings.addresses = {hosts_[each]->end.address.address};
        }
    }

    std::string play() {
        loss_ = dice(30);
        for (std::size_t each = 0; each < hosts_.size(); ++each) {
            initiate(each);
        }
        plan(milliseconds(dice(5'000)), Mischief{});
        run_until(now_ + minutes(5));
        calm_ = true;
        say("the network mends");
        run_until(now_ + minutes(4));
        while (in_the_middle() && fault_.empty()) {
            run_until(now_ + milliseconds(10));
        }
        check_up();
        for (std::size_t each = 0; each < hosts_.size(); ++each) {
            terminate(each);
        }
        run_until(now_ + minutes(5));
        check_gone();
        return fault_;
    }

   private:
    /// Before a host. It gives every port of it another one.
    struct Nat {
        IpAddress outside;
        std::uint16_t shift = 0;
    };
    struct Host {
        Host(const std::string& name, const std::string& address, Settings settings, std::uint64_t seed)
            : end(name, address.c_str(), settings, seed) {}
        End end;
        unsigned life = 0;
        std::vector<ConnectionPtr> connections;
        std::optional<Nat> nat;
    };

    [[nodiscard]] static UdpEndpoint seen(const Host& host, const UdpEndpoint& inside) {
        return host.nat ? UdpEndpoint{host.nat->outside, static_cast<std::uint16_t>(inside.port + host.nat->shift)}
                        : inside;
    }
    /// The host that gets what goes there, and where that comes in; null: nobody does.
    [[nodiscard]] Host* receiver(UdpEndpoint& to) {
        for (const auto& host : hosts_) {
            if (to.address == (host->nat ? host->nat->outside : host->end.address.address)) {
                to.port = static_cast<std::uint16_t>(host->nat ? to.port - host->nat->shift : to.port);
                to.address = host->end.address.address;
                return host.get();
            }
        }
        return nullptr;
    }

    std::uint32_t dice(std::uint32_t sides) { return chance_.number<std::uint32_t>() % sides; }

    void say(const std::string& what) {
        if (narrate_) {
            fmt::print("{:10.3f} {}\n", std::chrono::duration<double>(now_.time_since_epoch()).count() - 3600, what);
        }
    }
    void blame(std::string what) {
        if (fault_.empty()) {
            say("FAULT " + what);
            fault_ = std::move(what);
        }
    }

    ConnectionPtr connection(std::size_t own, std::size_t peer) {
        Host& host = *hosts_[own];
        Host& other = *hosts_[peer];
        auto connection = std::make_shared<Connection>();
        connection->name = own == 0 ? other.end.name : "hub";
        if (!roaming_) {
            connection->local = host.end.address.address;
        }
        if (!roaming_ || own != 0) {
            connection->remote = other.end.address.address;
        }
        connection->mobike = mobike_ || own == 0;
        connection->local_id = *parse_identity(host.end.name + ".example");
        connection->remote_id = *IdentityPattern::parse(other.end.name + ".example");
        connection->keys.set_for_all(SharedKey(as_bytes("secret")));
        connection->proposals = {
            *parse_ike_proposal("aes128gcm16-prfsha256-" + group_ + (own == 0 && dice(3) == 0 ? "" : "-ecp256"), {})};
        connection->children.push_back(child_rule(own == 0 ? peer : own, own == 0, group_, chance_));
        connection->rekey_time = seconds(30 + dice(90));
        if (reauth_ && dice(4) != 0) {
            connection->reauth_time = seconds(20 + dice(90));
        }
        connection->liveness = seconds(5 + dice(10));
        connection->keep_up = own != 0 || hub_begins_;
        if (certified_) {  // by an engine and threads that believe everybody
            connection->auth = Auth::certificate;
            connection->remote_auth = Auth::certificate;
            connection->certificate = {.chain = {{1, 2, 3}}, .key_kind = crypto::KeyKind::ed25519, .key_id = {}};
            connection->authorities = std::make_shared<const crypto::Authorities>(
                std::vector<crypto::Certificate>{}, std::vector<crypto::RevocationListPtr>{});
        }
        if (eap_) {
            (own == 0 ? connection->remote_auth : connection->auth) = Auth::eap_mschapv2;
            connection->eap_rules.methods = {eap::Type::mschapv2};
            connection->eap_rules.identity = host.end.name + ".example";
            connection->eap_rules.password = eap::Password(as_bytes("secret"));
            connection->eap_rules.users.emplace(other.end.name + ".example", eap::Password(as_bytes("secret")));
        }
        return connection;
    }

    void configure(std::size_t own) {
        Host& host = *hosts_[own];
        for (std::size_t peer = 0; peer < hosts_.size(); ++peer) {
            if ((own == 0) != (peer == 0)) {
                host.connections.push_back(connection(own, peer));
            }
        }
        host.end.connections = host.connections;
        host.end.endpoint->configure(host.connections);
    }

    /// Whatever the host is to keep up.
    void initiate(std::size_t own) {
        for (const ConnectionPtr& each : hosts_[own]->connections) {
            if (each->keep_up) {
                event(own, Initiate{.connection = each->name,
                                    .child = {},
                                    .local = hosts_[own]->end.address,
                                    .remote = {*each->remote, hosts_[own]->end.address.port}});
            }
        }
    }
    void terminate(std::size_t own) {
        for (const ConnectionPtr& each : hosts_[own]->connections) {
            event(own, Terminate{each->name});
        }
    }

    void plan(Duration wait, Planned what) { planned_.emplace(std::pair(now_ + wait, order_++), std::move(what)); }

    void send(const Host& host, SendDatagram datagram) {
        if (datagram.keepalive || datagram.from.address != host.end.address.address) {
            return;  // from an address that it has no longer
        }
        datagram.from = seen(host, datagram.from);
        const unsigned copies = calm_ ? 1 : dice(100) < loss_ || now_ < outage_until_ ? 0 : dice(10) == 0 ? 2 : 1;
        for (unsigned copy = 0; copy < copies; ++copy) {
            const Duration delay = calm_ ? milliseconds(5) : milliseconds(1 + dice(dice(8) == 0 ? 3'000 : 100));
            plan(delay, Arrival{datagram.from, datagram.to, datagram.bytes});
        }
    }

    void event(std::size_t own, const Event& event) {
        Host& host = *hosts_[own];
        for (Action& action : host.end.endpoint->on(event, now_)) {
            perform(own, action);
        }
        if (const char* fault = host.end.endpoint->inconsistency()) {
            blame(fmt::format("{}: {}", host.end.name, fault));
        }
        if (!host.end.kernel.fault().empty()) {
            blame(fmt::format("{}: {}", host.end.name, host.end.kernel.fault()));
        }
        check_keys();
    }

    void perform(std::size_t own, Action& action) {
        Host& host = *hosts_[own];
        if (auto* datagram = std::get_if<SendDatagram>(&action)) {
            send(host, std::move(*datagram));
        } else if (const auto* install = std::get_if<InstallChild>(&action)) {
            host.end.kernel.refuses = !calm_ && dice(50) == 0;
            const bool accepted = host.end.kernel.install(*install).has_value();
            plan(milliseconds(dice(20)), KernelAnswer{own, host.life, install->spec.inbound, accepted});
        } else if (const auto* outbound = std::get_if<InstallOutbound>(&action)) {
            host.end.kernel.refuses = !calm_ && dice(50) == 0;
            const bool accepted = host.end.kernel.install(*outbound).has_value();
            plan(milliseconds(dice(20)), OutboundAnswer{own, host.life, outbound->spec.inbound, accepted});
        } else if (const auto* move = std::get_if<MoveChild>(&action)) {
            host.end.kernel.move(*move);
        } else if (const auto* remove = std::get_if<RemoveChild>(&action)) {
            host.end.kernel.remove(*remove);
        } else if (const auto* half = std::get_if<RemoveOutbound>(&action)) {
            host.end.kernel.remove(*half);
        } else if (const auto* sign = std::get_if<Sign>(&action)) {
            answer(own, Signed{sign->sa, sign->epoch, wire::Octets{1}});
        } else if (const auto* verify = std::get_if<VerifyPeer>(&action)) {
            const bool believed = calm_ || dice(50) != 0;
            answer(own, PeerVerified{verify->sa, verify->epoch,
                                     believed ? Result<void>{} : fail("certificate-revoked", "no")});
        } else if (const auto* exchange = std::get_if<ExchangeKeys>(&action)) {
            KeysExchanged exchanged = exchange_keys(*exchange);
            if (!calm_ && dice(50) == 0) {
                exchanged.result = fail("key-exchange-busy", "no");
            }
            answer(own, std::move(exchanged));
        } else if (const auto* question = std::get_if<FindPaths>(&action)) {
            plan({}, Question{own, *question});
        } else if (const auto* count = std::get_if<CountTraffic>(&action)) {
            answer(own, TrafficCounted{count->sa, {}});
        } else if (const auto* report = std::get_if<Report>(&action)) {
            say(fmt::format("{} reports {} {} {}", host.end.name, static_cast<int>(report->kind),
                            report->error.reason, report->error.sentence));
        }
    }

    /// Most answers come soon, some late, and some never.
    void answer(std::size_t own, Event event) {
        if (calm_ || dice(20) != 0) {
            const Duration wait = milliseconds(dice(!calm_ && dice(8) == 0 ? 20'000 : 20));
            plan(wait, Answer{own, hosts_[own]->life, std::move(event)});
        }
    }

    /// Never two ends with different keys for one SPI.
    void check_keys() {
        for (const auto& sender : hosts_) {
            for (const auto& [spi, half] : sender->end.kernel.outbound()) {
                for (const auto& receiver : hosts_) {
                    const auto found = receiver->end.kernel.inbound().find(spi);
                    if (receiver != sender && found != receiver->end.kernel.inbound().end() &&
                        found->second.keys != half.keys) {
                        blame(fmt::format("{} and {} have different keys for SPI {:08x}", sender->end.name,
                                          receiver->end.name, spi.value));
                    }
                }
            }
        }
    }

    void happen(Arrival& arrival) {
        const Host* const host = receiver(arrival.to);
        for (std::size_t each = 0; each < hosts_.size(); ++each) {
            if (hosts_[each].get() == host) {
                event(each, DatagramReceived{arrival.to, arrival.from, arrival.bytes});
            }
        }
    }
    void happen(KernelAnswer& answer) {
        if (hosts_[answer.end]->life == answer.life) {
            event(answer.end,
                  ChildInstalled{answer.inbound, answer.accepted ? Result<void>{} : fail("kernel-refused", "no")});
        }
    }
    void happen(OutboundAnswer& answer) {
        if (hosts_[answer.end]->life != answer.life) {
            return;
        }
        if (answer.accepted) {
            event(answer.end, OutboundInstalled{answer.inbound});
        } else {
            event(answer.end, ChildLost{answer.inbound, {"kernel-refused", "no"}});
        }
    }
    void happen(Answer& answer) {
        if (hosts_[answer.end]->life == answer.life) {
            event(answer.end, answer.event);
        }
    }
    void happen(Question& question) { event(question.end, hosts_[question.end]->end.answer(question.paths)); }
    void happen(Mischief& /*mischief*/) {
        if (calm_) {
            return;
        }
        const std::size_t own = dice(static_cast<std::uint32_t>(hosts_.size()));
        Host& host = *hosts_[own];
        const std::string connection = host.connections.front()->name;
        switch (dice(roaming_ ? 14 : 10)) {
            case 0:
            case 1:
                say(host.end.name + " rekeys its child");
                event(own, Rekey{connection, "net"});
                break;
            case 2:
                if (reauth_ && dice(3) != 0) {
                    say(host.end.name + " authenticates anew");
                    event(own, Reauthenticate{connection});
                } else {
                    say(host.end.name + " rekeys the IKE SA");
                    event(own, Rekey{connection, {}});
                }
                break;
            case 3:
                say(host.end.name + " closes");
                event(own, Terminate{connection});
                initiate(own);
                break;
            case 4:
                say(host.end.name + " is replaced by another process");
                take_over(own);
                break;
            case 5:
                say(host.end.name + " loses its memory");
                lose_memory(own);
                break;
            case 6:
                say("nothing passes for a while");
                outage_until_ = now_ + seconds(dice(40));
                break;
            case 7:
                loss_ = dice(40);
                break;
            case 8:
            case 9:
                come_to_limit(own);
                break;
            case 10:
            case 11:
                move(own);
                break;
            case 12:
            case 13:
                change_nat(own);
                break;
        }
        plan(milliseconds(dice(20'000)), Mischief{});
    }

    [[nodiscard]] IpAddress new_address() {
        ++moves_;
        return *IpAddress::parse(fmt::format("10.9.{}.{}", moves_ / 200, 1 + moves_ % 200));
    }

    /// A spoke has another address, and knows it.
    void move(std::size_t own) {
        if (own == 0) {
            return;
        }
        Host& host = *hosts_[own];
        host.end.address.address = new_address();
        say(host.end.name + " moves to " + host.end.address.address.text());
        event(own, OwnAddresses{{host.end.address.address}});
        initiate(own);
    }

    /// A NAT before a spoke begins, forgets what it knew, or is gone; nobody is told.
    void change_nat(std::size_t own) {
        if (own == 0) {
            return;
        }
        Host& host = *hosts_[own];
        if (dice(3) == 0) {
            host.nat.reset();
        } else {
            host.nat = Nat{new_address(), static_cast<std::uint16_t>(dice(20'000))};
        }
        say(host.end.name + (host.nat ? " is behind a NAT, " + host.nat->outside.text() : " is behind no NAT"));
    }

    /// What a host sends through a tunnel gets to the peer's SA, and is not mistaken for something else on the way.
    void check_way(const Host& from, const FakeKernel::Half& half) {
        const auto& ports = half.spec.udp_ports;
        UdpEndpoint to{half.spec.remote, ports ? ports->second : std::uint16_t{4500}};
        const UdpEndpoint source = seen(from, {half.spec.local, ports ? ports->first : std::uint16_t{4500}});
        const bool translated = source.address != half.spec.local;
        const Host* const peer = receiver(to);
        if (half.spec.local != from.end.address.address || peer == nullptr) {
            blame(fmt::format("{} sends ESP from {} to {}, where nobody is", from.end.name, half.spec.local.text(),
                              half.spec.remote.text()));
            return;
        }
        const auto found = peer->end.kernel.inbound().find(half.spec.outbound);
        if (found == peer->end.kernel.inbound().end()) {
            return;  // check_up() has said so
        }
        const ChildSaSpec& inbound = found->second.spec;
        if (inbound.local != to.address || inbound.udp_ports.has_value() != ports.has_value()) {
            blame(fmt::format("{} has its inbound SA elsewhere than {} sends to", peer->end.name, from.end.name));
        } else if ((translated || peer->nat) && (!ports || to.port != 4500)) {
            blame(fmt::format("{} sends to {} through a NAT, and not by its mapping", from.end.name, peer->end.name));
        }
    }

    /// A soft one, or a hard one.
    void come_to_limit(std::size_t own) {
        FakeKernel& kernel = hosts_[own]->end.kernel;
        if (kernel.inbound().empty()) {
            return;
        }
        const EspSpi inbound = kernel.inbound().begin()->first;
        if (dice(2) == 0) {
            say(hosts_[own]->end.name + "'s child comes to a soft limit");
            event(own, ChildSpent{inbound});
        } else {
            say(hosts_[own]->end.name + "'s child comes to a hard limit");
            kernel.delete_expired(inbound);
            event(own, ChildLost{inbound, {"sa-expired", "the kernel has deleted it"}});
        }
    }

    /// By another process: what the kernel and others say to the one before, nobody hears.
    void take_over(std::size_t own) {
        Host& host = *hosts_[own];
        ++host.life;
        host.end.rewrite();
        for (Action& action : host.end.endpoint->unconfirmed()) {
            const FakeKernel& kernel = host.end.kernel;
            if (const auto* install = std::get_if<InstallChild>(&action);
                install != nullptr && kernel.inbound().contains(install->spec.inbound)) {
                event(own, ChildInstalled{install->spec.inbound, {}});
            } else if (const auto* outbound = std::get_if<InstallOutbound>(&action);
                       outbound != nullptr && kernel.outbound().contains(outbound->spec.outbound)) {
                event(own, OutboundInstalled{outbound->spec.inbound});
            } else {
                perform(own, action);
            }
        }
    }

    void lose_memory(std::size_t own) {
        Host& host = *hosts_[own];
        ++host.life;
        host.end.kernel = FakeKernel{};
        ++host.end.settings.epoch;
        host.end.endpoint = std::make_unique<Endpoint>(host.end.settings, host.end.random);
        host.end.endpoint->configure(host.connections);
        initiate(own);
    }

    [[nodiscard]] Instant next_deadline() const {
        Instant next = Instant::max();
        for (const auto& host : hosts_) {
            next = std::min(next, host->end.endpoint->next_deadline());
        }
        return next;
    }

    void run_until(Instant end) {
        while (fault_.empty()) {
            const Instant deadline = next_deadline();
            const Instant arrival = planned_.empty() ? Instant::max() : planned_.begin()->first.first;
            if (std::min(deadline, arrival) > end) {
                break;
            }
            if (++steps_ > 200'000) {
                blame("it never comes to rest");
            }
            if (arrival <= deadline) {
                auto planned = planned_.extract(planned_.begin());
                now_ = std::max(now_, arrival);
                std::visit([&](auto& what) { happen(what); }, planned.mapped());
                continue;
            }
            now_ = std::max(now_, deadline);
            for (std::size_t each = 0; each < hosts_.size(); ++each) {
                if (hosts_[each]->end.endpoint->next_deadline() <= now_) {
                    event(each, TimePassed{});
                }
            }
        }
        now_ = end;
    }

    /// Of an exchange, somewhere.
    [[nodiscard]] bool in_the_middle() const {
        const auto is_changing = [](const ChildSa& child) {
            return child.state != ChildState::installed && child.state != ChildState::lingering;
        };
        const auto is_busy = [&](const auto& each) {
            const bool comes = each.second->reauth.old || each.second->reauth.fresh;
            return comes || each.second->current || std::ranges::any_of(each.second->children, is_changing);
        };
        return std::ranges::any_of(
            hosts_, [&](const auto& host) { return std::ranges::any_of(host->end.endpoint->sas(), is_busy); });
    }

    /// Of each connection one IKE SA, with one CHILD SA.
    void check_single(const End& end) {
        for (const ConnectionPtr& connection : end.connections) {
            std::size_t sas = 0;
            std::size_t children = 0;
            for (const auto& [spi, sa] : end.endpoint->sas()) {
                if (sa->connection->name == connection->name && sa->state == State::established) {
                    ++sas;
                    children += static_cast<std::size_t>(std::ranges::count_if(
                        sa->children, [](const auto& child) { return child.state == ChildState::installed; }));
                }
            }
            if (sas != 1 || children != 1) {
                blame(fmt::format("{} has {} IKE SAs and {} CHILD SAs of {}", end.name, sas, children,
                                  connection->name));
            }
        }
    }

    void check_up() {
        for (const auto& host : hosts_) {
            check_single(host->end);
        }
        for (std::size_t each = 1; each < hosts_.size(); ++each) {
            const End& spoke = hosts_[each]->end;
            if (spoke.installed() == 0) {
                blame(fmt::format("{} is not up again", spoke.name));
            }
            for (const auto& [spi, half] : spoke.kernel.outbound()) {
                if (!hosts_[0]->end.kernel.inbound().contains(spi)) {
                    blame(
                        fmt::format("{} sends with SPI {:08x}, which the hub does not have", spoke.name, spi.value));
                }
            }
        }
        for (const auto& host : hosts_) {
            for (const auto& [spi, half] : host->end.kernel.outbound()) {
                check_way(*host, half);
            }
        }
        for (const auto& [spi, half] : hosts_[0]->end.kernel.outbound()) {
            bool known = false;
            for (const auto& host : hosts_) {
                known |= host->end.kernel.inbound().contains(spi);
            }
            if (!known) {
                blame(fmt::format("the hub sends with SPI {:08x}, which nobody has", spi.value));
            }
        }
    }

    void check_gone() {
        for (const auto& host : hosts_) {
            if (!host->end.kernel.empty()) {
                blame(fmt::format("{}'s kernel keeps {} inbound and {} outbound SAs", host->end.name,
                                  host->end.kernel.inbound().size(), host->end.kernel.outbound().size()));
            }
            for (const auto& [spi, sa] : host->end.endpoint->sas()) {
                blame(fmt::format("{} keeps an IKE SA that is {}", host->end.name, name_of(sa->state)));
            }
        }
    }

    SeededRandom chance_;
    bool narrate_;
    bool certified_;   ///< all prove who they are by certificates
    bool hub_begins_;  ///< as the spokes do, so that both ends may at once
    bool roaming_;     ///< spokes change their addresses, and NATs come and go
    bool mobike_;      ///< spokes speak MOBIKE
    unsigned moves_ = 0;
    bool eap_;           ///< the spokes prove who they are by EAP
    bool reauth_;        ///< other IKE SAs are put in the place of old ones
    std::string group_;  ///< of key exchanges: one that takes long, or not
    std::vector<std::unique_ptr<Host>> hosts_;
    std::map<std::pair<Instant, std::uint64_t>, Planned> planned_;  ///< by time, and in order
    std::uint64_t order_ = 0;
    std::uint64_t steps_ = 0;
    Instant now_{std::chrono::hours(1)};
    Instant outage_until_{};
    std::uint32_t loss_ = 0;  ///< per cent
    bool calm_ = false;
    std::string fault_;
};

}  // namespace

std::string play(std::uint64_t seed, bool narrate) {
    return Simulation(seed, narrate).play();
}

}  // namespace keysluice::ike::testing
