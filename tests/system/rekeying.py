"""Keys of TLS 1.3 change on a connection that stands (RFC 8446 4.6.3): a hundred times, under traffic, and over deaths."""

import hashlib
import os
import re
import signal
import socket
import time

from support import processes
from support.backends import accept_one
from support.ends import Errand, ProgramEnd, SocketEnd, finish, listener_for_one
from support.certificates import NAME
from support.keysluice import Keysluice, client_service, server_service
from support.record_layer import expect_record_layer
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.world import free_port, tls_decrypt_errors

CHANGES = 100
# So much data earns a peer one change of its keys, in kernel and userspace alike.
PORTION = 64 * 1024


class ChangingClient(ProgramEnd):
    """A program that changes its keys, and asks keysluice to do the same, when a line tells it so."""

    def __init__(self, world, name, command, line, told, pause=0):
        super().__init__(world, name, command)
        self.log = world.directory / f"{name}.log"
        self.line, self.told, self.pause, self.changes = line, told, pause, 0

    def change_keys(self):
        self.changes += 1
        self.write_all(self.line)
        time.sleep(self.pause)
        if self.told:  # what comes next must not be part of the same read
            eventually(lambda: len(re.findall(self.told, self.log.read_bytes())) >= self.changes,
                       self.world.patience(20), f"{self.name} says that it has changed its keys")


def s_client(world, port, *more):
    return ChangingClient(world, "s_client", [
        "openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{port}", "-servername", NAME, "-tls1_3",
        "-CAfile", world.certificates.ca, *more], b"K\n", b"KEYUPDATE")


def gnutls_cli(world, port):
    return ChangingClient(world, "gnutls-cli", [
        "gnutls-cli", "--logfile=/dev/null", "--inline-commands", "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3",
        f"--x509cafile={world.certificates.ca}", f"--sni-hostname={NAME}", f"--verify-hostname={NAME}",
        f"--port={port}", "127.0.0.1"], b"^rekey^\n", None,
        pause=0.15)  # GnuTLS itself puts up with eight KeyUpdates a second, and keysluice answers each


