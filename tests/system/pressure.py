"""Too many, too slow, too much: keysluice goes on serving, keeps its memory, burns no CPU, and recovers."""

import hashlib
import socket
import threading
import time

from support import payload
from support.backends import Backend, connect, echo, hang_up, hold, source
from support.keysluice import Keysluice, server_service
from support.processes import raise_descriptor_limit
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import REFUSED, TlsClient, expect_echo
from support.world import MIB, free_port
from system.closing import ServiceBefore
from system.refusals import Service

GROWTH_KIB = 6 * 1024


def silent_crowd(world, port, count):
    """Connections that say nothing, from many addresses."""
    return [connect(("127.0.0.1", port), world.patience(30), (f"127.0.0.{2 + number % 100}", 0))
            for number in range(count)]


@scenario("pressure: a crowd of connections that say nothing, while another client is served")
def silent_many(world):
    count = world.choose(1000, 10000)
    room = raise_descriptor_limit(2 * count + 2000)
    count = min(count, room - 1000)
    with Service(world, engines=4, handshake_timeout="1h") as service:
        crowd = silent_crowd(world, service.port, count)
        eventually(lambda: sum(service.sluice.service()["accepted_by_engine"].values()) >= count, world.patience(60),
                   f"all {count} connections are accepted")
        begin = time.monotonic()
        expect_echo(world, service.address)
        burnt = service.sluice.cpu_spent(1)
        world.note(f"{count} silent connections, another was served in {time.monotonic() - begin - 1:.2f} s")
        expect(burnt < 0.5, f"silence costs no CPU: {burnt:.2f} s in one second")
        for connection in crowd:
            connection.close()


@scenario("pressure: no descriptors left: accepting pauses, what stands goes on, and it recovers")
def no_descriptors(world):
    raise_descriptor_limit(2000)
    with Backend(echo) as backend:
        port = free_port()
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address],
                                 handshake_timeout="1h")
        with Keysluice(world, [service], descriptors=256, engines=1) as sluice:
            with TlsClient(world, ("127.0.0.1", port)) as client:
                client.echo(b"before")
                crowd = silent_crowd(world, port, 600)
                eventually(lambda: "(descriptors-exhausted)" in sluice.log(), world.patience(15), "the log tells what is missing")
                client.echo(b"in the middle")
                burnt = sluice.cpu_spent(1)
                expect(burnt < 0.5, f"waiting for descriptors costs no CPU: {burnt:.2f} s in one second")
                accepted = sum(sluice.service()["accepted_by_engine"].values())
                expect(accepted < 300, f"accepting pauses; {accepted} were accepted")
                for connection in crowd:
                    connection.close()
                expect_echo(world, ("127.0.0.1", port))
                client.echo(b"after")


@scenario("pressure: the backend is down")
def backend_down(world):
    port = free_port()
    service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[f"127.0.0.1:{free_port()}"])
    with Keysluice(world, [service], engines=1) as sluice:
        for _ in range(3):
            expect_raises(REFUSED, lambda: expect_echo(world, ("127.0.0.1", port)), "a client without a backend")
        sluice.await_failure("backend-unreachable", count=3)
        sluice.await_idle()


@scenario("pressure: the backend comes up later")
def backend_later(world):
    port, behind = free_port(), world.directory / "behind.sock"
    service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[f"unix:{behind}"])
    with Keysluice(world, [service], engines=1):
        expect_raises(REFUSED, lambda: expect_echo(world, ("127.0.0.1", port)), "a client without a backend")
        with Backend(echo, path=behind):
            expect_echo(world, ("127.0.0.1", port))


@scenario("pressure: the backend closes at once")
def backend_hangs_up(world):
    with ServiceBefore(world, hang_up) as service:
        for _ in range(5):
            with TlsClient(world, service.address) as client:
                expect_equal(client.receive(), b"", "the backend's end reaches the client as a close_notify")
        service.sluice.await_idle()


