"""Many tunnels between the same two gateways, each with identities and hosts of its own, and numbered packets through all
of them."""

import collections
import dataclasses
import select
import socket
import struct
import threading
import time

from support import keysluice
from support.scenario import eventually
from support.strongswan import StrongSwan
from support.traffic import PAYLOAD


@dataclasses.dataclass(frozen=True)
class Lane:
    """One tunnel. Its hosts are further addresses in the networks behind the two ends."""

    number: int
    starts_here: bool  # keysluice begins

    @property
    def name(self):
        return f"peer-{self.number}"

    def identity(self, end):
        return f"{self.number}.{end.identity}"

    def host(self, end):
        network, _, _ = end.network[4].rpartition(".")
        return f"{network}.{100 + self.number}"

    def selector(self, end):
        return f"{self.host(end)}/32"


def open_hosts(network, lanes):
    for end in network.ends:
        end.namespace.ip(*(f"addr add {lane.selector(end)} dev lo" for lane in lanes))


class SluiceWithLanes:
    """For a class of keysluice: one connection for each of `lanes`."""

    def __init__(self, *arguments, lanes, **more):
        self.lanes = lanes
        super().__init__(*arguments, **more)

    def _connections(self):
        for lane in self.lanes:
            yield keysluice.table("[[ike.connection]]", self.connection | {
                "name": lane.name, "local_id": lane.identity(self.end), "remote_id": lane.identity(self.peer),
                "start": "on-load" if lane.starts_here else "manual"})
            yield keysluice.table("[[ike.connection.child]]", self.child | {
                "local_ts": [lane.selector(self.end)], "remote_ts": [lane.selector(self.peer)]})


class SwanWithLanes(StrongSwan):
    def __init__(self, *arguments, lanes, **more):
        self.lanes = lanes
        super().__init__(*arguments, **more)

    def load(self, **changes):
        self.connection |= changes
        owners = [lane.identity(end) for lane in self.lanes for end in (self.end, self.peer)]
        self.ask("load-shared", {"id": "lanes", "type": "IKE", "data": self.tunnel.secret, "owners": owners})
        for lane in self.lanes:
            child = self.connection["children"]["net"] | {"local_ts": [lane.selector(self.end)],
                                                          "remote_ts": [lane.selector(self.peer)]}
            ends = {"local": {"auth": "psk", "id": lane.identity(self.end)},
                    "remote": {"auth": "psk", "id": lane.identity(self.peer)}}
            self.ask("load-conn", {lane.name: self.connection | ends | {"children": {"net": child}}})

    def initiate(self):
        for lane in self.lanes:
            if not lane.starts_here:
                self.ask("initiate", {"child": "net", "ike": lane.name, "loglevel": 0,
                                      "timeout": int(self.world.patience(20) * 1000)})

    up = initiate

    def rekey_ike(self):
        """All of them."""
        before = self.ike_spis()
        for lane in self.lanes:
            self.ask("rekey", {"ike": lane.name})
        eventually(lambda: len(now := self.ike_spis()) == len(self.lanes) and not now & before, self.world.patience(20),
                   f"{self} has a new IKE SA of each connection")

    def packets(self):
        """Of each connection, in and out, as its kernel has counted them."""
        return {name: tuple(sum(int(child[key]) for child in sa["child-sas"].values())
                            for key in ("packets-in", "packets-out"))
                for each in self.vici.stream("list-sas", "list-sa", {"noblock": "no"}) for name, sa in each.items()}


def all_stand(world, both, lanes):
    """Waits until both gateways see one CHILD SA of each lane, with the same two SPIs."""
    def mirrored():
        ours = both["keysluice"].children()
        return len(ours) == len(lanes) and both["strongSwan"].children() == {pair[::-1] for pair in ours}
    eventually(mirrored, world.patience(20), "both gateways have the CHILD SAs of all connections")


class Way:
    """Numbered packets through a lane in one direction."""

    def __init__(self, lane, here, there):
        self.lane, self.source = lane, here
        self.name = f"{lane.name} from the {here.name}"
        with here.namespace.entered():
            self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with there.namespace.entered():
            self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender.bind((lane.host(here), 0))
        self.receiver.bind((lane.host(there), 0))
        self.sender.connect(self.receiver.getsockname())
        self.sent, self.refused, self.arrived = 0, [], collections.Counter()

    def send(self):
        try:
            self.sender.send(struct.pack("!Q", self.sent) + PAYLOAD)
        except OSError as error:
            self.refused.append((self.sent, error.strerror))
        self.sent += 1

    def receive(self):
        (number,) = struct.unpack_from("!Q", self.receiver.recv(2048))
        self.arrived[number] += 1

    def missing(self, before):
        """Those of the first `before` packets that have not arrived, and what the kernel has said where it refused one."""
        refused = dict(self.refused)
        return {number: refused.get(number, "sent") for number in range(before) if number not in self.arrived}

    @property
    def twice(self):
        return [number for number, count in self.arrived.items() if count > 1]


class LaneTraffic:
    """While the block runs, a packet through one way after the other, in turn and without an end. Two threads: one sends
    and one receives, since a machine with one CPU has other things to do than to wake a thread for each."""

    PAUSE = 0.04

    def __init__(self, network, lanes):
        left, right = network.ends
        self.ways = [Way(lane, *pair) for lane in lanes for pair in ((left, right), (right, left))]
        self.over, self.done = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._receive, self._send)]

    def __enter__(self):
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.done.set()
        for each in self.threads:
            each.join()

    def _send(self):
        while not self.over.is_set():
            for way in self.ways:
                way.send()
                time.sleep(self.PAUSE)

    def _receive(self):
        poll = select.epoll()
        by_descriptor = {way.receiver.fileno(): way for way in self.ways}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.EPOLLIN)
        while not self.done.is_set():
            for descriptor, _ in poll.poll(0.2):
                by_descriptor[descriptor].receive()

    def finish(self):
        self.over.set()
        self.threads[1].join()

    def marks(self):
        """How many packets each way has sent so far."""
        return {way: way.sent for way in self.ways}

    def lost_of(self, marks):
        return {way.name: lost for way, sent in marks.items() if (lost := way.missing(sent))}

    def twice(self):
        return {way.name: way.twice for way in self.ways if way.twice}
