"""A connection from its beginning to its end, as the bus shows it and as it is told by the bus."""

import fcntl
import os

from bus.basics import connected, gateways
from support.bus import KINDS, ROOT, CallFailed
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario

F_GET_SEALS, ALL_SEALS = 1034, 0xF
SPI, PEER_SPI, CONNECTION, INITIATOR, STATE, CHILDREN = 0, 1, 2, 3, 4, 12
NAME, CHILD_STATE, SPI_IN, SPI_OUT, OFFLOAD_REQUESTED, OFFLOAD = 0, 1, 3, 4, 9, 10

for kind in KINDS:

    @scenario(f"life: {kind}: up by group, rekeyed, down, with an event for each and an object meanwhile")
    def whole(world, kind=kind):
        with gateways(world, kind) as (bus, ours, peer), bus.events() as events:
            client = bus.client()
            expect_equal(client.paths("ikesa"), [], "IKE SAs before")
            expect_equal(client.manager("Up", "sa{sv}", "branch", {}), 1, "connections of the group")
            told = events.await_kind("ike-established")
            child = events.await_kind("child-established")
            row, = client.list_sas()[0]
            expect_equal((row[SPI], row[CONNECTION], bool(row[INITIATOR]), row[STATE]),
                         (told["ike_spi"], "peer", True, "established"), "the IKE SA")
            values, = row[CHILDREN]
            expect_equal((values[NAME], values[CHILD_STATE], values[SPI_IN], values[SPI_OUT], values[OFFLOAD_REQUESTED],
                          values[OFFLOAD]),
                         ("net", "installed", child["spi_in"], child["spi_out"], "auto", "none"), "the CHILD SA")
            expect_equal({(values[SPI_OUT], values[SPI_IN])}, peer.children(), "SPIs at the peer")
            path = f"{ROOT}/ikesa/{row[SPI]:016x}"
            expect_equal(client.paths("ikesa"), [path], "objects of IKE SAs")
            expect_equal(client.property(path, "IkeSa", "PeerSpi"), row[PEER_SPI], "PeerSpi")
            expect_equal(client.property(path, "IkeSa", "Children"), row[CHILDREN], "Children")

            for ask in (lambda: client.call(path, "org.keysluice1.IkeSa", "GetCounters"),
                        lambda: client.manager("GetSaCounters", "t", row[SPI])):
                none = expect_raises(CallFailed, ask, "counters of a kernel that has nothing")
                expect_equal(none.name, "NotRunning", f"the error's name, with the text {none.text!r}")

            client.call(path, "org.keysluice1.IkeSa", "Rekey", "a{sv}", {"child": "net"})
            rekeyed = events.await_kind("child-rekeyed")
            expect(rekeyed["spi_in"] != child["spi_in"], "another SPI")
            told_in = [each[SPI_IN] for each in client.property(path, "IkeSa", "Children")]
            expect(rekeyed["spi_in"] in told_in, "the properties have followed before the event came")

            expect_equal(client.call(f"{ROOT}/connection/peer", "org.keysluice1.Connection", "Rekey", "a{sv}", {}), 1,
                         "IKE SAs to be rekeyed")
            after = events.await_kind("ike-rekeyed")["ike_spi"]
            eventually(lambda: client.paths("ikesa") == [f"{ROOT}/ikesa/{after:016x}"], world.patience(10),
                       "the successor's object stands, and its predecessor's is gone")

            expect_equal(client.manager("Down", "sa{sv}", "peer", {}), 1, "IKE SAs that are closed")
            events.await_kind("ike-closed")
            eventually(lambda: not client.paths("ikesa"), world.patience(10), "no object of an IKE SA is left")
            expect_equal(client.list_sas()[0], [], "rows of IKE SAs")
            numbers = [first for first, _ in events.batches()]
            counts = [len(batch) for _, batch in events.batches()]
            expect_equal(numbers, [sum(counts[:i]) for i in range(len(counts))], "numbers of the events, without a gap")

    @scenario(f"life: {kind}: one IKE SA goes, and a connection that starts on load comes up again")
    def comes_again(world, kind=kind):
        with gateways(world, kind, start="on-load") as (bus, ours, _):
            client = bus.client()
            path = eventually(lambda: client.paths("ikesa"), world.patience(10), "an IKE SA stands")[0]
            first = client.list_sas()[0][0][SPI]
            with bus.events() as events:
                client.call(path, "org.keysluice1.IkeSa", "Down", "a{sv}", {})
                events.await_kind("ike-closed")
                events.await_successor(first)
                expect(path not in client.paths("ikesa"), "it is another one")
                gone = expect_raises(CallFailed, lambda: client.property(path, "IkeSa", "State"), "the old object")
                expect_equal(gone.name, "UnknownObject", "error")
                client.manager("Down", "sa{sv}", "test", {})
                events.await_kind("ike-closed", 2)
                expect_equal(client.paths("ikesa"), [], "objects after Down of its connection")

    @scenario(f"life: {kind}: the dump is what the status says, sealed")
    def dumped(world, kind=kind):
        with connected(world, kind) as (_, client, ours):
            lines, descriptor = client.dump()
            expect_equal(fcntl.fcntl(descriptor, F_GET_SEALS) & ALL_SEALS, ALL_SEALS, "seals")
            expect_equal(os.lseek(descriptor, 0, os.SEEK_CUR), 0, "position")
            status = ours.status()["ike"]["sas"]
            for sa in lines + status:
                for timed in (sa, *sa["children"]):
                    timed.pop("rekey_in"), timed.pop("age", None)
            expect_equal(lines, status, "the dump, beside the status document")
            expect_equal(client.dump(connection="other")[0], [], "a dump of another connection")

    @scenario(f"life: {kind}: keysluiced is killed, and its IKE SAs are on the bus again")
    def adopted(world, kind=kind):
        with connected(world, kind) as (bus, client, ours):
            before = client.list_sas()[0]
            paths = client.paths("ikesa")
            ours.replace()
            bus.await_service()
            expect_equal(client.paths("ikesa"), paths, "objects of IKE SAs")
            after = client.list_sas()[0]
            expect_equal([list(row)[:11] for row in after], [list(row)[:11] for row in before], "rows of IKE SAs")
            with bus.events() as events:
                client.call(paths[0], "org.keysluice1.IkeSa", "Rekey", "a{sv}", {"child": "net"})
                events.await_kind("child-rekeyed")

    @scenario(f"life: {kind}: a peer that falls silent, and is back")
    def silence(world, kind=kind):
        ike = {"retransmit_tries": 1}
        with gateways(world, kind, ike=ike, start="on-load", liveness="1s") as (bus, ours, peer):
            client = bus.client()
            first, = eventually(lambda: [sa for sa in client.list_sas()[0] if sa[4] == "established"], world.patience(10),
                                "an IKE SA stands")
            with bus.events() as events:
                peer.kill()
                events.await_kind("peer-unreachable")
                failures = events.kinds().count("failed")
                events.await_kind("failed", failures + 1)
                with peer:
                    back = events.await_kind("peer-back")
                    events.await_successor(first[SPI])
                    expect_equal((back["connection"], back["peer"].split(":")[0]), ("peer", "192.0.2.2"), "who is back")
                    kinds = events.kinds()
                    kinds = kinds[kinds.index("failed"):]  # before it, what was told late of the beginning
                    expect_equal((kinds.count("peer-unreachable"), kinds.count("peer-back")), (1, 1), "of each")
                    expect(kinds.index("peer-unreachable") < kinds.index("peer-back")
                           < kinds.index("ike-established"), f"their order: {kinds}")

    @scenario(f"life: {kind}: a failure is told with its code")
    def failure(world, kind=kind):
        with gateways(world, kind, remote_id="somebody.else") as (bus, ours, _), bus.events() as events:
            bus.client().manager("Up", "sa{sv}", "peer", {"child": "net"})
            failed = events.await_kind("failed")
            expect_equal((failed["reason"], failed["connection"]), ("auth-refused", "peer"), "reason and connection")
            expect("somebody.else" in failed["sentence"], failed["sentence"])
