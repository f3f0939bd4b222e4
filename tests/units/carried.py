"""Nothing is lost: 100 TLS connections that the kernel carries, new ones all the while, and 20 tunnels with strongSwan go on
whatever becomes of keysluice's processes."""

import contextlib
import dataclasses
import os
import re
import shutil

from support import checks
from support.authority import Authority
from support.backends import Backend, echo
from support.certificates import NAME
from support.lanes import Lane, LaneTraffic, SluiceWithLanes, SwanWithLanes, all_stand, open_hosts
from support.network import Network
from support.scenario import Failure, Skip, eventually, expect, expect_equal, expect_raises, scenario
from support.sluice_unit import (ETC, UNIT, Journal, SluiceUnit, another_version, explanation, install, is_systemd_here,
                                 replace_units, run, told_of)
from support.tls_flows import Flows, Newcomers
from support.tunnel import Tunnel
from ike.restart import NOTICED, damage, memory_file_of

LANES, CONNECTIONS, ENGINES, PORT, GROUP = 20, 100, 2, 8443, "lanes"
KEEPER = "keysluice-keeper.service"
KILL, STOP = (("systemctl", "kill", "-s", number) for number in ("KILL", "STOP"))


class SluiceUnitWithLanes(SluiceWithLanes, SluiceUnit):
    def _rekey(self, look, what, *words):
        before = look()
        run("keysluice", "rekey", *words, GROUP)
        eventually(lambda: len(now := look()) == LANES and not now & before, self.world.patience(20),
                   f"{self} has a new {what} of each connection")

    def rekey_child(self):
        self._rekey(self.children, "CHILD SA", "--child", "net")

    def rekey_ike(self):
        self._rekey(self.ike_spis, "IKE SA")


@dataclasses.dataclass
class Everything:
    """All that goes on while processes come and go."""

    world: object
    place: Network
    lanes: list
    ours: SluiceUnit
    swan: SwanWithLanes
    traffic: LaneTraffic
    flows: Flows
    newcomers: Newcomers
    journal: Journal

    def stands(self):
        all_stand(self.world, {"keysluice": self.ours, "strongSwan": self.swan}, self.lanes)

    def none(self, look, what):
        """Waits until there is nothing of what it looks for."""
        try:
            eventually(lambda: not look(), self.world.patience(20), what)
        except Failure as failure:
            raise Failure(f"{failure}: {look()}; connections that ended: {self.flows.ended()}; the kernel counts "
                          f"{self.place.errors()}") from None

    def excused(self):
        """Packets that strongSwan has left without an SA, and those of counters that the scenario forgives."""
        return sum(self.place.unsent(end) + sum(end.namespace.xfrm_statistics()[name] for name in self.place.forgiven)
                   for end in self.place.ends)

    def lost(self, marks):
        """Packets that have not arrived, if they are more than excused ones."""
        lost = self.traffic.lost_of(marks)
        return lost if sum(map(len, lost.values())) > self.excused() else {}

    def goes_on(self, when, unanswered=0):
        """Waits until all that was on its way has arrived, and more. `unanswered`: new connections that may have lost the
        engine that was to answer them."""
        packets, octets, begun = self.traffic.marks(), self.flows.marks(), self.newcomers.begun
        self.none(lambda: self.lost(packets), f"{when}: every packet arrives")
        self.none(lambda: self.flows.behind(octets), f"{when}: every TLS connection goes on")
        expect_equal(self.flows.ended(), {}, f"{when}: TLS connections that ended")
        eventually(lambda: self.newcomers.served > begun, self.world.patience(20),
                   f"{when}: a new TLS connection; of those before it failed {self.newcomers.failed}")
        self.newcomers.check(when, unanswered)

    def survives(self, when, act, unanswered=0):
        """`act` takes a process away, and returns when there is another one."""
        before = (self.traffic.marks(), self.flows.marks())
        act()
        for sort, first, last in zip(("packets", "bytes"), before, (self.traffic.marks(), self.flows.marks())):
            expect(sum(last.values()) > sum(first.values()), f"{when}: {sort} were sent meanwhile")
        self.goes_on(when, unanswered)

    def counted(self):
        """What strongSwan's kernel has counted in each tunnel is what was sent through it."""
        before = self.traffic.marks()
        packets = self.swan.packets()
        for way, sent in self.traffic.marks().items():
            count = packets[way.lane.name][0 if way.source is self.place.left else 1]
            expect(before[way] - 1 <= count <= sent, f"{way.name}: {count} packets of ESP, of {before[way]} to {sent}")

    def ends_whole(self):
        self.traffic.finish()
        self.flows.finish()
        marks = self.traffic.marks()
        self.none(lambda: self.lost(marks), "at the end every packet has arrived")
        self.none(self.flows.spoilt, "at the end every byte has come back, and SHA-256 is that of what was sent")
        expect_equal(self.traffic.twice(), {}, "packets that came twice")
        expect_equal(self.journal.crashes(), [], "processes that ended other than in order")
        self.world.note(f"{sum(marks.values())} packets, {sum(map(len, self.traffic.lost_of(marks).values()))} lost; "
                        f"{sum(each.sent for each in self.flows.flows) >> 10} KiB in {CONNECTIONS} connections; "
                        f"{self.newcomers.served} new ones")


