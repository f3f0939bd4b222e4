#include <doctest/doctest.h>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::Packet;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

/// RFC 4555: `a` begins, and so it says between which addresses packets go. What is sent to where nobody is any more
/// is lost; a NAT before `a` may come and go.
template <typename Ends>
struct Roaming : Ends {
    std::optional<IpAddress> nat;                       ///< the address as which `a` is seen
    std::set<IpAddress> of_z{this->z.address.address};  ///< where z gets packets
    std::size_t lost = 0;

    explicit Roaming(std::set<IpAddress> more_of_z = {},
                     const std::function<void(Connection&, Connection&)>& change = {}) {
        of_z.merge(more_of_z);
        this->configure([&](Connection& of_a, Connection& of_z_) {
            of_a.local.reset();
            of_z_.local.reset();
            of_z_.remote.reset();
            if (change) {
                change(of_a, of_z_);
            }
        });
        addresses(this->a, {this->a.address.address});
        addresses(this->z, {of_z.begin(), of_z.end()});
        this->initiate(this->a);
        cross();
        REQUIRE(this->a.sa() != nullptr);
        this->a.reports.clear();
        this->z.reports.clear();
    }

    void addresses(End& end, const std::vector<IpAddress>& all) {
        end.settings.addresses = all;  // as the next process finds them
        this->event(end, OwnAddresses{all});
    }
    /// `a` is somewhere else from now on.
    void move_a(const char* to) {
        this->a.address.address = address(to);
        addresses(this->a, {this->a.address.address});
    }

    /// One packet gets to where it goes, or is lost.
    void cross_one() {
        Packet& packet = this->wire.front();
        // Nobody gets behind a NAT by the address that is there.
        const bool passed_by = nat && packet.to.address == this->a.address.address;
        if (nat && packet.from.address == this->a.address.address) {
            packet.from.address = *nat;
        } else if (nat && packet.to.address == *nat) {
            packet.to.address = this->a.address.address;
        }
        const bool from_here = packet.from.address == this->a.address.address || of_z.contains(packet.from.address) ||
                               packet.from.address == nat;
        if (from_here && !passed_by && packet.to.address == this->a.address.address) {
            this->deliver();
        } else if (from_here && of_z.contains(packet.to.address)) {
            deliver_to_z();
        } else {
            ++lost;
            this->drop();
        }
    }
    void cross() {
        while (!this->wire.empty()) {
            cross_one();
        }
    }
    /// The same with time, until nobody has anything to say for a while.
    void live(Duration time) {
        const Instant end = this->now + time;
        for (cross(); this->now < end; cross()) {
            this->now += std::chrono::milliseconds(500);
            this->event(this->a, TimePassed{});
            this->event(this->z, TimePassed{});
        }
    }

    [[nodiscard]] const ChildSaSpec& child_of(const End& end) const { return end.sa()->children.back().spec; }
    /// Both ends go between these addresses, the SAs in both kernels too.
    void check_path(const IpAddress& of_a, const IpAddress& of_z_, bool in_udp = false) {
        CAPTURE(this->a.states());
        CAPTURE(this->z.states());
        REQUIRE(this->a.sa() != nullptr);
        REQUIRE(this->z.sa() != nullptr);
        const IpAddress seen = nat.value_or(of_a);
        CHECK(this->a.sa()->ends().path() == Path{of_a, of_z_});
        CHECK(this->z.sa()->ends().path() == Path{of_z_, seen});
        for (const auto& [end, local, remote] :
             {std::tuple(&this->a, of_a, of_z_), std::tuple(&this->z, of_z_, seen)}) {
            for (const auto* halves : {&end->kernel.inbound(), &end->kernel.outbound()}) {
                for (const auto& [spi, half] : *halves) {
                    CHECK(half.spec.local == local);
                    CHECK(half.spec.remote == remote);
                    CHECK(half.spec.udp_ports.has_value() == in_udp);
                }
            }
        }
        this->check_up();
    }
    [[nodiscard]] std::string last_change(const End& end) const {
        std::string reason;
        for (const Report& each : end.reports) {
            if (each.kind == Report::Kind::path_changed) {
                reason = each.error.reason;
            }
        }
        return reason;
    }

