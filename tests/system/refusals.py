"""What is refused, with a reason that is counted and stands in the log; and everybody else is served."""

import itertools
import ssl
import subprocess
import time

from support.backends import Backend, connect, echo
from support.keysluice import Keysluice, server_service
from support.scenario import Failure, eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import REFUSED, TlsClient, client_context, expect_echo
from support.world import free_port

OP_NO_EXTENDED_MASTER_SECRET = 1  # SSL_OP_BIT(0) of OpenSSL 3; the ssl module has no name for it


class Service:
    """`with Service(world) as service:` an echo service; at its end it must still serve."""

    def __init__(self, world, engines=1, **more):
        self.world, self.port, self.engines, self.more = world, free_port(), engines, more
        self.address = ("127.0.0.1", self.port)

    def __enter__(self):
        self.backend = Backend(echo)
        entries = {"listen": [f"127.0.0.1:{self.port}"], "connect": [self.backend.address]} | self.more
        self.sluice = Keysluice(self.world, [server_service(self.world, **entries)], engines=self.engines)
        self.sluice.__enter__()
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                expect_echo(self.world, self.address)
        finally:
            self.sluice.stop()
            self.backend.__exit__()

    def refused_for(self, reason, count=1):
        """The reason is counted in the status and stands in the log."""
        self.sluice.await_failure(reason, count=count)
        eventually(lambda: f"({reason}" in self.sluice.log(), self.world.patience(5), f"the log says {reason}")


def raw_answer(world, address, data):
    """Sends bytes that are not TLS and returns what comes back until the end."""
    with connect(address, world.patience(30)) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while piece := connection.recv(4096):
                answer += piece
        except ConnectionResetError:
            pass  # unread garbage makes the kernel reset; that is an end as well
        except TimeoutError:
            raise Failure("keysluice kept a connection that does not speak TLS") from None
        return answer


@scenario("bad input: garbage instead of a ClientHello")
def garbage(world):
    with Service(world) as service:
        for data in (b"\x00" * 64, b"\xff" * 64, bytes(range(256)), b"\x16\x03\x01\xff\xff" + b"x" * 64,
                     b"\x17\x03\x03\x00\x05hello", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"):
            raw_answer(world, service.address, data)
        service.sluice.await_failure("", count=6)
        service.refused_for("not-tls")
        service.refused_for("record-overflow")


@scenario("bad input: plain HTTP on the TLS port")
def plain_http(world):
    with Service(world) as service:
        raw_answer(world, service.address, b"GET / HTTP/1.1\r\nHost: keysluice.test\r\n\r\n")
        service.refused_for("plain-http")
        expect("HTTP" in service.sluice.log(), "the log tells a person that somebody spoke HTTP")


def hello_of(world):
    """The bytes of a real ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        client_context(world).wrap_bio(incoming, outgoing, server_hostname="keysluice.test").do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


@scenario("bad input: a ClientHello that drips in byte by byte runs into the handshake timeout")
def slow_hello(world):
    with Service(world, handshake_timeout="1s") as service:
        hello, begin = hello_of(world), time.monotonic()
        with connect(service.address, world.patience(30)) as connection:
            try:
                for number in itertools.count():
                    expect(time.monotonic() - begin < world.patience(20), "the connection is closed by the timeout")
                    connection.sendall(hello[number:number + 1] or b"\0")
                    time.sleep(0.05)
            except ConnectionError:
                pass
        service.refused_for("handshake-timeout")


@scenario("bad input: a connection that says nothing runs into the handshake timeout")
def silent(world):
    with Service(world, handshake_timeout="1s") as service:
        with connect(service.address, world.patience(30)) as connection:
            try:
                while connection.recv(100):
                    pass
            except ConnectionResetError:
                pass
        service.refused_for("handshake-timeout")


def refusal(name, context_of, reason):
    @scenario(f"bad input: {name} is refused")
    def refused(world):
        with Service(world) as service:
            context = context_of(world)
            error = expect_raises(REFUSED, lambda: TlsClient(world, service.address, context), "the handshake")
            expect("ALERT" in str(error), f"the client is told by an alert, not by {error!r}")
            service.refused_for(reason)
            expect_equal(len(service.backend.talks), 0, "connections that reached the backend")


def old_version(world):
    # At security level 1 OpenSSL has no signature left for TLS 1.1.
    context = client_context(world, ciphers="DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def without_extended_master_secret(world):
    context = client_context(world, "1.2")
    context.options |= OP_NO_EXTENDED_MASTER_SECRET
    return context


refusal("a client that knows TLS 1.1 only", old_version, "version-too-old")
refusal("a client that offers CBC only", lambda world: client_context(world, "1.2", "ECDHE-ECDSA-AES128-SHA"),
        "no-shared-cipher")
refusal("a TLS 1.2 client without extended master secret", without_extended_master_secret,
        "no-extended-master-secret")


@scenario("bad input: a TLS 1.2 client of a service with min_version 1.3 is refused")
def minimum_version(world):
    with Service(world, min_version="1.3") as service:
        context = client_context(world, "1.2")
        expect_raises(REFUSED, lambda: TlsClient(world, service.address, context), "the handshake")
        service.refused_for("version-too-old")


def spoilt_record(world, version):
    with Service(world) as service, TlsClient(world, service.address) as other:
        client = TlsClient(world, service.address, client_context(world, version))
        client.echo(b"before")
        record = bytearray(client.seal(b"this record is spoilt on its way"))
        record[-1] ^= 1
        client.socket.sendall(record)
        expect_raises((ssl.SSLError, ConnectionError), client.receive, "reading on after a record with a bad MAC")
        service.refused_for("bad-record-mac")
        # Connections arrive at the backend in the order in which they were made.
        expect_equal(service.backend.await_end(world, 1), "reset", "how the backend's connection ended")
        expect_equal(service.backend.talks[1].received, len(b"before"), "bytes that reached the backend")
        other.echo(b"undisturbed")


@scenario("bad input: a record with a bad MAC, TLS 1.2, is passed on as a reset")
def bad_mac_12(world):
    spoilt_record(world, "1.2")


@scenario("bad input: a record with a bad MAC, TLS 1.3, is passed on as a reset")
def bad_mac_13(world):
    spoilt_record(world, "1.3")


def key_update_flood(world, service):
    """s_client asks for a new key with every line K, as fast as it reads. Returns how many it took to be closed."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{service.port}", "-tls1_3", "-CAfile",
               world.certificates.ca]
    client = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, bufsize=0)
    eventually(lambda: service.sluice.active() == 2, world.patience(15), "s_client is connected")
    try:
        for number in range(2000):
            if client.poll() is not None:
                return number
            client.stdin.write(b"K\n")
            time.sleep(0.002)  # s_client takes a command from the beginning of what one read gives it
        raise Failure("2000 KeyUpdates in a row were put up with")
    except BrokenPipeError:
        return number
    finally:
        client.kill()
        client.wait()


@scenario("bad input: a flood of KeyUpdates closes that connection and no other")
def key_updates(world):
    with Service(world) as service, TlsClient(world, service.address) as other:
        other.echo(b"before")
        world.note(f"closed after about {key_update_flood(world, service)} KeyUpdates")
        # A kernel that can't follow closes at the first one.
        eventually(lambda: any(service.sluice.failures(reason) for reason in ("key-update-flood", "kernel-no-rekey")),
                   world.patience(15), "the connection is counted as a failure")
        other.echo(b"undisturbed")
        burnt = service.sluice.cpu_spent(1)
        expect(burnt < 0.5, f"no CPU is burnt afterwards: {burnt:.2f} s in one second")
