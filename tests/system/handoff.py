"""Sockets with their keys in the kernel go to applications: handed off, and submitted by them (keysluice-handoff(7)).

The application is examples/echo_server.c, which knows keysluice by include/keysluice/handoff.h alone."""

import contextlib
import hashlib
import json
import os
import pathlib
import pwd
import socket
import threading

from support import processes
from support.backends import connect
from support.ends import Errand, finish
from support.keysluice import Keysluice, check, configuration, failing_start, server_service
from support.scenario import Failure, Skip, eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import REFUSED, TlsClient, client_context
from support.world import free_port, tls_decrypt_errors
from system.rekeying import CHANGES, PORTION, kernel_changes, line_of, s_client

OURSELVES = pwd.getpwuid(os.getuid()).pw_name
SECRET = b"only the two ends may read this line"
ETH_P_ALL = 3


class Capture(threading.Thread):
    """What goes over lo, searched for `markers` as it comes by."""

    def __init__(self, *markers):
        super().__init__(daemon=True)
        self.markers, self.seen, self.octets, self.over = markers, set(), 0, False
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.5)

    def run(self):
        while not self.over:
            with contextlib.suppress(TimeoutError):
                packet = self.socket.recv(1 << 17)
                self.octets += len(packet)
                self.seen |= {marker for marker in self.markers if marker in packet}

    def stop(self):
        self.over = True
        self.join()
        self.socket.close()


class Application:
    """The example server, and keysluice before it. `mode` is "handoff" or "submit"; `user`: whom it takes keysluice for."""

    def __init__(self, world, mode, user=OURSELVES, **settings):
        self.world, self.mode, self.user = world, mode, user
        self.port, self.path = free_port(), world.directory / "app.sock"
        if mode == "handoff":
            places = {"listen": [f"127.0.0.1:{self.port}"], "connect": [f"unix:{self.path}"], "deliver": "handoff"}
        else:
            places = {"listen": [f"submit:{self.path}"]}
        service = server_service(world, **places | {"application_users": [OURSELVES]} | settings)
        self.sluice = Keysluice(world, [service])
        self.log = world.directory / "echo_server.log"
        self.process = None

    def __enter__(self):
        if self.mode == "handoff":
            self.start()
        self.sluice.__enter__()
        try:
            if self.mode == "submit":
                self.start()
        except BaseException:
            self.sluice.stop()
            raise
        return self

    def start(self):
        words = [self.path, *([self.port] if self.mode == "submit" else []), self.user]
        self.process = processes.start([self.world.programs / "echo_server", self.mode, *words], self.log)
        eventually(lambda: self.process.poll() is not None or b"ready" in self.log.read_bytes(),
                   self.world.patience(10), "the example server is ready")

    def __exit__(self, *_):
        if self.process:
            processes.stop(self.process, self.world.patience(10))
        self.sluice.stop()

    def client(self, **more):
        return TlsClient(self.world, ("127.0.0.1", self.port), **more)

    def descriptors(self):
        return self.sluice.descriptors_open() + len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))


def need_kernel(world):
    if not world.kernel:
        raise Skip("without kTLS there is nothing to give to an application")


def talk(client, number):
    """Some lines there and back; their hashes are compared."""
    sent, received = hashlib.sha256(), hashlib.sha256()
    for line in (SECRET, line_of(number)[:20_000], SECRET):
        client.send(line)
        sent.update(line)
        received.update(client.receive_exactly(len(line)))
    expect_equal(received.hexdigest(), sent.hexdigest(), f"SHA-256 of the echo on connection {number}")


