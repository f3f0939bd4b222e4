"""Plaintext servers behind (or in front of) keysluice. One thread a connection, and a memory of how it went."""

import dataclasses
import hashlib
import os
import socket
import threading

from support import payload
from support.scenario import Failure, eventually


@dataclasses.dataclass
class Conversation:
    """What one connection of a backend has seen. `ended`: "" while it lasts, then "eof", "reset" or an error text."""

    connection: socket.socket
    received: int = 0
    sent: int = 0
    ended: str = ""
    sha256: object = dataclasses.field(default_factory=hashlib.sha256)

    def receive(self):
        """The next bytes, empty at the end, which is noted."""
        try:
            data = self.connection.recv(payload.CHUNK)
        except ConnectionResetError:
            self.ended = "reset"
            return b""
        except OSError as error:
            self.ended = str(error)
            return b""
        self.received += len(data)
        self.sha256.update(data)
        if not data:
            self.ended = "eof"
        return data

    def send(self, data):
        try:
            self.connection.sendall(data)
        except OSError as error:
            self.ended = "reset" if isinstance(error, (ConnectionResetError, BrokenPipeError)) else str(error)
            return False
        self.sent += len(data)
        return True

    def end_sending(self):
        try:
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side was faster


def echo(talk):
    """Sends back what comes, and its own end after the peer's."""
    while data := talk.receive():
        if not talk.send(data):
            return
    talk.end_sending()


def record(talk):
    """Only listens, to the end."""
    while talk.receive():
        pass


def hold(talk):
    """Accepts and reads nothing: a backend that is slow without end."""
    threading.Event().wait()


def hang_up(talk):
    """Closes at once."""


def greet(text):
    """Says `text` and then echoes: tells a client where it arrived."""

    def handler(talk):
        talk.send(text)
        echo(talk)

    return handler


def source(seed, size):
    """Sends `size` bytes and its end, then listens to the end."""

    def handler(talk):
        for piece in payload.chunks(seed, size):
            if not talk.send(piece):
                return
        talk.end_sending()
        record(talk)

    return handler


class Backend:
    """A server on a free loopback port (or `path`, or `host`) that runs `handler` on each connection until closed."""

    def __init__(self, handler, host="127.0.0.1", path=None):
        self.handler = handler
        self.talks = []
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen(4096)
            self.address = f"unix:{path}"
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.listener = socket.create_server((host, 0), family=family, backlog=4096)
            bracketed = f"[{host}]" if ":" in host else host
            self.address = f"{bracketed}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed: this is how it ends
            talk = Conversation(connection)
            self.talks.append(talk)
            threading.Thread(target=self._serve, args=(talk,), daemon=True).start()

    def _serve(self, talk):
        with talk.connection:
            self.handler(talk)

    def await_talk(self, world, index=0):
        """The index-th connection this backend got, as soon as it is there."""
        eventually(lambda: len(self.talks) > index, world.patience(15), f"the backend gets connection {index + 1}")
        return self.talks[index]

    def await_end(self, world, index=0):
        """How that connection ended."""
        talk = self.await_talk(world, index)
        return eventually(lambda: talk.ended, world.patience(15), "the backend's connection ends")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # shutdown() wakes the thread in accept(); close() alone would leave it and the port there.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def accept_one(listener, within):
    """One accepted connection, with a timeout for everything that follows."""
    listener.settimeout(within)
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        raise Failure(f"nothing connected to the backend within {within:g} s") from None
    connection.settimeout(within)
    return connection


def connect(address, within, source_address=None):
    """A plain client connection to ("host", port) or to a unix path."""
    if isinstance(address, (str, os.PathLike)):
        connection = socket.socket(socket.AF_UNIX)
        # Waits while the listen queue is full; a socket with a timeout would be refused at once (EAGAIN).
        connection.connect(str(address))
        connection.settimeout(within)
        return connection
    return socket.create_connection(address, within, source_address)


def await_listener(world, port, process):
    """Until a program listens on this IPv4 port, or has ended, without a connection to it."""
    def listens():
        if process.poll() is not None:
            return True
        with open("/proc/net/tcp") as table:
            return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in table)

    eventually(listens, world.patience(20), f"a program listens on port {port}")
