#include <doctest/doctest.h>

#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::Packet;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

/// End `a` behind a NAT, whose mapping the test changes. Without MOBIKE, RFC 7296 section 2.23 holds.
template <typename Ends>
struct Natted : Ends {
    UdpEndpoint outside{*IpAddress::parse("203.0.113.9"), 61'000};

    /// `offload` of z.
    explicit Natted(Mode mode = Mode::tunnel, Offload offload = Offload::off, bool mobike = false) {
        this->configure([&](Connection& of_a, Connection& of_z) {
            of_z.remote = std::nullopt;
            of_a.mobike = mobike;
            of_z.children[0].offload = offload;
            for (Connection* each : {&of_a, &of_z}) {
                each->children[0].mode = mode;
                if (mode == Mode::transport) {
                    each->children[0].local.clear();
                    each->children[0].remote.clear();
                }
            }
        });
        this->initiate(this->a);
        cross();
    }
    /// Port 4500 of `a` is `outside`, its port 500 another one.
    void translate(Packet& packet) const {
        if (packet.from.address == this->a.address.address) {
            packet.from = {outside.address, packet.from.port == 4500 ? outside.port : std::uint16_t{500}};
        } else if (packet.to.address == outside.address && (packet.to == outside || packet.to.port == 500)) {
            packet.to = {this->a.address.address, packet.to == outside ? std::uint16_t{4500} : std::uint16_t{500}};
        }
    }
    /// Delivers until the wire is quiet; what goes to where the NAT no longer is, is lost.
    void cross() {
        while (!this->wire.empty()) {
            translate(this->wire.front());
            const IpAddress to = this->wire.front().to.address;
            if (to == this->a.address.address || to == this->z.address.address) {
                this->deliver();
            } else {
                this->drop();
            }
        }
    }
    [[nodiscard]] const ChildSa& child_of_z() const { return this->z.sa()->children.back(); }
    [[nodiscard]] EspSpi inbound_of_z() const { return child_of_z().spec.inbound; }
};

using Mapped = Natted<TwoEnds>;
using RewrittenMapped = Natted<RewrittenEnds>;

}  // namespace