def tls_service(world, end, backend):
    """The file of the authority, and a service whose key only engines read."""
    install(world)
    folder = ETC / "tls"
    folder.mkdir(exist_ok=True)
    authority = Authority(folder)
    certificate, key = authority.issue(NAME)
    shutil.chown(key, group="keysluice-engine")
    key.chmod(0o640)
    return authority.certificate, {"name": "shop", "listen": [f"{end.outer[4]}:{PORT}"], "connect": [backend.address],
                                   "certificate": certificate, "private_key": f"file:{key}"}


@contextlib.contextmanager
def everything(world, ours_begin):
    """`ours_begin`: keysluice begins in all tunnels, else in every other one."""
    if not is_systemd_here():
        raise Skip("process 1 is not systemd")
    lanes = [Lane(number, ours_begin or number % 2 == 0) for number in range(LANES)]
    with checks.network(world) as place, Backend(echo) as backend:
        left, right = place.ends
        open_hosts(place, lanes)
        authority, service = tls_service(world, left, backend)
        with SwanWithLanes(world, right, left, Tunnel(), lanes=lanes) as swan, \
                SluiceUnitWithLanes(world, left, right, Tunnel(), lanes=lanes, services=[service],
                                    daemon={"engines": ENGINES, "bus": "system", "log_level": "info"},
                                    connection={"groups": [GROUP]}) as ours:
            journal = Journal()
            swan.up()
            address = (left.outer[4], PORT)
            with LaneTraffic(place, lanes) as traffic, Flows(world, right, address, authority, CONNECTIONS) as flows, \
                    Newcomers(world, right, address, authority) as newcomers:
                all_of_it = Everything(world, place, lanes, ours, swan, traffic, flows, newcomers, journal)
                all_of_it.stands()
                all_of_it.goes_on("before anything has happened")
                (shop,) = ours.status()["services"]
                expect(shop["active"]["kernel"] >= CONNECTIONS and shop["active"]["userspace"] <= 1,
                       f"the kernel carries all of them: {shop['active']}")
                yield all_of_it


def await_keeper(world):
    """Until it holds all connections: what only a relay has is lost with it. The keeper says so some seconds late."""
    def holds_all():
        (text,) = told_of(KEEPER, "StatusText")
        return int(text.split()[0]) >= CONNECTIONS
    eventually(holds_all, world.patience(20), "the keeper holds all connections")


def restarts(world, number, all_of_it):
    """Each unit is restarted, and then each is killed."""
    engine, relay = (f"keysluice-{kind}@{number % ENGINES}.service" for kind in ("engine", "relay"))
    for command in (("systemctl", "restart"), KILL):
        for unit in (UNIT, engine, relay, KEEPER):
            if unit == relay:
                await_keeper(world)
            all_of_it.survives(f"round {number}: {' '.join(command)} {unit}",
                               lambda: replace_units(world, [unit], [*command, unit]),
                               unanswered=1 if unit == engine and command == KILL else 0)


