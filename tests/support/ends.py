"""The two ends of a connection through keysluice, as programs and sockets, and an exchange of payload between them.

An end has send(pieces) and receive(size), which may run at the same time in two threads; receive returns the SHA-256
and keeps `self.received` up to date. `blind` ends tell nothing before they are done."""

import hashlib
import os
import socket
import subprocess
import threading

from support import payload, processes
from support.backends import accept_one
from support.scenario import Failure, eventually, expect_equal


class End:
    blind = False
    received = 0

    def read_some(self, size):
        raise NotImplementedError

    def write_all(self, data):
        raise NotImplementedError

    def send(self, pieces):
        for piece in pieces:
            self.write_all(piece)

    def receive(self, size):
        total = hashlib.sha256()
        while self.received < size:
            data = self.read_some(min(payload.CHUNK, size - self.received))
            if not data:
                raise Failure(f"{self}: the connection ended after {self.received} of {size} bytes")
            total.update(data)
            self.received += len(data)
        return total.hexdigest()


class SocketEnd(End):
    def __init__(self, connection):
        self.connection = connection

    def __str__(self):
        return "the plaintext socket"

    def read_some(self, size):
        return self.connection.recv(size)

    def write_all(self, data):
        self.connection.sendall(data)

    def close(self):
        self.connection.close()


class HttpEnd(SocketEnd):
    """The server of one HTTP request with a body: answers with a body once it has the whole of the request's. It
    accepts when it is first asked to receive, because an HTTP client connects once it has something to say."""

    def __init__(self, world, listener):
        super().__init__(None)
        self.world, self.listener = world, listener
        self.complete = threading.Event()

    def receive(self, size):
        self.connection = accept_one(self.listener, self.world.patience(60))
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.connection.recv(1) or self._broken()
        if f"content-length: {size}".encode() not in head.lower():
            raise Failure(f"an HTTP request with a body of {size} bytes was expected, not {head!r}")
        digest = super().receive(size)
        self.complete.set()
        return digest

    def _broken(self):
        raise Failure("the connection ended within the head of the HTTP request")

    def send(self, pieces):
        if not self.complete.wait(self.world.patience(300)):
            raise Failure("the HTTP request did not arrive whole")
        self.write_all(f"HTTP/1.1 200 OK\r\nContent-Length: {self.received}\r\nConnection: close\r\n\r\n".encode())
        super().send(pieces)


class ProgramEnd(End):
    """A program that carries its standard input to the connection and the connection to its standard output."""

    def __init__(self, world, name, command):
        self.world, self.name = world, name
        self.process = processes.start(command, world.directory / f"{name}.log", stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, bufsize=0, cwd=world.directory)

    def __str__(self):
        return self.name

    def read_some(self, size):
        return os.read(self.process.stdout.fileno(), size)

    def write_all(self, data):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.process.stdin.fileno(), rest):]

    def close(self):
        """It ends by itself once it was told the end in order; the programs complain of a connection that just breaks
        with their exit status."""
        try:
            expect_equal(self.process.wait(self.world.patience(20)), 0, f"{self.name}'s exit status after the end")
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not notice the end of the connection") from None


class CurlEnd(End):
    """curl, which uploads a file and stores the answer in another."""

    blind = True

    def __str__(self):
        return "curl"

    def __init__(self, world, command):
        self.world = world
        self.upload, self.download = world.directory / "upload", world.directory / "download"
        self.command = [*command, "--upload-file", self.upload, "--output", self.download]
        self.process = None
        self.started = threading.Event()

    def send(self, pieces):
        with open(self.upload, "wb") as file:
            file.writelines(pieces)
        self.process = processes.start(self.command, self.world.directory / "curl.log")
        self.started.set()
        self.process.wait()  # what a thread starts ends with the thread

    def receive(self, size):
        self.started.wait(self.world.patience(60))
        status = self.process.wait(self.world.patience(300))
        expect_equal(status, 0, "curl's exit status")
        data = self.download.read_bytes()
        self.received = len(data)
        return hashlib.sha256(data).hexdigest()

    def close(self):
        pass  # it ends by itself


class Errand(threading.Thread):
    """A thread that remembers its result or its failure. `what` says what it does, for the message."""

    def __init__(self, what, function, *arguments):
        super().__init__(daemon=True)
        self.what = what
        self.work = lambda: function(*arguments)
        self.result, self.error = None, None
        self.start()

    def run(self):
        try:
            self.result = self.work()
        except OSError as error:
            self.error = Failure(f"{self.what}: {error}")
        except Exception as error:
            self.error = error


def finish(errands, within):
    """Waits for all of them. The first that fails ends the wait: the others may be waiting for it."""

    def over():
        for each in errands:
            if each.error:
                raise each.error
        return not any(each.is_alive() for each in errands)

    eventually(over, within, " and ".join(each.what for each in errands))


def paused_halfway(pieces, gate, half, within):
    done = 0
    for piece in pieces:
        if done >= half and not gate.wait(within):
            return
        yield piece
        done += len(piece)


def exchange(world, left, right, size, halfway):
    """Moves `size` bytes each way at the same time, and calls `halfway` while the connection stands, before the
    second half goes. Both hashes must come out right."""
    gate, errands, receiving = threading.Event(), [], []
    for source, sink, seed in ((left, right, 1), (right, left, 2)):
        pieces = payload.chunks(seed, size)
        if not source.blind:
            pieces = paused_halfway(pieces, gate, size // 2, world.patience(60))
        errands.append(Errand(f"sending by {source}", source.send, pieces))
        receiving.append((sink, seed, Errand(f"receiving by {sink}", sink.receive, size)))
    errands += [errand for _, _, errand in receiving]

    def stands():
        failed = any(each.error for each in errands)
        return failed or all(end.blind or end.received >= size // 2 for end in (left, right))

    eventually(stands, world.patience(60), "half of the payload arrives")
    if not any(each.error for each in errands):
        halfway()
    gate.set()
    finish(errands, world.patience(300))
    for sink, seed, errand in receiving:
        expect_equal(errand.result, payload.digest(seed, size), f"SHA-256 at {sink}")


def listener_for_one():
    """A listening socket on a free loopback port."""
    return socket.create_server(("127.0.0.1", 0))