def line_of(number):
    """A line that no program takes for a command, different for each number."""
    return hashlib.sha256(b"%d" % number).hexdigest().encode() * (PORTION // 64 - 1) + b"0" * 63 + b"\n"


def kernel_changes():
    """How many changes of keys the kernel has counted, receiving and sending; nothing where it can't change any."""
    if not os.path.exists("/proc/net/tls_stat"):
        return None
    with open("/proc/net/tls_stat") as file:
        counts = dict(line.split() for line in file)
    return (int(counts["TlsRxRekeyOk"]), int(counts["TlsTxRekeyOk"])) if "TlsRxRekeyOk" in counts else None


class Carried:
    """A connection between a client that changes its keys and a socket behind keysluice. `settings` are the service's."""

    def __init__(self, world, make_client, **settings):
        self.world, self.make_client, self.port = world, make_client, free_port()
        self.settings, self.backend = settings, None

    def __enter__(self):
        self.start()
        self.backend = SocketEnd(accept_one(self.listener, self.world.patience(60)))
        return self

    def start(self):
        self.listener = listener_for_one()
        service = server_service(self.world, listen=[f"127.0.0.1:{self.port}"],
                                 connect=[f"127.0.0.1:{self.listener.getsockname()[1]}"], **self.settings)
        self.sluice = Keysluice(self.world, [service, *self.more_services()], engines=1).__enter__()
        self.client = self.make_client(self.world, self.port)

    def __exit__(self, kind, *_):
        if kind is None:
            self.backend.close()
            self.client.close()
            self.sluice.await_idle()
            expect_equal(self.sluice.service()["failed"], {}, "failures that status counts")
        self.stop()

    def stop(self):
        if self.backend:
            self.backend.close()
        self.sluice.stop()
        self.listener.close()

    def more_services(self):
        return []

    def pass_on(self, number):
        """One line there and back again, both at the same time."""
        self.client.received = self.backend.received = 0
        wanted = hashlib.sha256(line_of(number)).hexdigest()
        errands = [Errand(f"line {number} to {sink}", sink.receive, PORTION) for sink in (self.backend, self.client)]
        senders = [Errand(f"line {number} from {source}", source.send, [line_of(number)])
                   for source in (self.client, self.backend)]
        finish(errands + senders, self.world.patience(60))
        for errand in errands:
            expect_equal(errand.result, wanted, f"SHA-256 of {errand.what}")


def change_a_hundred_times(world, make_client, meanwhile=None):
    errors = tls_decrypt_errors()
    if world.kernel and kernel_changes() is None:
        raise Skip("this kernel can't change keys: Linux 6.14 can")
    with Carried(world, make_client) as carried:
        before = kernel_changes()  # the engine has tried what this kernel can, which counts as well
        for number in range(CHANGES):
            carried.pass_on(number)
            carried.client.change_keys()
            if meanwhile:
                meanwhile(carried.sluice, number)
        carried.pass_on(CHANGES)
        expect_record_layer(world, carried.sluice, "shop", carried.port)
    if world.kernel:
        received, sent = (now - then for now, then in zip(kernel_changes(), before))
        expect_equal(received, CHANGES, "changes of the client's keys that the kernel has counted")
        expect(0 < sent <= CHANGES, f"keysluice has answered; the kernel has counted {sent} changes of its keys")
        world.note(f"{received} changes received, {sent} sent")
    expect_equal(tls_decrypt_errors(), errors, "TlsDecryptError in /proc/net/tls_stat")


@scenario("rekeying: OpenSSL changes its keys a hundred times")
def with_openssl(world):
    change_a_hundred_times(world, s_client)


@scenario("rekeying: GnuTLS changes its keys a hundred times")
def with_gnutls(world):
    change_a_hundred_times(world, gnutls_cli)


def killer(world):
    def kill_relay(sluice, number):
        if number % 10 == 5:
            victim = sluice.pids("relay")[0]
            processes.send_signal(victim, signal.SIGKILL)
            eventually(lambda: (pids := sluice.pids("relay")) and victim not in pids, world.patience(30),
                       "a successor of the relay")

    return kill_relay


@scenario("rekeying: the relay is killed again and again meanwhile")
def over_deaths(world):
    if not world.kernel:
        raise Skip("without kTLS no relay carries anything")

    change_a_hundred_times(world, s_client, killer(world))


@scenario("rekeying: a kernel that can't change keys ends the connection, which is counted")
def where_the_kernel_cannot(world):
    if not world.kernel or kernel_changes() is not None:
        raise Skip("asks for a kernel with kTLS before Linux 6.14")
    carried = Carried(world, s_client)
    carried.__enter__()
    try:
        carried.client.write_all(b"K\n")
        carried.sluice.await_failure("kernel-no-rekey")
        expect(carried.client.process.wait(world.patience(20)) is not None, "s_client ends")
        expect(b"internal error" in carried.client.log.read_bytes(), "s_client was told by an alert")
    finally:
        carried.stop()


OURS = {"rekey_after": "64KiB"}


def attentive_s_client(world, port):
    """It never changes its keys unless it is asked to, and writes down each KeyUpdate."""
    return s_client(world, port, "-msg", "-msgfile", world.directory / "messages")


def key_updates(world):
    """How many the attentive client has received, and sent."""
    log = (world.directory / "messages").read_bytes()
    return tuple(len(re.findall(rb"%s TLS 1\.3, Handshake \[length 0005\], KeyUpdate" % way, log))
                 for way in (b"<<<", b">>>"))


def kernel_changes_since(before):
    return tuple(now - then for now, then in zip(kernel_changes(), before))


def let_keysluice_change(world, make_client, carried=Carried, pause=0, meanwhile=None, check=lambda before: None):
    """A hundred volumes pass both ways; keysluice changes its keys after each. `check` gets the kernel's counts from before."""
    errors = tls_decrypt_errors()
    if world.kernel and kernel_changes() is None:
        raise Skip("this kernel can't change keys: Linux 6.14 can")
    with carried(world, make_client, **OURS) as connection:
        before = kernel_changes()
        for number in range(CHANGES):
            connection.pass_on(number)
            time.sleep(pause)
            if meanwhile:
                meanwhile(connection.sluice, number)
        check(before)
        expect_record_layer(world, connection.sluice, "shop", connection.port)
        if world.kernel:
            received, sent = kernel_changes_since(before)
            expect(sent >= CHANGES, f"keysluice has changed its keys after each volume; the kernel counts {sent} changes")
            expect(received > 0, "the peer has changed its keys too")
            world.note(f"{sent} changes of ours, {received} of the peer's")
    expect_equal(tls_decrypt_errors(), errors, "TlsDecryptError in /proc/net/tls_stat")


def openssl_agrees(world):
    def check(before):
        """What the client has seen is what the kernel has counted, and each question has its answer."""
        def agree():
            received, sent = key_updates(world)
            return received >= CHANGES and 0 < sent <= received and (
                not world.kernel or kernel_changes_since(before) == (sent, received))

        eventually(agree, world.patience(30), "s_client and the kernel count the same")
    return check


@scenario("rekeying: our own, by volume, a hundred times under traffic with OpenSSL")
def our_own_with_openssl(world):
    let_keysluice_change(world, attentive_s_client, check=openssl_agrees(world))


@scenario("rekeying: our own, by volume, a hundred times under traffic with GnuTLS")
def our_own_with_gnutls(world):
    # GnuTLS puts up with eight KeyUpdates a second, and there may be two for each volume.
    let_keysluice_change(world, gnutls_cli, pause=0.3)


class Chained(Carried):
    """The client is keysluice too, in client mode: a plaintext socket is in front of it."""

    def more_services(self):
        self.outer = free_port()
        return [client_service(self.world, "out", listen=[f"127.0.0.1:{self.outer}"],
                               connect=[f"127.0.0.1:{self.port}"])]

    def __enter__(self):
        self.make_client = lambda world, port: PlainClient(world, self.outer)
        return super().__enter__()


class PlainClient(SocketEnd):
    def __init__(self, world, port):
        super().__init__(socket.create_connection(("127.0.0.1", port), world.patience(20)))


@scenario("rekeying: our own, by volume, a hundred times under traffic with our own client mode")
def our_own_with_ourselves(world):
    def check(before):
        if world.kernel:  # which has both ends: each change of one is a change of the other
            eventually(lambda: len(set(kernel_changes_since(before))) == 1, world.patience(30),
                       "as many changes were received as sent")

    let_keysluice_change(world, None, carried=Chained, check=check)


@scenario("rekeying: our own, while the relay is killed again and again")
def our_own_over_deaths(world):
    if not world.kernel:
        raise Skip("without kTLS no relay carries anything")
    let_keysluice_change(world, attentive_s_client, meanwhile=killer(world))


@scenario("rekeying: a kernel that can't change keys: a service that must stays in userspace, or refuses")
def our_own_where_the_kernel_cannot(world):
    if not world.kernel or kernel_changes() is not None:
        raise Skip("asks for a kernel with kTLS before Linux 6.14")
    with Carried(world, attentive_s_client, **OURS) as carried:
        for number in range(4):
            carried.pass_on(number)
        service = carried.sluice.service()
        expect_equal(service["active"].get("userspace", 0), 1, "connections that status shows in userspace")
        expect_equal(service["reasons"], {"rekey-not-in-kernel": 1}, "the reason for that")
        eventually(lambda: key_updates(world)[0] >= 4, world.patience(20), "its keys are changed there")
    carried = Carried(world, s_client, offload="require", **OURS)
    try:
        carried.start()
        carried.sluice.await_failure("offload-required")
    finally:
        carried.stop()