   private:
    /// Whatever address of z it was sent to.
    void deliver_to_z() {
        const Packet packet = this->wire.front();
        this->wire.pop_front();
        this->event(this->z, DatagramReceived{packet.to, packet.from, packet.bytes});
    }
};

using Roamers = Roaming<TwoEnds>;
using RewrittenRoamers = Roaming<RewrittenEnds>;

const IpAddress kZ = address("198.51.100.7");
const IpAddress kOtherZ = address("198.51.100.8");

}  // namespace

TEST_SUITE("exchange: mobility") {
    TEST_CASE_TEMPLATE("both speak it: port 4500 from IKE_AUTH on", Ends, Roamers, RewrittenRoamers) {
        Ends ends;
        CHECK(ends.a.sa()->mobility.agreed);
        CHECK(ends.z.sa()->mobility.agreed);
        CHECK(ends.a.sa()->mobility.leads);
        CHECK_FALSE(ends.z.sa()->mobility.leads);
        CHECK(ends.a.sa()->remote.port == 4500);
        CHECK(ends.z.sa()->remote.port == 4500);
        ends.check_path(address("192.0.2.1"), kZ);
    }

    TEST_CASE_TEMPLATE("another address while IKE_SA_INIT is under way: no NAT is seen where none is", Ends, Roamers,
                       RewrittenRoamers) {
        Ends ends;
        ends.event(ends.a, Terminate{"a-z"});
        ends.cross();
        ends.live(std::chrono::seconds(35));
        ends.initiate(ends.a);
        ends.wire.clear();
        ends.move_a("192.0.2.2");
        ends.live(std::chrono::seconds(5));
        CHECK_FALSE(ends.z.sa()->nat_there);
        ends.check_path(address("192.0.2.2"), kZ);
    }

    TEST_CASE("another address while keys are computed from the peer's answer: both agree whether there is a NAT") {
        Roamers ends({}, [](Connection& of_a, Connection& of_z) {
            of_a.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x448", {})};
            of_z.proposals = of_a.proposals;
            of_z.mobike = false;
        });
        ends.event(ends.a, Terminate{"a-z"});
        ends.cross();
        ends.live(std::chrono::seconds(35));
        ends.initiate(ends.a);
        ends.deliver();  // to z
        ends.a.holds_errands = true;
        ends.deliver();  // z's answer
        REQUIRE(ends.a.errands.size() == 1);
        const Event late = ends.a.answer(ends.a.errands.front());
        ends.move_a("192.0.2.2");
        ends.a.holds_errands = false;
        ends.event(ends.a, late);
        ends.live(std::chrono::seconds(35));  // until z has given up what came from the other address
        ends.check_path(address("192.0.2.2"), kZ);
        CHECK_FALSE(ends.a.sa()->nat_here);
        CHECK_FALSE(ends.z.sa()->nat_there);
    }

    TEST_CASE_TEMPLATE("one of them does not: nobody goes anywhere", Ends, Roamers, RewrittenRoamers) {
        Ends ends({}, [](Connection& /*of_a*/, Connection& of_z) { of_z.mobike = false; });
        CHECK_FALSE(ends.a.sa()->mobility.agreed);
        CHECK_FALSE(ends.z.sa()->mobility.agreed);
        // It may still be reached there …
        ends.a.address.address = address("192.0.2.2");
        ends.addresses(ends.a, {address("192.0.2.1"), address("192.0.2.2")});
        CHECK(ends.wire.empty());
        CHECK(ends.a.sa()->local.address == address("192.0.2.1"));
        // … or not.
        ends.move_a("192.0.2.2");
        CHECK(ends.a.standing() == 0);
        CHECK(ends.a.last_reason() == "address-gone");
    }

    TEST_CASE_TEMPLATE("a NAT appears, and one of them does not speak it: IKE ends where ESP does", Ends, Roamers,
                       RewrittenRoamers) {
        Ends ends({}, [](Connection& /*of_a*/, Connection& of_z) { of_z.mobike = false; });
        ends.nat = address("203.0.113.5");
        ends.event(ends.a, Rekey{.connection = "a-z", .child = ""});
        ends.live(std::chrono::minutes(5));
        CHECK(ends.a.last_reason() == "peer-silent");
    }

    TEST_CASE_TEMPLATE("another address: the same SAs go on, at both ends", Ends, Roamers, RewrittenRoamers) {
        Ends ends;
        const auto before = ends.a.kernel.inbound().begin()->first;
        ends.move_a("192.0.2.2");
        // What arrived is believed when the peer has answered to there.
        ends.cross_one();
        CHECK(ends.z.sa()->remote.address == address("192.0.2.2"));
        CHECK(ends.child_of(ends.z).remote == address("192.0.2.1"));
        ends.cross();
        ends.check_path(address("192.0.2.2"), kZ);
        CHECK(ends.a.kernel.inbound().begin()->first == before);
        CHECK(ends.last_change(ends.a) == "address-changed");
        CHECK(ends.last_change(ends.z) == "peer-asked");
        const Report& told = ends.a.reports.back();
        CHECK(told.before->local.address == address("192.0.2.1"));
        CHECK(told.after->local.address == address("192.0.2.2"));
        CHECK(ends.a.count(Report::Kind::child_rekeyed) + ends.z.count(Report::Kind::child_rekeyed) == 0);
    }

    TEST_CASE_TEMPLATE("a NAT appears, its mapping changes, and it is gone", Ends, Roamers, RewrittenRoamers) {
        Ends ends;
        ends.nat = address("203.0.113.9");
        ends.move_a("10.9.0.2");
        ends.cross();
        ends.check_path(address("10.9.0.2"), kZ, true);
        CHECK(ends.a.sa()->nat_here);
        CHECK(ends.z.sa()->nat_there);
        CHECK(ends.last_change(ends.a) == "nat-appeared");
        CHECK(ends.last_change(ends.z) == "nat-appeared");
        // The NAT begins anew: who is behind it learns of it when it asks whether the peer is there.
        ends.nat = address("203.0.113.10");
        ends.live(ends.a.sa()->connection->liveness + std::chrono::seconds(2));
        ends.check_path(address("10.9.0.2"), kZ, true);
        ends.nat.reset();
        ends.move_a("192.0.2.3");
        ends.cross();
        ends.check_path(address("192.0.2.3"), kZ, false);
        CHECK(ends.last_change(ends.a) == "nat-gone");
        CHECK(ends.last_change(ends.z) == "nat-gone");
    }

    TEST_CASE_TEMPLATE("two changes at once: the answer to the first one says nothing", Ends, Roamers,
                       RewrittenRoamers) {
        Ends ends;
        ends.move_a("192.0.2.2");
        ends.move_a("192.0.2.3");
        ends.live(std::chrono::seconds(10));
        ends.check_path(address("192.0.2.3"), kZ);
    }

    TEST_CASE_TEMPLATE("in the middle of a rekeying", Ends, Roamers, RewrittenRoamers) {
        for (const std::string child : {"net", ""}) {
            for (const bool by_a : {true, false}) {
                CAPTURE(child);
                CAPTURE(by_a);
                for (int delivered = 0; delivered < 5; ++delivered) {
                    CAPTURE(delivered);
                    Ends ends;
                    ends.event(by_a ? ends.a : ends.z, Rekey{"a-z", child});
                    for (int each = 0; each < delivered && !ends.wire.empty(); ++each) {
                        ends.cross_one();
                    }
                    ends.move_a("192.0.2.2");
                    // What was replaced may be deleted where nobody answers any more.
                    ends.live(std::chrono::minutes(3));
                    CHECK(ends.a.count(Report::Kind::failed) + ends.z.count(Report::Kind::failed) == 0);
                    ends.check_path(address("192.0.2.2"), kZ);
                }
            }
        }
    }

    TEST_CASE_TEMPLATE("lost and late messages", Ends, Roamers, RewrittenRoamers) {
        Ends ends;
        ends.move_a("192.0.2.2");
        REQUIRE(ends.wire.size() == 1);
        const Packet update = ends.wire.front();
        ends.drop();
        ends.live(std::chrono::seconds(3));
        ends.check_path(address("192.0.2.2"), kZ);
        ends.move_a("192.0.2.3");
        ends.cross();
        ends.check_path(address("192.0.2.3"), kZ);
        ends.event(ends.z, DatagramReceived{update.to, update.from, update.bytes});
        ends.cross();
        ends.check_path(address("192.0.2.3"), kZ);
    }

    TEST_CASE_TEMPLATE("the peer does not get what is sent to where it says that it is: nothing goes there", Ends,
                       Roamers, RewrittenRoamers) {
        Ends ends;
        ends.move_a("192.0.2.2");
        ends.cross_one();
        REQUIRE(ends.wire.size() == 2);  // the response, and the check
        ends.drop();
        ends.tamper(ends.z, [](Payloads& payloads) {
            auto* cookie = keysluice::ike::testing::find_in<wire::NotifyPayload>(payloads);
            REQUIRE(cookie != nullptr);
            CHECK(cookie->type == wire::NotifyType::cookie2);
            cookie->data.front() ^= 1U;
        });
        CHECK(ends.child_of(ends.z).remote == address("192.0.2.1"));
        ends.cross_one();
        ends.cross_one();
        CHECK(ends.z.sa() == nullptr);
        CHECK(ends.z.last_reason() == "cookie2-mismatch");
        CHECK(ends.z.kernel.empty());
    }

    TEST_CASE_TEMPLATE("an address that the peer does not take", Ends, Roamers, RewrittenRoamers) {
        Ends ends({kOtherZ}, [](Connection& /*of_a*/, Connection& of_z) { of_z.local = kZ; });
        // It is bound to one address, and so it told of no other.
        CHECK(ends.a.sa()->mobility.peer_addresses == std::vector{kZ});
        ends.event(ends.a, PathsFound{ends.a.sa()->own_spi(), {{address("192.0.2.1"), kOtherZ}}});
        ends.cross();
        CHECK(ends.z.last_reason() == "path-unacceptable");
        CHECK(ends.a.last_reason() == "path-refused");
        ends.live(std::chrono::seconds(2));
        CHECK(ends.a.standing() == 0);
    }

    TEST_CASE_TEMPLATE("the peer has another address, and the first one is lost without a word", Ends, Roamers,
                       RewrittenRoamers) {
        Ends ends({kOtherZ});
        CHECK(ends.a.sa()->mobility.peer_addresses == std::vector{kZ, kOtherZ});
        ends.of_z.erase(kZ);
        ends.live(ends.a.sa()->connection->liveness + std::chrono::seconds(10));
        ends.check_path(address("192.0.2.1"), kOtherZ);
        CHECK(ends.last_change(ends.a) == "path-lost");
        // … and that one in its turn.
        ends.of_z = {kZ};
        ends.live(ends.a.sa()->connection->liveness + std::chrono::seconds(10));
        ends.check_path(address("192.0.2.1"), kZ);
    }

    TEST_CASE_TEMPLATE("the peer says that its address is gone", Ends, Roamers, RewrittenRoamers) {
        Ends ends({kOtherZ});
        ends.of_z.erase(kZ);
        ends.z.address.address = kOtherZ;
        ends.addresses(ends.z, {kOtherZ});
        ends.live(std::chrono::seconds(2));
        ends.check_path(address("192.0.2.1"), kOtherZ);
        CHECK(ends.last_change(ends.z) == "address-changed");
    }

    TEST_CASE_TEMPLATE("the peer's address is gone, and of those that are left the routes choose one", Ends, Roamers,
                       RewrittenRoamers) {
        const IpAddress elsewhere = address("10.9.9.9");
        Ends ends({kOtherZ});
        ends.of_z.erase(kZ);
        ends.z.address.address = kOtherZ;
        ends.addresses(ends.z, {elsewhere, kOtherZ});
        ends.live(std::chrono::seconds(2));
        ends.check_path(address("192.0.2.1"), kOtherZ);
        CHECK(ends.a.sa()->mobility.peer_addresses == std::vector{kOtherZ, elsewhere});
    }

    TEST_CASE_TEMPLATE("the peer's address is gone, and the way that is left is to another one of ours", Ends,
                       Roamers, RewrittenRoamers) {
        const IpAddress first = address("192.0.2.1");
        const IpAddress six = address("2001:db8::1");
        const IpAddress six_of_z = address("2001:db8::8");
        Ends ends({six_of_z});
        ends.addresses(ends.a, {first, six});
        ends.cross();
        REQUIRE(ends.z.sa()->mobility.peer_addresses == std::vector{first, six});
        ends.z.unreachable = {first};
        ends.a.unreachable = {kZ};
        ends.of_z = {six_of_z};
        ends.z.address.address = six_of_z;
        ends.addresses(ends.z, {six_of_z});
        CHECK(ends.z.sa()->ends().path() == Path{six_of_z, six});
        CHECK(ends.z.kernel.newest_outbound()->spec.remote == six);
        // Where there is none, it stays, and goes when there is one.
        ends.z.unreachable = {first, six};
        ends.addresses(ends.z, {kOtherZ});
        CHECK(ends.z.sa()->ends().path() == Path{six_of_z, six});
        ends.z.unreachable.clear();
        ends.z.address.address = kOtherZ;
        ends.addresses(ends.z, {kOtherZ});
        CHECK(ends.z.sa()->local.address == kOtherZ);
    }

    TEST_CASE_TEMPLATE("both move at once", Ends, Roamers, RewrittenRoamers) {
        Ends ends({kOtherZ});
        ends.of_z.erase(kZ);
        ends.z.address.address = kOtherZ;
        ends.addresses(ends.z, {kOtherZ});
        ends.move_a("192.0.2.2");
        ends.live(std::chrono::seconds(20));
        ends.check_path(address("192.0.2.2"), kOtherZ);
    }

    TEST_CASE_TEMPLATE("the peer learns of other addresses, and of their end", Ends, Roamers, RewrittenRoamers) {
        Ends ends;
        ends.addresses(ends.z, {kZ, kOtherZ, address("2001:db8::8")});
        ends.cross();
        CHECK(ends.a.sa()->mobility.peer_addresses == std::vector{kZ, kOtherZ, address("2001:db8::8")});
        ends.addresses(ends.z, {kZ});
        ends.cross();
        CHECK(ends.a.sa()->mobility.peer_addresses == std::vector{kZ});
        ends.check_path(address("192.0.2.1"), kZ);
    }

    TEST_CASE_TEMPLATE("what lies behind a gateway is no way to it", Ends, Roamers, RewrittenRoamers) {
        const std::vector all{kZ, address("10.77.0.1"), kOtherZ};
        const char* protects = "";
        SUBCASE("a network") {
            protects = "10.77.0.0/16";
        }
        SUBCASE("everything, and then it is the way to everything") {
            protects = "0.0.0.0/0";
        }
        const TrafficSelectors behind{*parse_selector(protects)};
        Ends ends({}, [&](Connection& of_a, Connection& of_z) {
            of_a.children.front().remote = behind;
            of_z.children.front().local = behind;
        });
        ends.addresses(ends.z, all);
        ends.cross();
        const bool network = behind != TrafficSelectors{*parse_selector("0.0.0.0/0")};
        CHECK(ends.a.sa()->mobility.peer_addresses == (network ? std::vector{kZ, kOtherZ} : all));
    }

    TEST_CASE_TEMPLATE("a peer that allows no NAT", Ends, Roamers, RewrittenRoamers) {
        Ends ends;
        ends.a.address.address = address("192.0.2.2");
        ends.addresses(ends.a, {ends.a.address.address});
        const auto say = [](const Packet& packet, std::uint16_t port) {
            return [packet, port](Payloads& payloads) {
                Writer data;
                data.raw(packet.from.address.octets()).raw(packet.to.address.octets()).be(port).be(packet.to.port);
                payloads.emplace_back(notify(wire::NotifyType::no_nats_allowed, data.view()));
            };
        };
        ends.tamper(ends.a, say(ends.wire.front(), 1));
        ends.cross();
        CHECK(ends.z.sa()->remote.address == address("192.0.2.1"));
        ends.move_a("192.0.2.3");
        ends.tamper(ends.a, say(ends.wire.front(), ends.wire.front().from.port));
        ends.cross();
        ends.check_path(address("192.0.2.3"), kZ);
    }

    TEST_CASE_TEMPLATE("transport mode: another CHILD SA", Ends, Roamers, RewrittenRoamers) {
        Ends ends({}, [](Connection& of_a, Connection& of_z) {
            for (Connection* each : {&of_a, &of_z}) {
                each->children[0].mode = Mode::transport;
                each->children[0].local.clear();
                each->children[0].remote.clear();
            }
        });
        const EspSpi before = ends.a.sa()->children.front().spec.inbound;
        ends.move_a("192.0.2.2");
        ends.live(std::chrono::seconds(20));
        CHECK(ends.a.sa()->children.back().spec.inbound != before);
        CHECK(ends.child_of(ends.z).remote_selectors == TrafficSelectors{selector_of(address("192.0.2.2"))});
    }
}
