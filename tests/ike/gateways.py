"""Two gateways serve one connection: the power of the first goes, traffic goes on through the second, and comes back.

    10.1.0.1 ─ left (192.0.2.1) ─┬─ (192.0.2.2) first ──┬─ server, 10.2.0.1
                                 └─ (192.0.2.3) second ─┘

The server answers through the gateway by which it last heard from a connection."""

import contextlib
import dataclasses
import hashlib
import os
import re
import socket
import struct
import threading
import time

from support import checks, processes
from support.bus import Bus
from support.namespaces import Namespace
from support.network import UNSENT, End
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.sluice import Sluice
from support.strongswan import StrongSwan
from support.tunnel import Tunnel

CLIENT, SERVER = "10.1.0.1", "10.2.0.1"
GATEWAYS = ("192.0.2.2", "192.0.2.3")
# By the connection's mark, which is that of the gateway through which it came last.
ANSWERS = """
table ip answers {
  chain in { type filter hook prerouting priority mangle; iifname "first" ct mark set 1; iifname "second" ct mark set 2; }
  chain out { type route hook output priority mangle; meta mark set ct mark; }
}
"""
IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
TRIES = 3


@dataclasses.dataclass
class Served(End):
    """Both gateways show the same identity."""

    @property
    def identity(self):
        return "gateway.test"


def _end(kind, name, address, number):
    return kind(name, Namespace(name), {4: address}, {4: address}, network={4: f"10.{number}.0.0/24"},
                host={4: f"10.{number}.0.1"})


class Site:
    def __init__(self):
        self.left = _end(End, "left", "192.0.2.1", 1)
        self.gateways = [_end(Served, name, address, 2) for name, address in zip(("first", "second"), GATEWAYS)]
        self.middle, self.server = Namespace("middle"), Namespace("server")
        self.middle.ip("link add name between type bridge", "link set between up")
        self._plug(self.left)
        self.left.namespace.ip(f"addr add {CLIENT}/24 dev lo", f"route add 10.2.0.0/24 via {GATEWAYS[0]} src {CLIENT}")
        self.server.switch(ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0)
        self.server.ip(f"addr add {SERVER}/24 dev lo")
        for number, each in enumerate(self.gateways, 1):
            self._plug(each)
            each.namespace.switch(ipv4__ip_forward=1)
            each.namespace.ip(f"link add yard type veth peer name {each.name} netns {self.server.path}",
                              f"addr add 10.20.{number}.1/24 dev yard", "link set yard up",
                              f"route add 10.2.0.0/24 via 10.20.{number}.2", f"route add 10.1.0.0/24 via {self.left.outer[4]}")
            self.server.ip(f"addr add 10.20.{number}.2/24 dev {each.name}", f"link set {each.name} up",
                           f"rule add fwmark {number} table {100 + number}",
                           f"route add default via 10.20.{number}.1 table {100 + number}")
        self.server.ip("route add default via 10.20.1.1")
        self.server.run("nft -f -", ANSWERS)

    def _plug(self, end):
        self.middle.ip(f"link add {end.name} type veth peer name wire netns {end.namespace.path}",
                       f"link set {end.name} master between up")
        end.namespace.ip(f"addr add {end.outer[4]}/24 dev wire", "link set wire up")

    def power(self, number, on):
        self.middle.ip(f"link set {self.gateways[number].name} {'up' if on else 'down'}")

    def errors(self):
        """The kernel's counts of packets that IPsec dropped on the left, but for those that waited for an SA."""
        return {name: count for name, count in self.left.namespace.xfrm_statistics().items()
                if count and name not in UNSENT}


class Wire:
    """Listens where the left one is plugged in: its IKE messages, and packets that should have been in ESP."""

    def __init__(self, site):
        with site.middle.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0003))
            self.socket.bind(("left", 0))
        self.socket.settimeout(0.1)
        self.clear, self.ike, self.over = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.socket.close()

    def _listen(self):
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                self._take(self.socket.recv(4096))

    def _take(self, frame):
        if frame[12:14] != b"\x08\x00":
            return
        packet = frame[14:]
        source, destination = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        if destination == SERVER:
            self.clear += 1
        elif packet[9] == 17 and source == "192.0.2.1":
            message = packet[28:]
            (port,) = struct.unpack("!H", packet[22:24])
            if port == 500 and len(message) >= 28:
                self.ike.append((time.monotonic(), destination, message[18], bool(message[19] & 0x20)))

    def requests(self, gateway, since):
        """The exchanges of the requests to it, in their order, repetitions too."""
        return [exchange for moment, to, exchange, response in self.ike
                if to == gateway and not response and moment >= since]


