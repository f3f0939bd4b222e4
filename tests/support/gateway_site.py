"""Two gateways in front of one server, and a host that reaches it through one of them.

    10.1.0.1 ─ left (192.0.2.1) ─┬─ (192.0.2.2) first ──┬─ server, 10.2.0.1
                                 └─ (192.0.2.3) second ─┘

The server answers through the gateway by which it last heard from a connection."""

import contextlib
import dataclasses
import hashlib
import os
import socket
import struct
import threading
import time

from support import processes
from support.namespaces import Namespace
from support.network import UNSENT, End
from support.scenario import eventually, expect_equal

CLIENT, SERVER = "10.1.0.1", "10.2.0.1"
GATEWAYS = ("192.0.2.2", "192.0.2.3")
# By the connection's mark, which is that of the gateway through which it came last.
ANSWERS = """
table ip answers {
  chain in { type filter hook prerouting priority mangle; iifname "first" ct mark set 1; iifname "second" ct mark set 2; }
  chain out { type route hook output priority mangle; meta mark set ct mark; }
}
"""


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
            if port == 4500 and message[:4] == bytes(4):  # the non-ESP marker
                port, message = 500, message[4:]
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
