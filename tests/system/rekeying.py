"""Keys of TLS 1.3 change on a connection that stands (RFC 8446 4.6.3): a hundred times, under traffic, and over deaths."""

import hashlib
import os
import re
import signal
import time

from support import processes
from support.backends import accept_one
from support.ends import Errand, ProgramEnd, SocketEnd, finish, listener_for_one
from support.certificates import NAME
from support.keysluice import Keysluice, server_service
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


def s_client(world, port):
    return ChangingClient(world, "s_client", [
        "openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{port}", "-servername", NAME, "-tls1_3",
        "-CAfile", world.certificates.ca], b"K\n", b"KEYUPDATE")


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
    """A connection between a client that changes its keys and a socket behind keysluice."""

    def __init__(self, world, make_client):
        self.world, self.make_client, self.port = world, make_client, free_port()

    def __enter__(self):
        self.listener = listener_for_one()
        service = server_service(self.world, listen=[f"127.0.0.1:{self.port}"],
                                 connect=[f"127.0.0.1:{self.listener.getsockname()[1]}"])
        self.sluice = Keysluice(self.world, [service], engines=1).__enter__()
        self.client = self.make_client(self.world, self.port)
        self.backend = SocketEnd(accept_one(self.listener, self.world.patience(60)))
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.backend.close()
            self.client.close()
            self.sluice.await_idle()
            expect_equal(self.sluice.service()["failed"], {}, "failures that status counts")
        self.stop()

    def stop(self):
        self.backend.close()
        self.sluice.stop()
        self.listener.close()

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


@scenario("rekeying: the relay is killed again and again meanwhile")
def over_deaths(world):
    if not world.kernel:
        raise Skip("without kTLS no relay carries anything")

    def kill_relay(sluice, number):
        if number % 10 == 5:
            victim = sluice.pids("relay")[0]
            processes.send_signal(victim, signal.SIGKILL)
            eventually(lambda: (pids := sluice.pids("relay")) and victim not in pids, world.patience(30),
                       "a successor of the relay")

    change_a_hundred_times(world, s_client, kill_relay)


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
