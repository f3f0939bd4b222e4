"""Traffic through a tunnel: whole files that must arrive as they are, and a steady stream that must not miss a packet."""

import contextlib
import socket
import struct
import threading
import time

from support import ends
from support.scenario import eventually, expect

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PAYLOAD = b"\xa5" * 192


class _TcpEnd(ends.SocketEnd):
    def __init__(self, connection, name):
        super().__init__(connection)
        self.name = name

    def __str__(self):
        return f"the socket on the {self.name}"


def connection(world, tunnel, here, there, port=0):
    """A TCP connection between the hosts of two ends; each of the two is an end and its host's address."""
    family = FAMILY[tunnel.inner]
    with there[0].namespace.entered():
        listener = socket.create_server((there[1], port), family=family)
    with here[0].namespace.entered():
        client = socket.socket(family)
    client.bind((here[1], 0))
    client.settimeout(world.patience(30))
    client.connect(listener.getsockname()[:2])
    listener.settimeout(world.patience(30))
    server, _ = listener.accept()
    listener.close()
    for connection in (client, server):
        connection.settimeout(world.patience(120))
    return client, server


def transfer(world, network, tunnel, size=None, caller="left", port=0):
    """`size` bytes each way at once over TCP, compared by SHA-256. `caller`: the end where the connection begins, to
    the port at the other one (0: any)."""
    both = list(zip(network.ends, tunnel.hosts(network)))
    here, there = both if caller == "left" else both[::-1]
    client, server = connection(world, tunnel, here, there, port)
    with client, server:
        ends.exchange(world, _TcpEnd(client, here[0].name), _TcpEnd(server, there[0].name), size or world.payload,
                      lambda: None)


def scatter(end, source, destination, count):
    """`count` packets that nobody waits for; those that the kernel refuses count as well."""
    with end.namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for _ in range(count):
            with contextlib.suppress(OSError):
                sender.sendto(b"packet", (destination, 9))


@contextlib.contextmanager
def insisting(end, source, destination):
    """Packets meanwhile, one after the other, that nobody waits for."""
    over = threading.Event()

    def send():
        while not over.wait(0.005):
            scatter(end, source, destination, 1)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Stream:
    """Numbered UDP packets one way at a steady pace, in threads of their own, until finish()."""

    def __init__(self, network, tunnel, forward, interval):
        hosts, ends_ = tunnel.hosts(network), network.ends
        if not forward:
            hosts, ends_ = hosts[::-1], ends_[::-1]
        self.source = ends_[0]
        self.name = f"from the {self.source.name} to the {ends_[1].name}"
        self.interval = interval
        with ends_[0].namespace.entered():
            self.sender = socket.socket(FAMILY[tunnel.inner], socket.SOCK_DGRAM)
        with ends_[1].namespace.entered():
            self.receiver = socket.socket(FAMILY[tunnel.inner], socket.SOCK_DGRAM)
        self.receiver.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: a slow receiver loses nothing
        self.sender.bind((hosts[0], 0))
        self.receiver.bind((hosts[1], 0))
        self.sender.connect(self.receiver.getsockname())
        self.sent, self.refused, self.arrived = 0, [], {}
        self.over, self.done = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._receive, self._send)]
        for each in self.threads:
            each.start()

    def _send(self):
        due = time.monotonic()
        while not self.over.is_set():
            try:
                self.sender.send(struct.pack("!Q", self.sent) + PAYLOAD)
            except OSError as error:
                self.refused.append((self.sent, error.strerror))
            self.sent += 1
            due = max(due + self.interval, time.monotonic() - 1)  # catches up after a pause, but not for ever
            time.sleep(max(0, due - time.monotonic()))

    def _receive(self):
        self.receiver.settimeout(0.1)
        while not self.done.is_set():
            with contextlib.suppress(TimeoutError):
                (number,) = struct.unpack_from("!Q", self.receiver.recv(2048))
                self.arrived[number] = self.arrived.get(number, 0) + 1

    def flows(self, world):
        """Waits until one more packet has arrived than had before."""
        before = len(self.arrived)
        eventually(lambda: len(self.arrived) > before, world.patience(20), f"packets arrive {self.name}")

    def finish(self, world):
        """Ends it. Returns how many packets that the kernel took were lost, and how many came twice."""
        self.over.set()
        self.threads[1].join()
        deadline = time.monotonic() + world.patience(1)
        taken = self.sent - len(self.refused)
        while len(self.arrived) < taken and time.monotonic() < deadline:
            time.sleep(0.02)
        self.done.set()
        return taken - len(self.arrived), sum(count - 1 for count in self.arrived.values())


@contextlib.contextmanager
def streams(world, network, tunnel):
    """A stream each way while the block runs. Not one packet may be lost or come twice, nor be refused by the kernel,
    other than those that the kernel itself counts as Network.unsent()."""
    interval = 0.01 if world.guest else 0.002
    both = [Stream(network, tunnel, forward, interval) for forward in (True, False)]
    before = [network.unsent(each.source) for each in both]
    for each in both:
        each.flows(world)
    yield both
    results = [each.finish(world) for each in both]
    for each, first, (lost, twice) in zip(both, before, results):
        unsent = network.unsent(each.source) - first
        expect(lost + len(each.refused) <= unsent and twice == 0,
               f"{each.name}: of {each.sent} packets {lost} were lost, {twice} came twice, the kernel refused "
               f"{each.refused}; its counters: {network.errors()}, and {unsent} that strongSwan left without an SA")
        if unsent:
            world.note(f"{unsent} that strongSwan left without an SA")
    world.note(f"{sum(each.sent for each in both)} packets")
