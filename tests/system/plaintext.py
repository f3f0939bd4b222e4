"""plaintext = "relay": clients that don't speak TLS pass, as they are; the others are served as ever."""

import hashlib
import signal
import socket
import struct
import threading

from support.backends import Backend, connect, echo, record
from support.keysluice import Keysluice, check, configuration, server_service
from support.processes import send_signal
from support.proxies import headers_into
from support.scenario import eventually, expect, expect_equal, scenario
from support.tls_client import expect_echo
from support.world import free_port
from system.closing import ServiceBefore, answer_after_the_end, break_off

SIZE = 8 << 20


def relayed(world, handler, **more):
    return ServiceBefore(world, handler, plaintext="relay", **more)


def plain(world, service):
    return connect(service.address, world.patience(30))


def read_exactly(connection, size):
    data = bytearray()
    while len(data) < size and (piece := connection.recv(1 << 16)):
        data += piece
    return bytes(data)


def exchange(connection, data):
    """Sends all of it, while it comes back."""
    sender = threading.Thread(target=connection.sendall, args=(data,))
    sender.start()
    returned = read_exactly(connection, len(data))
    sender.join()
    return returned


def digest(data):
    return hashlib.sha256(data).hexdigest()


@scenario("plaintext: a big exchange both ways, beside TLS, and it is counted by itself")
def beside_tls(world):
    with relayed(world, echo) as service:
        data = bytes(range(256)) * (SIZE // 256)
        with plain(world, service) as client:
            expect_equal(digest(exchange(client, data)), digest(data), "what came back")
            expect_echo(world, service.address)
            shown = service.sluice.service()
            expect_equal(shown["established"]["plaintext"], 1, "connections without TLS")
            expect_equal(shown["active"]["plaintext"], 1, "of those now")
            expect_equal(shown["established"]["kernel"] + shown["established"]["userspace"], 1, "connections with TLS")
        eventually(lambda: service.sluice.service()["active"]["plaintext"] == 0, world.patience(15), "it has ended")
        expect_equal(service.backend.await_end(world), "eof", "how the backend's connection ended")


@scenario("plaintext: the client ends first, and the answer still comes")
def client_first(world):
    with relayed(world, answer_after_the_end) as service, plain(world, service) as client:
        data = b"half of a conversation" * 10_000
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        expect_equal(read_exactly(client, 1000), digest(data).encode(), "the answer, and then the end")


@scenario("plaintext: many small segments that wait in a socket all get through, and the end behind them")
def small_segments(world):
    service = relayed(world, answer_after_the_end)
    path = f"{world.directory}/plain.sock"
    service.more["listen"] = [f"127.0.0.1:{service.port}", f"unix:{path}"]
    # Each has a place of its own in the relay's pipe, which has 64.
    segments = [bytes([number % 256]) * 100 for number in range(200)]
    with service, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(world.patience(30))
        client.connect(path)
        for segment in segments:
            client.send(segment)
        client.shutdown(socket.SHUT_WR)
        expect_equal(read_exactly(client, 1000), digest(b"".join(segments)).encode(), "the answer, and then the end")


@scenario("plaintext: a reset of the client resets the backend's side")
def client_resets(world):
    with relayed(world, echo) as service:
        with plain(world, service) as client:
            client.sendall(b"x")
            expect_equal(read_exactly(client, 1), b"x", "the echo")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        expect_equal(service.backend.await_end(world), "reset", "how the backend's connection ended")
        service.refused_for("tls-side-reset")


@scenario("plaintext: a backend that breaks off is a reset for the client")
def backend_resets(world):
    with relayed(world, break_off) as service, plain(world, service) as client:
        client.sendall(b"x")
        try:
            expect_equal(client.recv(1), "a reset", "what the client reads")
        except ConnectionResetError:
            pass


@scenario("plaintext: a relay is killed in the middle, and not one octet is lost")
def relay_killed(world):
    with relayed(world, echo) as service, plain(world, service) as client:
        data = bytes(reversed(range(256))) * (SIZE // 256)
        expect_equal(exchange(client, b"before"), b"before", "the echo")
        victims = service.sluice.pids("relay")
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        first = read_exactly(client, SIZE // 4)
        for pid in victims:
            send_signal(pid, signal.SIGKILL)
        rest = read_exactly(client, SIZE - len(first))
        sender.join()
        expect_equal(digest(first + rest), digest(data), "what came back")
        eventually(lambda: set(service.sluice.pids("relay")) - set(victims), world.patience(20), "a successor is there")


@scenario("plaintext: the backend is told who the client is, and nothing of TLS")
def with_proxy_header(world):
    headers = []
    with Backend(headers_into(headers)) as backend:
        port = free_port()
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], send_proxy="v2",
                                 plaintext="relay")
        with Keysluice(world, [service], engines=1):
            with connect(("127.0.0.1", port), world.patience(30)) as client:
                expect_equal(exchange(client, b"behind the header"), b"behind the header", "the echo")
                (header,) = headers
                expect_equal(header.client, client.getsockname()[:2], "the client's address")
                expect(0x20 not in header.tlvs, "there is no PP2_TYPE_SSL")


@scenario("plaintext: a client that says nothing is closed after handshake_timeout")
def silent(world):
    with relayed(world, record, handshake_timeout="3s") as service, plain(world, service) as client:
        try:
            expect_equal(client.recv(1), b"", "what a silent client reads")
        except ConnectionResetError:
            pass
        service.refused_for("handshake-timeout")


@scenario("plaintext: --check warns of it, and refuses it together with what demands TLS")
def checked(world):
    def told(**more):
        service = server_service(world, listen=["127.0.0.1:4433"], connect=["127.0.0.1:80"], plaintext="relay", **more)
        return check(world, configuration(world.directory, [service], {}))[:2]

    status, text = told()
    expect_equal((status, "WARNING: plaintext" in text), (0, True), f"the warning: {text}")
    for more in ({"client_certificate": "required", "ca": world.certificates.ca}, {"offload": "require"}):
        status, text = told(**more)
        expect_equal((status, "rules out" in text), (1, True), f"the refusal: {text}")