def many_sockets(world, mode):
    need_kernel(world)
    count, plain, errors = world.choose(50, 1000), b"this line is readable for everybody", tls_decrypt_errors()
    processes.raise_descriptor_limit(4096)
    with Application(world, mode) as application:
        capture = Capture(SECRET, plain)
        capture.start()
        before = application.descriptors()
        context = client_context(world)
        clients = []
        for number in range(count):
            clients.append(application.client(context=context))
            talk(clients[-1], number)
        if mode == "handoff":  # an engine that runs as another user must be able to call
            expect_equal(oct(application.path.stat().st_mode & 0o777), "0o666", "the mode of the application's socket")
        service = application.sluice.service()
        expect_equal((service["delivered"], service["established"]["kernel"], service["active"]["kernel"]),
                     (count, count, 0), "delivered, established and active, as status has them")
        for client in clients:
            client.close()
        eventually(lambda: application.descriptors() == before, world.patience(20),
                   f"descriptors are as few as before, {before}; now there are {application.descriptors()}")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with connect(listener.getsockname(), 10) as witness:
                witness.sendall(plain)
                eventually(lambda: plain in capture.seen, world.patience(20), "the capture sees what is readable")
        capture.stop()
        expect(capture.octets > count * 40_000, f"the capture has seen the records, {capture.octets} octets")
        expect(SECRET not in capture.seen, "no plaintext on the wire")
        expect_equal(application.sluice.service()["failed"], {}, "failures that status counts")
        world.note(f"{count} sockets, {capture.octets >> 20} MiB on the wire")
    expect_equal(tls_decrypt_errors(), errors, "TlsDecryptError in /proc/net/tls_stat")


@scenario("handoff: the example server echoes on sockets that are handed off to it, and nobody can read along")
def handed_off(world):
    many_sockets(world, "handoff")


@scenario("handoff: the example server echoes on sockets that it submits, and nobody can read along")
def submitted(world):
    many_sockets(world, "submit")


def change_a_hundred_times(world, mode):
    need_kernel(world)
    if kernel_changes() is None:
        raise Skip("this kernel can't change keys: Linux 6.14 can")
    errors = tls_decrypt_errors()
    with Application(world, mode) as application:
        client = s_client(world, application.port)
        before = kernel_changes()
        for number in range(CHANGES + 1):
            client.received = 0
            errands = [Errand(f"echo {number}", client.receive, PORTION),
                       Errand(f"line {number}", client.send, [line_of(number)])]
            finish(errands, world.patience(60))
            expect_equal(errands[0].result, hashlib.sha256(line_of(number)).hexdigest(), f"SHA-256 of {number}")
            if number < CHANGES:
                client.change_keys()
        eventually(lambda: tuple(now - then for now, then in zip(kernel_changes(), before)) == (CHANGES, CHANGES),
                   world.patience(20), "the kernel has changed keys a hundred times each way")
        client.process.kill()
    expect_equal(tls_decrypt_errors(), errors, "TlsDecryptError in /proc/net/tls_stat")


@scenario("handoff: OpenSSL changes its keys a hundred times on a socket that was handed off")
def rekeyed_after_handoff(world):
    change_a_hundred_times(world, "handoff")


@scenario("handoff: OpenSSL changes its keys a hundred times on a socket that was submitted")
def rekeyed_after_submission(world):
    change_a_hundred_times(world, "submit")


@scenario("handoff: a kernel that can't change keys: the example server ends the connection in order")
def update_that_cannot_be_followed(world):
    need_kernel(world)
    if kernel_changes() is not None:
        raise Skip("asks for a kernel with kTLS before Linux 6.14")
    with Application(world, "handoff") as application:
        client = s_client(world, application.port)
        client.write_all(b"K\n")
        expect(client.process.wait(world.patience(20)) is not None, "s_client ends")
        expect(b"internal error" in client.log.read_bytes(), "s_client was told by an alert")


def refused_by_application(client):
    def ask():
        with client() as one:
            one.echo(b"is anybody there?")

    expect_raises(REFUSED + (Failure,), ask, "the connection")


@scenario("handoff: who listens must be one of application_users, and nobody else gets a socket")
def handed_to_others(world):
    need_kernel(world)
    with Application(world, "handoff", application_users=["nobody"]) as application:
        refused_by_application(application.client)
        application.sluice.await_failure("application-not-permitted")
        expect(b"serving" not in application.log.read_bytes(), "the application got nothing")


