"""How a connection ends: in order in each direction by itself, or broken off, and the other side can tell which."""

import hashlib
import signal
import socket
import struct
import threading

from support import payload
from support.backends import Conversation, echo, record
from support.processes import send_signal
from support.scenario import eventually, expect_equal, expect_raises, scenario
from support.tls_client import REFUSED, TlsClient, client_context
from system.refusals import Service

SIZE = 300_000
VERSIONS = ("1.2", "1.3")


class ServiceBefore(Service):
    """A service in front of a backend of our choice."""

    def __init__(self, world, handler, **more):
        super().__init__(world, **more)
        self.handler = handler

    def __enter__(self):
        super().__enter__()
        self.backend.handler = self.handler
        return self

    def __exit__(self, kind, *rest):
        self.backend.handler = echo
        super().__exit__(kind, *rest)


def answer_after_the_end(talk: Conversation):
    """Reads to the end first and only then answers: works only where half-close is passed on."""
    record(talk)
    talk.send(talk.sha256.hexdigest().encode())
    talk.end_sending()


def end_first(talk: Conversation):
    """Ends its own direction at once, and listens on."""
    talk.send(b"that was all")
    talk.end_sending()
    record(talk)


def break_off(talk: Conversation):
    """Resets the connection when the first bytes come."""
    talk.receive()
    talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def scenario_of_both_versions(name):
    """Registers the function below it once for each TLS version, which it gets as its second argument."""

    def register(function):
        for version in VERSIONS:
            scenario(f"{name}, TLS {version}")(lambda world, version=version: function(world, version))
        return function

    return register


@scenario_of_both_versions("closing: the client ends first, and the answer still comes")
def client_first(world, version):
    with ServiceBefore(world, answer_after_the_end) as service:
        with TlsClient(world, service.address, client_context(world, version)) as client:
            sent = hashlib.sha256()
            for piece in payload.chunks(3, SIZE):
                client.send(piece)
                sent.update(piece)
            client.close_notify()
            expect_equal(client.receive_exactly(64).decode(), sent.hexdigest(), "the hash that the backend answers")
            expect_equal(client.receive(), b"", "the end after the answer is a close_notify")
        expect_equal(service.backend.await_end(world), "eof", "how the backend saw the end")
        service.sluice.await_idle()
        expect_equal(service.sluice.service()["failed"], {}, "failures that status counts")


@scenario_of_both_versions("closing: the backend ends first, and the client still sends")
def backend_first(world, version):
    # A TLS 1.2 client has to answer a close_notify with its own at once (RFC 5246 7.2.1), yet not every one does.
    with ServiceBefore(world, end_first) as service:
        with TlsClient(world, service.address, client_context(world, version)) as client:
            expect_equal(client.receive_exactly(12), b"that was all", "what the backend said")
            expect_equal(client.receive(), b"", "the backend's end is a close_notify")
            for piece in payload.chunks(4, SIZE):
                client.send(piece)
            talk = service.backend.await_talk(world)
            eventually(lambda: talk.received == SIZE, world.patience(15), "all that was sent after the end arrives")
            expect_equal(talk.ended, "", "the client's direction is still open")
            client.close_notify()
            expect_equal(service.backend.await_end(world), "eof", "how the backend saw the client's end")
            expect_equal(client.socket.recv(100), b"", "after close_notify comes the FIN")
        expect_equal(talk.sha256.hexdigest(), payload.digest(4, SIZE), "SHA-256 at the backend")
        service.sluice.await_idle()


@scenario_of_both_versions("closing: FIN without close_notify reaches the backend as a reset")
def truncation(world, version):
    with ServiceBefore(world, record) as service:
        client = TlsClient(world, service.address, client_context(world, version))
        client.send(b"pay 1000 to ")
        talk = service.backend.await_talk(world)
        eventually(lambda: talk.received, world.patience(15), "the first half arrives")
        client.socket.shutdown(socket.SHUT_WR)
        expect_equal(service.backend.await_end(world), "reset", "how the backend saw a connection that was cut off")
        service.refused_for("truncated")


@scenario_of_both_versions("closing: a record that is cut in the middle reaches the backend as a reset")
def cut_record(world, version):
    with ServiceBefore(world, record) as service:
        client = TlsClient(world, service.address, client_context(world, version))
        client.socket.sendall(client.seal(b"a whole record"))
        client.socket.sendall(client.seal(b"half of another")[:-5])
        talk = service.backend.await_talk(world)
        eventually(lambda: talk.received == 14, world.patience(15), "the whole record arrives")
        client.socket.shutdown(socket.SHUT_WR)
        expect_equal(service.backend.await_end(world), "reset", "how the backend saw a connection that was cut off")
        expect_equal(talk.received, 14, "bytes that reached the backend")


@scenario("closing: a reset by the client reaches the backend as a reset")
def client_reset(world):
    with ServiceBefore(world, record) as service:
        client = TlsClient(world, service.address)
        client.send(b"hello")
        service.backend.await_talk(world)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        expect_equal(service.backend.await_end(world), "reset", "how the backend saw the end")


@scenario_of_both_versions("closing: a reset by the backend is no clean end for the client")
def backend_reset(world, version):
    with ServiceBefore(world, break_off) as service:
        client = TlsClient(world, service.address, client_context(world, version))
        client.send(b"hello")
        expect_raises(REFUSED, client.receive, "reading on after the backend broke off")
        client.socket.close()
        service.sluice.await_idle()


@scenario_of_both_versions("closing: the backend answers early, ends and resets: the client gets the answer and its end")
def early_answer(world, version):
    has_begun, may_answer, has_left = threading.Event(), threading.Event(), threading.Event()

    def answer_and_leave(talk: Conversation):
        talk.connection.recv(1)
        has_begun.set()
        may_answer.wait()
        talk.send(b"not that much, please")
        talk.end_sending()
        talk.connection.close()  # with unread input: a reset behind the FIN
        has_left.set()

    with ServiceBefore(world, answer_and_leave) as service:
        with TlsClient(world, service.address, client_context(world, version)) as client:
            client.send(b"the start of a request")
            has_begun.wait(world.patience(15))
            # When keysluice goes on it finds all of this at once, the client's bytes first: writing them fails.
            carriers = service.sluice.pids("engine") + service.sluice.pids("relay")
            for pid in carriers:
                send_signal(pid, signal.SIGSTOP)
            client.send(b"the rest of it")
            may_answer.set()
            has_left.wait(world.patience(15))
            for pid in carriers:
                send_signal(pid, signal.SIGCONT)
            expect_equal(client.receive_exactly(21), b"not that much, please", "the answer")
            expect_equal(client.receive(), b"", "the end after it is a close_notify")
        service.sluice.await_idle()
        expect_equal(service.sluice.service()["failed"], {}, "failures that status counts")