def stalled(world, count):
    """Waits until a number no longer grows, and returns it."""
    last, since = count(), time.monotonic()
    deadline = since + world.patience(60)
    while time.monotonic() - since < world.patience(1):
        expect(time.monotonic() < deadline, "back-pressure reaches the sender")
        time.sleep(0.05)
        if count() != last:
            last, since = count(), time.monotonic()
    return last


def held_back(world, sluice, sent, before):
    """While nothing is read: the sender is stopped, the memory stays, nobody spins."""
    amount = stalled(world, sent)
    seconds = world.choose(3, 120)
    burnt = sluice.cpu_spent(seconds)
    grown = sluice.memory_kib() - before
    world.note(f"the sender was stopped after {amount / MIB:.1f} MiB; {grown} KiB more memory")
    expect(grown < GROWTH_KIB, f"memory does not grow by more than {GROWTH_KIB} KiB: {grown} KiB")
    expect(burnt < 0.2 * seconds, f"waiting costs no CPU: {burnt:.2f} s in {seconds} s")


@scenario("pressure: a client that stops reading, and goes on later")
def client_stops(world):
    size = 48 * MIB  # more than all socket buffers on the way
    with ServiceBefore(world, source(5, size)) as service:
        before = service.sluice.memory_kib()
        with TlsClient(world, service.address) as client:
            talk = service.backend.await_talk(world)
            held_back(world, service.sluice, lambda: talk.sent, before)
            expect(talk.sent < size, "the backend could not send all of it")
            total = hashlib.sha256()
            while data := client.receive():
                total.update(data)
            expect_equal(total.hexdigest(), payload.digest(5, size), "SHA-256 at the client")


class Uploader(threading.Thread):
    """Sends the payload and counts."""

    def __init__(self, client, seed, size):
        super().__init__(daemon=True)
        self.client, self.seed, self.size, self.sent = client, seed, size, 0
        self.start()

    def run(self):
        for piece in payload.chunks(self.seed, self.size):
            self.client.send(piece)
            self.sent += len(piece)


@scenario("pressure: a backend that reads nothing, and then does")
def backend_stops(world):
    size, go_on = 48 * MIB, threading.Event()

    def slow(talk):
        go_on.wait()
        while talk.received < size and talk.receive():
            pass

    with ServiceBefore(world, slow) as service:
        before = service.sluice.memory_kib()
        with TlsClient(world, service.address) as client:
            talk = service.backend.await_talk(world)
            client.socket.settimeout(world.patience(30) + world.choose(3, 120))
            uploader = Uploader(client, 6, size)
            held_back(world, service.sluice, lambda: uploader.sent, before)
            expect(uploader.sent < size, "the client could not send all of it")
            go_on.set()
            eventually(lambda: talk.received == size, world.patience(60), "the backend gets all of it in the end")
            expect_equal(talk.sha256.hexdigest(), payload.digest(6, size), "SHA-256 at the backend")


@scenario("pressure: a backend that never answers holds up nobody else")
def backend_holds(world):
    with ServiceBefore(world, hold) as service:
        clients = [TlsClient(world, service.address) for _ in range(20)]
        for client in clients:
            client.send(b"x" * 100_000)
        service.backend.handler = echo
        expect_echo(world, service.address)
        for client in clients:
            client.socket.close()


@scenario("pressure: many small connections one after the other leave nothing behind")
def churn(world):
    count = world.choose(100, 2000)
    with Service(world) as service:
        expect_echo(world, service.address)
        descriptors = service.sluice.descriptors_open()
        for _ in range(count):
            expect_echo(world, service.address)
        service.sluice.await_idle()
        eventually(lambda: service.sluice.descriptors_open() <= descriptors + 16, world.patience(15),
                   f"about as many descriptors as before, {descriptors}; now {service.sluice.descriptors_open()}")


@scenario("pressure: clients that leave within the handshake")
def leave_early(world):
    with Service(world) as service:
        for _ in range(world.choose(50, 500)):
            with connect(service.address, world.patience(15)) as connection:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01")
                connection.shutdown(socket.SHUT_WR)
        service.sluice.await_failure("peer-closed", count=world.choose(50, 500))
