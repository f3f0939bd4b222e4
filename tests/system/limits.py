"""How much a service takes: its limits hold over all engines and relays, outlive their deaths, and let go again."""

import contextlib
import signal
import time

from support.backends import Backend, connect, echo
from support.keysluice import Keysluice, server_service
from support.processes import send_signal
from support.scenario import Failure, Skip, eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import REFUSED, TlsClient, expect_echo
from support.world import free_port
from system.reload import Sluice

CARRIERS = ("auto", "off")


def proxied(address):
    return f"PROXY TCP4 {address} 192.0.2.99 4711 443\r\n".encode()


class Limited:
    """`with Limited(world, max_connections=3) as limited:` an echo service behind two engines."""

    def __init__(self, world, sluice=Keysluice, **limits):
        self.world, self.port = world, free_port()
        self.address = ("127.0.0.1", self.port)
        self.stack = contextlib.ExitStack()
        self.limits, self.kind = limits, sluice

    def service(self, **limits):
        return server_service(self.world, listen=[f"127.0.0.1:{self.port}"], connect=[self.backend.address], **limits)

    def __enter__(self):
        self.backend = self.stack.enter_context(Backend(echo))
        self.sluice = self.stack.enter_context(self.kind(self.world, [self.service(**self.limits)], engines=2))
        return self

    def __exit__(self, *exception):
        self.stack.__exit__(*exception)

    def client(self, **how):
        """A client that there must be room for, at the latest in a moment."""

        def served():
            client = None
            try:
                client = self.stack.enter_context(TlsClient(self.world, self.address, **how))
                client.echo(b"served")
                return client
            except (*REFUSED, Failure):
                return None

        return eventually(served, self.world.patience(20), "a new client is served")

    def clients(self, count, **how):
        found = [self.client(**how) for _ in range(count)]
        eventually(lambda: self.sluice.active() == count, self.world.patience(20), f"{count} connections are active")
        return found

    def expect_full(self, reason, attempts=4, **how):
        """Nobody else gets in, whichever engine the kernel chooses, and the reason is counted."""
        before = self.sluice.failures(reason)
        for _ in range(attempts):
            expect_raises(REFUSED, lambda: TlsClient(self.world, self.address, **how).echo(b"one too many"),
                          "a client over the limit")
        self.sluice.await_failure(reason, count=before + attempts)


@scenario("limits: max_connections over two engines, reached and recovered from")
def connections(world):
    with Limited(world, max_connections=6) as limited:
        held = limited.clients(6)
        limited.expect_full("connection-limit")
        held[0].close()
        newcomer = limited.client()
        limited.expect_full("connection-limit")
        for client in [newcomer, *held[1:]]:
            client.echo(b"still here")


@scenario("limits: max_connections_per_address leaves other addresses alone")
def connections_of_an_address(world):
    with Limited(world, max_connections_per_address=2) as limited:
        held = [limited.client(source=("127.0.0.5", 0)) for _ in range(2)]
        eventually(lambda: limited.sluice.active() == 2, world.patience(20), "both are active")
        limited.expect_full("address-connection-limit", source=("127.0.0.5", 0))
        limited.client(source=("127.0.0.6", 0))
        held[0].close()
        limited.client(source=("127.0.0.5", 0))


@scenario("limits: behind a proxy, the client that the PROXY header names is counted")
def connections_behind_a_proxy(world):
    with Limited(world, max_connections_per_address=1, accept_proxy="v1") as limited:
        held = limited.client(preface=proxied("192.0.2.1"))
        limited.expect_full("address-connection-limit", preface=proxied("192.0.2.1"))
        limited.client(preface=proxied("192.0.2.2"))
        held.close()
        limited.client(preface=proxied("192.0.2.1"))


def rate(key, reason):
    @scenario(f"limits: {key}: a burst is cut off, and it passes")
    def too_fast(world):
        with Limited(world, **{key: 1}) as limited:
            engines = limited.sluice.pids("engine")
            for pid in engines:
                send_signal(pid, signal.SIGSTOP)
            crowd = [connect(limited.address, world.patience(30)) for _ in range(30)]
            for pid in engines:
                send_signal(pid, signal.SIGCONT)
            limited.sluice.await_failure(reason, count=10)
            limited.client()
            for connection in crowd:
                connection.close()


rate("max_handshakes_per_second", "handshake-rate-limit")
rate("max_handshakes_per_second_per_address", "address-handshake-rate-limit")


@scenario("limits: what killed engines had counted does not stay, and what relays have does")
def engines_killed(world):
    with Limited(world, max_connections=3, max_connections_per_address=3) as limited:
        held = limited.clients(3)
        limited.expect_full("connection-limit", attempts=1)
        for pid in limited.sluice.pids("engine"):
            send_signal(pid, signal.SIGKILL)
        if world.kernel:
            eventually(lambda: len(limited.sluice.pids("engine")) == 2, world.patience(20), "two engines are back")
            limited.expect_full("connection-limit")
            for client in held:
                client.echo(b"still here")
                client.close()
        limited.sluice.await_idle()
        limited.clients(3)
        limited.expect_full("connection-limit")


@scenario("limits: a killed relay's connections count on, until they end")
def relays_killed(world):
    if not world.kernel:
        raise Skip("this kernel has no kTLS: relays have no connections")
    with Limited(world, max_connections=3, max_connections_per_address=3) as limited:
        held = limited.clients(3)
        victims = limited.sluice.pids("relay")
        for pid in victims:
            send_signal(pid, signal.SIGKILL)
        eventually(lambda: len(set(limited.sluice.pids("relay")) - set(victims)) == 2 and limited.sluice.active() == 3,
                   world.patience(30), "the successors have the connections")
        for client in held:
            client.echo(b"still here")
        limited.expect_full("connection-limit")
        for client in held:
            client.close()
        limited.sluice.await_idle()
        limited.clients(3)
        limited.expect_full("connection-limit")


@scenario("limits: a reload sets one, and counts who is there already")
def limit_of_a_reload(world):
    with Limited(world, sluice=Sluice) as limited:
        held = limited.clients(3)
        limited.sluice.reload([limited.service(max_connections=3)])
        limited.expect_full("connection-limit")
        for client in held:
            client.echo(b"still here")
        held[0].close()
        limited.client()
        limited.sluice.reload([limited.service()])
        limited.client()


def over_in_order(limited, client, reason):
    """The client reads close_notify, the backend an end, and the reason is counted."""
    expect_equal(client.receive(), b"", "what the client reads at its end")
    limited.sluice.await_failure(reason)
    expect_equal(limited.backend.await_end(limited.world), "eof", "how the backend's connection ended")


def ends_by_itself(carrier):
    @scenario(f"limits: idle_timeout ends who is silent, and nobody else, offload {carrier}")
    def idle(world):
        timeout = world.patience(4)
        with Limited(world, idle_timeout=f"{int(1000 * timeout)}ms", offload=carrier) as limited:
            silent, busy = limited.client(), limited.client()
            begin = time.monotonic()
            while time.monotonic() < begin + 1.5 * timeout:
                busy.echo(b"not silent")
                time.sleep(0.05)
            over_in_order(limited, silent, "idle-timeout")
            busy.echo(b"still here")

    @scenario(f"limits: connection_lifetime ends a connection, offload {carrier}")
    def lifetime(world):
        with Limited(world, connection_lifetime="2s", offload=carrier) as limited:
            begin = time.monotonic()
            over_in_order(limited, limited.client(), "lifetime-over")
            expect(time.monotonic() - begin >= 1.9, "it was not ended too early")
            expect_echo(world, limited.address)


for each in CARRIERS:
    ends_by_itself(each)