@scenario("handoff: the application is not there: the client hears an alert, which is counted")
def nobody_listens(world):
    need_kernel(world)
    with Application(world, "handoff") as application:
        processes.stop(application.process, world.patience(10))
        with application.client() as client:
            expect("INTERNAL_ERROR" in str(expect_raises(REFUSED, client.receive, "the connection")).upper(),
                   "the alert says internal_error")
        application.sluice.await_failure("application-unreachable")


@scenario("handoff: an application takes sockets from keysluice's user alone")
def handed_by_others(world):
    need_kernel(world)
    with Application(world, "handoff", user="nobody") as application:
        refused_by_application(application.client)
        expect(b"serving" not in application.log.read_bytes(), "the application took nothing")


def packet_socket(path, world):
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.settimeout(world.patience(20))
    channel.connect(str(path))
    return channel


def relay_beside(world, **more):
    """A service for anybody, with a door for submissions."""
    path = world.directory / "submit.sock"
    service = server_service(world, listen=[f"127.0.0.1:{free_port()}", f"submit:{path}"], connect=["127.0.0.1:9"],
                             **{"application_users": [OURSELVES]} | more)
    return path, Keysluice(world, [service])


@scenario("handoff: submissions of another user are refused at once, and counted")
def submitted_by_others(world):
    path, sluice = relay_beside(world, application_users=["nobody"])
    with sluice, packet_socket(path, world) as channel:
        with contextlib.suppress(ConnectionError):  # closed with something unread
            expect_equal(channel.recv(100), b"", "what is said to somebody else")
        sluice.await_failure("application-not-permitted")


def answer_to(channel, *descriptors, packet=b'{"version":1,"id":"7"}'):
    socket.send_fds(channel, [packet], descriptors)
    message, given, _, _ = socket.recv_fds(channel, 1 << 17, 4)
    for descriptor in given:
        os.close(descriptor)
    return json.loads(message) if message else None


@scenario("handoff: what is no connected TCP socket is refused with a reason; what is no submission ends the channel")
def submitted_rubbish(world):
    path, sluice = relay_beside(world)
    with sluice, socket.socketpair()[0] as local, socket.socket() as unconnected:
        with packet_socket(path, world) as channel:
            for one, reason in ((local, "not-tcp"), (unconnected, "not-connected")):
                answer = answer_to(channel, one.fileno())
                expect_equal((answer["id"], answer["reason"]), ("7", reason), "the answer")
        for descriptors, packet in (((), b'{"version":1,"id":"7"}'), ((1, 1), b'{"version":1,"id":"7"}'),
                                    ((1,), b'{"version":2,"id":"7"}'), ((1,), b"x" * 5000)):
            with packet_socket(path, world) as channel, contextlib.suppress(ConnectionError):
                expect_equal(answer_to(channel, *descriptors, packet=packet), None, f"the answer to {packet[:30]}")
        sluice.await_failure("submission-malformed", count=4)


@scenario("handoff: an application that goes takes with it what it has submitted")
def gone(world):
    path, sluice = relay_beside(world)
    with sluice, socket.create_server(("127.0.0.1", 0)) as listener:
        before = sluice.descriptors_open()
        with connect(listener.getsockname(), world.patience(20)) as silent:
            with packet_socket(path, world) as channel, listener.accept()[0] as accepted:
                socket.send_fds(channel, [b'{"version":1,"id":"7"}'], [accepted.fileno()])
                eventually(lambda: sluice.service()["negotiating"] == 1, world.patience(20), "the handshake is awaited")
            expect_equal(silent.recv(1), b"", "what the client hears")
        sluice.await_failure("application-gone")
        expect_equal(sluice.service()["negotiating"], 0, "handshakes under way")
        eventually(lambda: sluice.descriptors_open() == before, world.patience(20), "descriptors are as few as before")