TEST_SUITE("exchange: where the peer is") {
    TEST_CASE_TEMPLATE("another port of the NAT, seen in an ESP packet: the SAs go on with it", Ends, Mapped,
                       RewrittenMapped) {
        Ends ends;
        ends.check_up();
        REQUIRE(ends.z.sa()->nat_there);
        REQUIRE(ends.a.sa()->nat_here);
        CHECK(ends.z.sa()->remote == ends.outside);
        const EspSpi inbound = ends.inbound_of_z();
        ends.outside.port = 62'000;
        ends.event(ends.z, PeerMoved{inbound, ends.outside});
        CHECK(ends.wire.empty());
        CHECK(ends.z.sa()->remote == ends.outside);
        CHECK(ends.inbound_of_z() == inbound);
        CHECK(ends.z.count(Report::Kind::moved) == 1);
        CHECK(ends.z.reports.back().peer == ends.outside);
        CHECK(ends.z.kernel.inbound().at(inbound).spec.udp_ports ==
              std::pair{std::uint16_t{4500}, ends.outside.port});
        CHECK(ends.z.kernel.newest_outbound()->spec.udp_ports->second == ends.outside.port);
        ends.event(ends.z, Rekey{"a-z", "net"});
        ends.cross();
        CHECK(ends.inbound_of_z() != inbound);
        CHECK(ends.child_of_z().spec.udp_ports->second == ends.outside.port);
        CHECK(ends.z.count(Report::Kind::child_rekeyed) == 1);
    }

    TEST_CASE_TEMPLATE("another port of the NAT, and a device that makes whole packets: new keys", Ends, Mapped,
                       RewrittenMapped) {
        Ends ends(Mode::tunnel, Offload::packet);
        const EspSpi before = ends.inbound_of_z();
        ends.outside.port = 62'000;
        ends.event(ends.z, PeerMoved{before, ends.outside});
        CHECK(ends.z.kernel.inbound().at(before).spec.udp_ports->second == 61'000);
        ends.cross();
        CHECK(ends.inbound_of_z() != before);
        CHECK(ends.child_of_z().spec.udp_ports->second == ends.outside.port);
        CHECK(ends.z.count(Report::Kind::child_rekeyed) == 1);
    }

    TEST_CASE_TEMPLATE("another port of the NAT, seen in a message of IKE", Ends, Mapped, RewrittenMapped) {
        Ends ends;
        ends.outside.port = 62'000;
        ends.now += ends.a.sa()->connection->liveness;
        ends.event(ends.a, TimePassed{});
        REQUIRE_FALSE(ends.wire.empty());
        const Packet asked = ends.wire.front();
        ends.cross();
        CHECK(ends.z.sa()->remote == ends.outside);
        CHECK(ends.child_of_z().spec.udp_ports->second == ends.outside.port);
        // The same once more from elsewhere: an answer goes there, and nothing is believed.
        const UdpEndpoint elsewhere{*IpAddress::parse("203.0.113.66"), 7};
        ends.event(ends.z, DatagramReceived{asked.to, elsewhere, asked.bytes});
        CHECK(ends.z.sa()->remote == ends.outside);
        // Changed on the way.
        ends.now += ends.a.sa()->connection->liveness;
        ends.event(ends.a, TimePassed{});
        Packet forged = ends.wire.front();
        forged.bytes.back() ^= 1U;
        ends.event(ends.z, DatagramReceived{forged.to, elsewhere, forged.bytes});
        CHECK(ends.z.sa()->remote == ends.outside);
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("another address of the NAT: the SAs go on with it", Ends, Mapped, RewrittenMapped) {
        Ends ends;
        const EspSpi before = ends.inbound_of_z();
        ends.outside = {*IpAddress::parse("203.0.113.10"), 63'000};
        ends.event(ends.z, PeerMoved{before, ends.outside});
        CHECK(ends.wire.empty());
        CHECK(ends.z.sa()->remote == ends.outside);
        CHECK(ends.inbound_of_z() == before);
        CHECK(ends.z.kernel.inbound().at(before).spec.remote == ends.outside.address);
        CHECK(ends.z.kernel.newest_outbound()->spec.remote == ends.outside.address);
        CHECK(ends.z.kernel.newest_outbound()->spec.udp_ports->second == ends.outside.port);
        CHECK(ends.z.reports.back().error.reason == "nat-rebound");
        CHECK(ends.z.reports.back().before->remote.address == *IpAddress::parse("203.0.113.9"));
        CHECK(ends.z.reports.back().after->remote == ends.outside);
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("another address in transport mode: another CHILD SA", Ends, Mapped, RewrittenMapped) {
        Ends ends(Mode::transport);
        // RFC 7296 section 2.23.1: each end has the addresses that it sees.
        REQUIRE(ends.a.sa() != nullptr);
        REQUIRE(ends.a.installed() == 1);
        const ChildSaSpec of_a = ends.a.sa()->children.front().spec;
        CHECK(of_a.mode == Mode::transport);
        CHECK(of_a.local_selectors == TrafficSelectors{selector_of(ends.a.address.address)});
        CHECK(of_a.remote_selectors == TrafficSelectors{selector_of(ends.z.address.address)});
        CHECK(ends.child_of_z().spec.local_selectors == TrafficSelectors{selector_of(ends.z.address.address)});
        CHECK(ends.child_of_z().spec.remote_selectors == TrafficSelectors{selector_of(ends.outside.address)});
        for (keysluice::ike::testing::End* each : {&ends.a, &ends.z}) {
            ends.event(*each, Rekey{"a-z", "net"});
            ends.cross();
            CHECK(each->count(Report::Kind::child_rekeyed) >= 1);
        }
        const EspSpi before = ends.inbound_of_z();
        ends.outside = {*IpAddress::parse("203.0.113.10"), 63'000};
        ends.event(ends.z, PeerMoved{before, ends.outside});
        ends.cross();
        CHECK(ends.inbound_of_z() != before);
        CHECK(ends.child_of_z().state == ChildState::installed);
        CHECK(ends.child_of_z().spec.remote == ends.outside.address);
        CHECK(ends.child_of_z().spec.remote_selectors == TrafficSelectors{selector_of(ends.outside.address)});
    }

    TEST_CASE_TEMPLATE("with MOBIKE, what an ESP packet tells is for ESP alone", Ends, Mapped, RewrittenMapped) {
        Ends ends(Mode::tunnel, Offload::off, true);
        REQUIRE(ends.z.sa()->mobility.agreed);
        REQUIRE(ends.z.sa()->nat_there);
        const UdpEndpoint before = ends.z.sa()->remote;
        const EspSpi inbound = ends.inbound_of_z();
        ends.outside = {*IpAddress::parse("203.0.113.10"), 63'000};
        ends.event(ends.z, PeerMoved{inbound, ends.outside});
        CHECK(ends.z.sa()->remote == before);
        CHECK(ends.z.kernel.newest_outbound()->spec.remote == ends.outside.address);
        CHECK(ends.z.kernel.newest_outbound()->spec.udp_ports->second == ends.outside.port);
        REQUIRE(ends.z.count(Report::Kind::moved) == 1);
        CHECK(ends.z.reports.back().before->remote == before);
        CHECK(ends.z.reports.back().after->remote == ends.outside);
        ends.event(ends.z, PeerMoved{inbound, ends.outside});
        CHECK(ends.z.count(Report::Kind::moved) == 1);
        // a finds out, and says where messages go.
        ends.now += ends.a.sa()->connection->liveness;
        ends.event(ends.a, TimePassed{});
        ends.cross();
        CHECK(ends.z.sa()->remote == ends.outside);
        CHECK(ends.child_of_z().spec.udp_ports->second == ends.outside.port);
        CHECK(ends.inbound_of_z() == inbound);
        ends.check_up();
    }

    TEST_CASE_TEMPLATE("with MOBIKE, ESP does not go where the peer is yet to prove that it is", Ends, Mapped,
                       RewrittenMapped) {
        Ends ends(Mode::tunnel, Offload::off, true);
        const UdpEndpoint before = ends.z.sa()->remote;
        ends.outside = {*IpAddress::parse("203.0.113.10"), 63'000};
        ends.now += ends.a.sa()->connection->liveness;
        ends.event(ends.a, TimePassed{});
        while (ends.z.sa()->remote == before) {  // until UPDATE_SA_ADDRESSES
            REQUIRE_FALSE(ends.wire.empty());
            ends.translate(ends.wire.front());
            ends.deliver();
        }
        ends.event(ends.z, PeerMoved{ends.inbound_of_z(), ends.outside});
        CHECK(ends.z.kernel.newest_outbound()->spec.remote == before.address);
        ends.cross();
        CHECK(ends.z.kernel.newest_outbound()->spec.remote == ends.outside.address);
        CHECK(ends.z.count(Report::Kind::moved) == 0);
    }

    TEST_CASE_TEMPLATE("with MOBIKE, what is bound to the address waits for the peer to say it", Ends, Mapped,
                       RewrittenMapped) {
        Ends ends(Mode::tunnel, Offload::packet, true);
        const EspSpi inbound = ends.inbound_of_z();
        ends.outside.port = 62'000;
        ends.event(ends.z, PeerMoved{inbound, ends.outside});
        CHECK(ends.wire.empty());
        CHECK(ends.z.count(Report::Kind::moved) == 0);
        CHECK(ends.child_of_z().spec.udp_ports->second == 61'000);
    }

    TEST_CASE_TEMPLATE("who is behind a NAT itself believes no other address", Ends, Mapped, RewrittenMapped) {
        Ends ends;
        const UdpEndpoint before = ends.a.sa()->remote;
        const UdpEndpoint elsewhere{*IpAddress::parse("203.0.113.66"), 4500};
        ends.event(ends.a, PeerMoved{ends.a.sa()->children.back().spec.inbound, elsewhere});
        CHECK(ends.a.sa()->remote == before);
        ends.now += ends.z.sa()->connection->liveness;
        ends.event(ends.z, TimePassed{});
        REQUIRE_FALSE(ends.wire.empty());
        ends.event(ends.a, DatagramReceived{{ends.a.address.address, 4500}, elsewhere, ends.wire.front().bytes});
        CHECK(ends.a.sa()->remote == before);
    }

    TEST_CASE_TEMPLATE("without a NAT, nobody moves", Ends, TwoEnds, RewrittenEnds) {
        Ends ends;
        ends.configure();
        ends.initiate(ends.a);
        ends.settle();
        const UdpEndpoint before = ends.z.sa()->remote;
        ends.event(ends.z,
                   PeerMoved{ends.z.sa()->children.back().spec.inbound, {*IpAddress::parse("203.0.113.66"), 4500}});
        CHECK(ends.z.sa()->remote == before);
        ends.check_up();
    }
}
