"""Many TLS connections at a time that never fall silent, and new ones that come all the while."""

import hashlib
import random
import select
import socket
import ssl
import threading
import time

from support.certificates import NAME
from support.scenario import expect
from support.tls_client import VERSIONS

PIECE = 1024
UNANSWERED = 4 * PIECE  # what a connection has on its way at most


def context_of(ca, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def connected(address, context, within):
    connection = socket.create_connection(address, within)
    try:
        return context.wrap_socket(connection, server_hostname=NAME)
    except BaseException:
        connection.close()
        raise


class Flow:
    """A connection to an echo, over which pseudo-random bytes go and come back."""

    def __init__(self, number, address, context, within):
        self.name = f"connection {number}, {context.minimum_version.name}"
        self.bytes = random.Random(number)
        self.sent, self.received = 0, 0
        self.going, self.coming = hashlib.sha256(), hashlib.sha256()
        self.rest = b""
        self.ended = ""
        self.tls = connected(address, context, within)
        self.tls.setblocking(False)

    def send(self):
        """A piece, unless too much is on its way."""
        if self.ended or (not self.rest and self.sent - self.received >= UNANSWERED):
            return
        # What could not be written must be offered again as it was.
        self.rest = self.rest or self.bytes.randbytes(PIECE)
        try:
            written = self.tls.send(self.rest)
        except ssl.SSLWantWriteError:
            return
        except OSError as error:
            self.ended = f"sending: {error}"
            return
        self.going.update(self.rest[:written])
        self.sent += written
        self.rest = self.rest[written:]

    def receive(self):
        while not self.ended:
            try:
                data = self.tls.recv(1 << 14)
            except ssl.SSLWantReadError:
                return
            except OSError as error:
                self.ended = f"receiving: {error}"
                return
            self.coming.update(data)
            self.received += len(data)
            if not data:
                self.ended = "the other end said that it is over"

    @property
    def whole(self):
        return self.sent == self.received and self.going.digest() == self.coming.digest()


class Flows:
    """`with Flows(...)`: `count` connections, TLS 1.2 and 1.3 in turn, that send until finish()."""

    PAUSE = 0.02

    def __init__(self, world, end, address, ca, count):
        contexts = [context_of(ca, version) for version in ("1.2", "1.3")]
        with end.namespace.entered():
            self.flows = [Flow(number, address, contexts[number % 2], world.patience(30)) for number in range(count)]
        self.over, self.done = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        for each in self.flows:
            each.tls.close()

    def _run(self):
        poll = select.epoll()
        by_descriptor = {each.tls.fileno(): each for each in self.flows}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.EPOLLIN)
        due, turn = time.monotonic(), 0
        while not self.done.is_set():
            for descriptor, _ in poll.poll(self.PAUSE):
                by_descriptor[descriptor].receive()
                if by_descriptor[descriptor].ended:
                    poll.unregister(descriptor)
            if time.monotonic() >= due:
                due = time.monotonic() + self.PAUSE
                turn = (turn + 1) % len(self.flows)
                if not self.over.is_set() or self.flows[turn].rest:
                    self.flows[turn].send()

    def finish(self):
        """Nothing more is begun; what is on its way comes back."""
        self.over.set()

    def marks(self):
        """What each connection has sent so far."""
        return {each: each.sent for each in self.flows}

    def behind(self, marks):
        """Connections that have not gone on: all of what was sent by then has come back, and more has been sent."""
        return [each.name for each, sent in marks.items() if each.received < sent or each.sent <= sent]

    def ended(self):
        return {each.name: each.ended for each in self.flows if each.ended}

    def spoilt(self):
        return [f"{each.name}: {each.received} of {each.sent} bytes" for each in self.flows if not each.whole]


class Newcomers:
    """While the block runs, one new connection after the other, each with an echo."""

    PAUSE = 0.5

    def __init__(self, world, end, address, ca):
        self.end, self.address, self.within = end, address, world.patience(30)
        self.contexts = [context_of(ca, version) for version in ("1.2", "1.3")]
        self.begun, self.served, self.failed = 0, 0, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _run(self):
        with self.end.namespace.entered():
            while not self.over.is_set():
                self.begun += 1
                try:
                    self._visit(b"number %d" % self.begun)
                    self.served = self.begun
                except OSError as error:
                    self.failed.append(error)
                time.sleep(self.PAUSE)

    def check(self, when, unanswered):
        """Nobody was refused or turned away since the last check, other than `unanswered` during their handshakes."""
        failed, self.failed = self.failed, []
        refused = any(isinstance(each, ConnectionRefusedError) for each in failed)
        expect(not refused and len(failed) <= unanswered, f"{when}: new TLS connections failed: {failed}")

    def _visit(self, text):
        with connected(self.address, self.contexts[self.begun % 2], self.within) as tls:
            tls.sendall(text)
            echo = b""
            while len(echo) < len(text) and (data := tls.recv(1 << 14)):
                echo += data
            if echo != text:
                raise ConnectionError(f"{echo!r} came back of {text!r}")