@scenario("handoff: more submissions than may be under way wait for their turn, and none is lost")
def too_many_at_once(world):
    count = 1100  # 1,024 may be under way
    path, sluice = relay_beside(world, handshake_timeout="500ms")
    processes.raise_descriptor_limit(8192)
    with sluice, packet_socket(path, world) as channel, socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        clients = [connect(listener.getsockname(), world.patience(20)) for _ in range(count)]
        accepted = [listener.accept()[0] for _ in range(count)]
        sender = Errand("submitting", lambda: [
            socket.send_fds(channel, [json.dumps({"version": 1, "id": str(each.fileno())}).encode()], [each.fileno()])
            for each in accepted])
        answers = [json.loads(channel.recv(1 << 16)) for _ in range(count)]
        finish([sender], world.patience(20))
        expect_equal(sorted(int(each["id"]) for each in answers), sorted(each.fileno() for each in accepted), "the ids")
        expect_equal({each["reason"] for each in answers}, {"handshake-timeout"}, "the reasons")
        for each in clients + accepted:
            each.close()


@scenario("handoff: an application that finds no room for a submission reads answers meanwhile, and goes on")
def no_room_for_a_submission(world):
    need_kernel(world)
    count, most = 1100, 1024  # what is too much for the queue in between, too, waits in the application
    processes.raise_descriptor_limit(8192)
    with Application(world, "submit", handshake_timeout="60s") as application:
        silent = [connect(("127.0.0.1", application.port), world.patience(20)) for _ in range(count)]
        eventually(lambda: application.sluice.service()["negotiating"] == most, world.patience(20),
                   f"{most} handshakes are awaited")
        for each in silent:
            each.close()
        eventually(lambda: application.log.read_bytes().count(b"no socket") == count, world.patience(20),
                   f"all {count} are answered")
        with application.client() as client:
            client.echo(b"is anybody there?")


@scenario("handoff: a connection that the kernel can't carry is refused, and who submitted it is told why")
def not_in_kernel(world):
    path, sluice = relay_beside(world)
    with sluice, packet_socket(path, world) as channel, socket.create_server(("127.0.0.1", 0)) as listener:
        def shake_hands():
            with TlsClient(world, listener.getsockname(), client_context(world, "1.2", "ECDHE+CHACHA20" if world.kernel
                                                                         else None)) as client:
                client.receive()

        client = Errand("the client's handshake", shake_hands)
        accepted = listener.accept()[0]
        with accepted:
            answer = answer_to(channel, accepted.fileno())
        if world.kernel:
            expect_equal((answer["service"], answer["tls"]), ("shop", "1.2"), "the answer")
        else:
            expect_equal((answer["id"], answer["reason"]), ("7", "handoff-needs-kernel"), "the answer")
            sluice.await_failure("handoff-needs-kernel")
        eventually(lambda: not client.is_alive(), world.patience(20), "the client hears of the end")


@scenario("handoff: a service that only gives sockets to applications does not start on a kernel without kTLS")
def start_without_kernel(world):
    if world.kernel:
        raise Skip("this kernel has kTLS")
    for places in ({"listen": [f"127.0.0.1:{free_port()}"], "connect": ["unix:/nowhere"], "deliver": "handoff"},
                   {"listen": [f"submit:{world.directory / 'submit.sock'}"]}):
        log = failing_start(world, server_service(world, **places, application_users=[OURSELVES]))
        expect("(handoff-needs-kernel)" in log, "the log says why")


@scenario("handoff: --check knows whether the keys go together")
def checked(world):
    service = server_service(world, listen=["127.0.0.1:1"], connect=["unix:/a"], deliver="handoff",
                             application_users=["root"])
    status, text, _ = check(world, configuration(world.directory, [service], {}))
    expect_equal(status, 0, f"exit status for a good one ({text})")
    status, text, _ = check(world, configuration(world.directory, [service | {"application_users": ["no one"]}], {}))
    expect_equal((status, "knows no user" in text), (1, True), f"exit status and reason of a bad one ({text})")