def rekeyed(all_of_it):
    """By either side."""
    for side in (all_of_it.swan, all_of_it.ours):
        side.rekey_child()
        side.rekey_ike()
        all_of_it.stands()
        all_of_it.goes_on(f"rekeyed by {side}")


@contextlib.contextmanager
def unnoticed(all_of_it):
    """strongSwan has the same SAs at the end, and has had no reason to ask."""
    swan = all_of_it.swan
    before, said = (swan.ike_spis(), swan.children()), len(swan.log())
    yield
    all_of_it.stands()
    expect_equal((swan.ike_spis(), swan.children()), before, "strongSwan's SAs")
    # What keysluice had asked when it died, it asks once more: that is a retransmission to the peer, and no flaw.
    noticed = [line for line in re.findall(f".*(?:{NOTICED}).*", swan.log()[said:]) if "received retransmit" not in line]
    expect(not noticed, f"strongSwan has noticed: {noticed}")
    all_of_it.counted()


def upgraded(world, all_of_it):
    units = [UNIT, *(f"keysluice-{kind}@{number}.service" for kind in ("relay", "engine") for number in range(ENGINES))]
    keeper = told_of(KEEPER, "MainPID")
    package = another_version(world)
    await_keeper(world)
    all_of_it.survives("the package is upgraded", lambda: replace_units(world, units, ["dpkg", "-i", str(package)]))
    version = run("dpkg-query", "--show", "--showformat=${Version}", "keysluice")
    expect(version.endswith("+another"), f"the other version is installed: {version}")
    expect_equal(told_of(KEEPER, "MainPID"), keeper, "the keeper, which goes on")


@scenario("carried: each unit is restarted and killed, the package is upgraded")
def each_unit(world):
    rounds = world.choose(3, 20)
    with everything(world, ours_begin=False) as all_of_it:
        with unnoticed(all_of_it):
            for number in range(rounds):
                restarts(world, number, all_of_it)
            all_of_it.survives("keysluiced and the keeper are killed at once",
                               lambda: replace_units(world, [UNIT, KEEPER], [*KILL, UNIT, KEEPER]))
            upgraded(world, all_of_it)
        rekeyed(all_of_it)
        all_of_it.ends_whole()
        world.note(f"{rounds} rounds")


def negotiated_anew(all_of_it, begin):
    """keysluiced dies, and of what it has written every 64th octet from `begin` on is another one."""
    world, ours, swan, journal = all_of_it.world, all_of_it.ours, all_of_it.swan, Journal()
    before = (swan.ike_spis(), swan.children())
    file = memory_file_of(ours.pid)
    expect_raises(PermissionError, lambda: os.truncate(file, 0), "the file can't be made shorter: it is sealed")
    run(*STOP, UNIT)
    damage(file, begin)
    replace_units(world, [UNIT], [*KILL, UNIT])
    eventually(lambda: not (swan.ike_spis() & before[0] or swan.children() & before[1]), world.patience(20),
               f"{swan} has other SAs only")
    all_of_it.stands()
    told = eventually(lambda: journal.events("ike-state-lost"), world.patience(20), "the journal has it")
    expect_equal({each["KEYSLUICE_REASON"] for each in told}, {"state-damaged" if begin else "state-file-failed"},
                 "the reasons that the journal has")
    explained = explanation(told[0])
    expect("the kernel's SAs carry traffic until others stand in their place" in explained, f"the catalog: {explained}")


@scenario("carried: the state of IKE is damaged when keysluiced dies")
def damaged(world):
    with everything(world, ours_begin=True) as all_of_it:
        # strongSwan deletes what this end has forgotten before it installs what stands in its place: a packet that comes
        # just then finds no SA or no policy, and one that goes is not protected, and refused by this end's kernel.
        for counter in ("XfrmInNoStates", "XfrmInNoPols", "XfrmInTmplMismatch"):
            all_of_it.place.forgive(counter)
        for begin in (1 << 16, 0):
            all_of_it.survives(f"damaged from {begin} on", lambda: negotiated_anew(all_of_it, begin))
        all_of_it.ends_whole()