class Stream:
    """Bytes one way over one TCP connection until finish(), which compares their hashes."""

    def __init__(self, world, site):
        with site.server.entered():
            listener = socket.create_server((SERVER, 0))
        with site.left.namespace.entered():
            self.source = socket.socket()
        self.source.bind((CLIENT, 0))
        self.source.settimeout(world.patience(120))
        self.source.connect(listener.getsockname())
        self.sink, _ = listener.accept()
        self.sink.settimeout(world.patience(120))
        listener.close()
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()
        self.count, self.arrivals, self.over = 0, [], threading.Event()
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._receive, self._send)]
        for each in self.threads:
            each.start()

    def _send(self):
        while not self.over.is_set():
            data = os.urandom(2000)
            self.source.sendall(data)
            self.sent.update(data)
            time.sleep(0.02)
        self.source.shutdown(socket.SHUT_WR)

    def _receive(self):
        while data := self.sink.recv(1 << 16):
            self.received.update(data)
            self.count += len(data)
            self.arrivals.append(time.monotonic())

    def flows(self, world, within=60):
        before = self.count
        eventually(lambda: self.count > before + 10_000, world.patience(within), "the stream flows")

    def longest_stall(self):
        return max((after - before for before, after in zip(self.arrivals, self.arrivals[1:])), default=0)

    def finish(self, world):
        self.over.set()
        for each in self.threads:
            each.join(world.patience(120))
        expect_equal(self.received.hexdigest(), self.sent.hexdigest(), "SHA-256 of the stream")
        self.source.close()
        self.sink.close()


def kill(swan):
    for pid in (*processes.descendants(swan.process.pid), swan.process.pid):
        processes.send_signal(pid, 9)
    swan.process.wait()
    swan.process = None


@contextlib.contextmanager
def running(world, **connection):
    """keysluice and both strongSwans, on a bus."""
    if not world.kernel:
        raise Skip("this kernel has no ESP")
    site, tunnel = Site(), Tunnel()
    swans = [StrongSwan(world, each, site.left, tunnel) for each in site.gateways]
    ike = {"retransmit_tries": TRIES, "retransmit_timeout": "1s"}
    rules = {"remote": list(GATEWAYS), "start": "on-load", "liveness": "2s"} | connection
    with Bus(world, "dbus-daemon") as bus, swans[0], swans[1]:
        with bus.events() as events:
            with Sluice(world, site.left, site.gateways[0], tunnel, ike=ike, connection=rules,
                        daemon={"bus": bus.address}) as ours:
                bus.await_service()
                yield site, swans, ours, events, bus


def up(world, swan):
    eventually(swan.children, world.patience(30), f"{swan} has a CHILD SA")


def changes(events):
    """(from, to, reason) of each change of the gateway."""
    return [(event["more"]["from"]["data"], event["more"]["to"]["data"], event["reason"])
            for event in events.all() if event["kind"] == "gateway-changed"]


def endpoints():
    return [f"{address}:500" for address in GATEWAYS]


def gateway_on_bus(bus):
    client = bus.client()
    (path,) = client.paths("connection")
    return str(client.property(path, "Connection", "Gateway"))


@scenario("gateways: the first one's power goes, the second goes on, and the first is used again")
def fails_over(world):
    first, second = endpoints()
    with running(world, **{"return": "at-once", "return_check": "5s"}) as (site, swans, ours, events, bus):
        up(world, swans[0])
        before = site.errors()
        with Wire(site) as wire:
            stream = Stream(world, site)
            stream.flows(world)
            expect_equal(gateway_on_bus(bus), first, "the gateway on the bus")
            quiet = wire.requests(GATEWAYS[0], 0)
            expect(not quiet, f"the peer was asked although its packets came: {quiet}")
            cut = time.monotonic()
            site.power(0, False)
            kill(swans[0])
            event = eventually(lambda: changes(events), world.patience(60), "another gateway is in use")
            up(world, swans[1])
            moment = time.monotonic()
            stream.flows(world)
            expect_equal(event, [(first, second, "peer-silent")], "changes of the gateway")
            expect_equal(gateway_on_bus(bus), second, "the gateway on the bus")
            asked = wire.requests(GATEWAYS[0], cut)
            expect(set(asked[:TRIES]) == {INFORMATIONAL} and asked.count(INFORMATIONAL) == TRIES,
                   f"the dead one was asked {TRIES} times: {asked}")
            begun = [exchange for at, to, exchange, response in wire.ike
                     if to == GATEWAYS[1] and not response and at <= moment and exchange != INFORMATIONAL]
            expect(set(begun) == {IKE_SA_INIT, IKE_AUTH} and len(begun) <= 2 * TRIES, f"one handshake: {begun}")
            silence = [at for at, to, exchange, _ in wire.ike if to == GATEWAYS[0] and at >= cut][0] - cut
            world.note(f"the first question came {silence:.2f} s after the cut, a CHILD SA {moment - cut:.2f} s after it; "
                       f"the stream paused {stream.longest_stall():.2f} s")
            site.power(0, True)
            swans[0].__enter__()
            eventually(lambda: len(changes(events)) == 2, world.patience(60), "the first one is in use again")
            expect_equal(changes(events)[1], (second, first, "gateway-returned"), "the second change")
            up(world, swans[0])
            eventually(lambda: not swans[1].sas(), world.patience(30), "the second one has no IKE SA left")
            carried = swans[0].carried()[0]
            stream.flows(world)
            expect(swans[0].carried()[0] > carried, "the first one carries the stream")
            stream.finish(world)
            expect_equal(wire.clear, 0, "packets for the server in the clear")
        expect_equal(site.errors(), before, "/proc/net/xfrm_stat on the left")
        kinds = [event["kind"] for event in events.all()]
        # What was told of the beginning may have been before there was somebody to hear it.
        wanted = ["failed", "peer-unreachable", "gateway-changed", "ike-established", "child-established",
                  "ike-established", "child-established", "gateway-changed"]
        told = [kind for kind in kinds if kind in wanted]
        expect(re.search(".*".join(wanted), " ".join(told)), f"events in order: {told}")
        ours.await_log(f"the gateway from now on, after {first}")


@scenario("gateways: which one is in use outlives keysluiced")
def outlives(world):
    first, second = endpoints()
    with running(world) as (site, swans, ours, events, bus):
        up(world, swans[0])
        site.power(0, False)
        kill(swans[0])
        up(world, swans[1])
        before = swans[1].children()
        with Wire(site) as wire:
            for _ in range(3):
                ours.replace()
                bus.await_service()
                expect_equal(gateway_on_bus(bus), second, "the gateway on the bus")
            stream = Stream(world, site)
            stream.flows(world)
            stream.finish(world)
            expect_equal(swans[1].children(), before, "the CHILD SAs that stand all the while")
            expect_equal([each for each in wire.ike if each[2] == IKE_SA_INIT], [], "handshakes")


@scenario("gateways: when-idle goes back once the traffic rests")
def idle(world):
    first, second = endpoints()
    with running(world, **{"return": "when-idle", "return_check": "2s", "return_idle": "6s"}) as running_world:
        site, swans, ours, events, bus = running_world
        up(world, swans[0])
        site.power(0, False)
        kill(swans[0])
        up(world, swans[1])
        site.power(0, True)
        with Wire(site) as wire:
            stream = Stream(world, site)
            swans[0].__enter__()
            since = time.monotonic()
            for _ in range(10):
                time.sleep(1)
                stream.flows(world)
            expect_equal(wire.requests(GATEWAYS[0], since), [], "messages to the first one while there is traffic")
            stream.finish(world)
            eventually(lambda: len(changes(events)) == 2, world.patience(60), "the first one is in use again")
            expect_equal(changes(events)[1], (second, first, "gateway-returned"), "the second change")
            up(world, swans[0])
