"""Sessions are resumed by tickets, on any engine, as long and as often as the service says."""

import os
import signal
import threading
import time

from support.backends import Backend, connect, echo
from support.ends import Errand, finish
from support.keysluice import Keysluice, client_service, server_service
from support.processes import is_alive, send_signal
from support.scenario import eventually, expect, expect_equal, scenario
from support.tls_client import VERSIONS, TlsClient, client_context
from support.world import free_port

ENGINES = 4
BLOCK = 20_000


class Guest:
    """A client with one TLS context, which keeps sessions."""

    def __init__(self, world, port, version, identity=None):
        self.world, self.port, self.version = world, port, version
        self.context = client_context(world, version, identity=identity)

    def visit(self, session=None):
        """Data both ways. (Whether the session was resumed, the session that the next visit may resume.)"""
        with TlsClient(self.world, ("127.0.0.1", self.port), self.context, session=session) as client:
            client.echo(os.urandom(BLOCK))  # under TLS 1.3 the tickets come in front of it
            return client.tls.session_reused, client.tls.session

    def begin(self):
        resumed, session = self.visit()
        expect_equal(resumed, False, f"TLS {self.version}: the first handshake is a full one")
        expect(session.has_ticket, f"TLS {self.version}: the client has a ticket")
        return session

    def resume(self, session, times):
        """Each time with the same ticket."""
        for number in range(times):
            resumed, _ = self.visit(session)
            expect(resumed, f"TLS {self.version}: visit {number + 1} of {times} resumes the session")


def shop(world, backend, **more):
    port = free_port()
    return port, server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address],
                                handshake_timeout=f"{int(world.patience(30))}s", **more)


def accepted(sluice):
    return sluice.service()["accepted_by_engine"]


def expect_carrier(world, sluice, resumed):
    """Who carries resumed connections is nothing but who carries the others."""
    service = sluice.service()
    expect_equal(service["resumed"], resumed, "connections that status counts as resumed")
    expect_equal(service["failed"], {}, "failed connections")
    expect_equal(service["established"]["userspace" if world.kernel else "kernel"], 0,
                 "connections on the other of the two paths")


@scenario("resumption: every ticket works on every engine")
def every_engine(world):
    times = 16 if world.guest else world.choose(30, 200)
    with Backend(echo) as backend:
        port, service = shop(world, backend)
        with Keysluice(world, [service], engines=ENGINES) as sluice:
            for version in VERSIONS:
                before = accepted(sluice)
                guest = Guest(world, port, version)
                guest.resume(guest.begin(), times)
                served = [count - before.get(engine, 0) for engine, count in accepted(sluice).items()]
                expect(len(served) == ENGINES and min(served) > 0, f"every engine has served: {served}")
                session = guest.begin()
                for _ in range(5):
                    resumed, session = guest.visit(session)
                    expect(resumed, f"TLS {version}: the ticket of a resumed connection works, too")
            expect_carrier(world, sluice, 2 * (times + 5))


def kill(world, sluice, pid):
    send_signal(pid, signal.SIGKILL)
    eventually(lambda: not is_alive(pid), world.patience(10), "the killed process is gone")

    def all_are_back():
        try:
            pids = sluice.pids("engine")
        except (OSError, ValueError):
            return False
        return len(pids) == ENGINES and pid not in pids

    eventually(all_are_back, world.patience(30), f"{ENGINES} engines are there again")


@scenario("resumption: tickets outlive the death of each engine and of keysluiced")
def deaths(world):
    with Backend(echo) as backend:
        port, service = shop(world, backend, session_max_uses=1000)
        with Keysluice(world, [service], engines=ENGINES) as sluice:
            guests = [Guest(world, port, version) for version in VERSIONS]
            sessions = [guest.begin() for guest in guests]

            def resume_all():
                for guest, session in zip(guests, sessions):
                    guest.resume(session, ENGINES)

            for pid in sluice.pids("engine"):
                kill(world, sluice, pid)
                resume_all()
            kill(world, sluice, sluice.control_pids()[0])
            resume_all()
            # Its successors have the memory from the new keysluiced.
            for pid in sluice.pids("engine"):
                kill(world, sluice, pid)
                resume_all()


@scenario("resumption: the lifetime holds, across rotations of the keys")
def lifetime(world):
    seconds = int(world.patience(8))
    with Backend(echo) as backend:
        port, service = shop(world, backend, session_lifetime=f"{seconds}s")
        with Keysluice(world, [service], engines=ENGINES) as sluice:
            guests = [Guest(world, port, version) for version in VERSIONS]
            begun = [(time.monotonic(), guest.begin(), time.monotonic()) for guest in guests]
            newest = [session for _, session, _ in begun]
            oldest_resumed, over = 0, set()
            while len(over) < len(guests):
                for number, guest in enumerate(guests):
                    earliest, session, latest = begun[number]
                    # Half of the time with the ticket that the last resumption brought: that prolongs nothing.
                    for offered in (session, newest[number]):
                        before = time.monotonic()
                        resumed, brought = guest.visit(offered)
                        after = time.monotonic()
                        # Tickets carry whole seconds: OpenSSL 3.5 gives up the last one of them, 3.0 does not.
                        if after - earliest < seconds - 1.2:
                            expect(resumed, f"TLS {guest.version}: resumed after {after - earliest:.1f} s")
                            oldest_resumed = max(oldest_resumed, before - latest)
                            newest[number] = brought
                        elif before - latest > seconds:
                            expect(not resumed, f"TLS {guest.version}: not resumed after {before - latest:.1f} s")
                            over.add(number)
            world.note(f"of {seconds} s: resumed after {oldest_resumed:.1f} s")
            # The keys change after each half of the lifetime.
            expect(oldest_resumed > seconds / 2, "a ticket was good after its key was replaced")
            expect_equal(sluice.service()["failed"], {}, "failed connections")


@scenario("resumption: the uses of a session are counted over all engines")
def uses(world):
    most, at_once = 7, 24
    with Backend(echo) as backend:
        port, service = shop(world, backend, session_max_uses=most)
        with Keysluice(world, [service], engines=ENGINES) as sluice:
            for version in VERSIONS:
                guest = Guest(world, port, version)
                session = guest.begin()
                resumed, lock = [], threading.Lock()

                def visit():
                    reused, _ = guest.visit(session)
                    with lock:
                        resumed.append(reused)

                finish([Errand(f"visit {number}", visit) for number in range(at_once)], world.patience(60))
                expect_equal(sum(resumed), most, f"TLS {version}: of {at_once} at once so many resume the session")
                resumed, session = guest.visit(session)
                expect_equal(resumed, False, "one use more")
                for _ in range(most):
                    resumed, session = guest.visit(session)
                    expect(resumed, "the session that took its place is resumed")
                expect_equal(guest.visit(session)[0], False, "however new the ticket is, it is the same session")
            expect_carrier(world, sluice, 4 * most)


@scenario("resumption: not to another service, not without a ticket, and with the client's certificate")
def whose(world):
    with Backend(echo) as backend:
        private = {"client_certificate": "required", "ca": world.certificates.ca}
        port, service = shop(world, backend, **private)
        other_port, other = shop(world, backend, name="bank", **private)
        off_port, off = shop(world, backend, name="off", session_lifetime="0s")
        with Keysluice(world, [service, other, off], engines=ENGINES) as sluice:
            for version in VERSIONS:
                guest = Guest(world, port, version, "client")
                session = guest.begin()
                guest.resume(session, 2 * ENGINES)
                guest.port = other_port
                for _ in range(2 * ENGINES):
                    expect_equal(guest.visit(session)[0], False, "resumed at another service")
                stranger = Guest(world, off_port, version)
                resumed, session = stranger.visit()
                expect(not (session and session.has_ticket), 'session_lifetime = "0s": no ticket')
                expect_equal(stranger.visit(session)[0], False, "resumed without a ticket")
            expect_carrier(world, sluice, 4 * ENGINES)
            expect_equal(sluice.service("bank")["resumed"], 0, "resumed at the other service")


def call(world, port):
    """A block through our client mode and back."""
    block = os.urandom(BLOCK)
    with connect(("127.0.0.1", port), world.patience(20)) as plain:
        plain.sendall(block)
        came = b""
        while len(came) < BLOCK:
            part = plain.recv(BLOCK)
            expect(part, f"the connection ended after {len(came)} octets")
            came += part
        expect(came == block, "what came back is what was sent")


def calls_until_resumed(world, sluice, port, times):
    """The ticket of one call may come to the engine behind the beginning of the next one. (How many calls there were.)"""
    for number in range(1, 20 * times):
        call(world, port)
        if number >= times and sluice.service("out")["resumed"] >= times:
            return number
    raise AssertionError(f"of {20 * times} calls {sluice.service('out')['resumed']} resumed a session")


@scenario("resumption: client mode goes on with its sessions, whoever carries them")
def client_mode(world):
    times = 8
    for version in VERSIONS:
        with Backend(echo) as backend:
            far, shop_service = shop(world, backend)
            near = free_port()
            out = client_service(world, listen=[f"127.0.0.1:{near}"], connect=[f"127.0.0.1:{far}"],
                                 min_version=version, max_version=version)
            with Keysluice(world, [shop_service, out]) as sluice:
                calls = calls_until_resumed(world, sluice, near, times)
                resumed = sluice.service("out")["resumed"]
                expect_equal(sluice.service("shop")["resumed"], resumed, f"TLS {version}: resumed, the server's count")
                expect(resumed < calls, "the first handshake was a full one")
                expect_equal(sluice.service("out")["failed"], {}, "failed connections")
                world.note(f"TLS {version}: {resumed} of {calls} calls resumed a session")


@scenario("resumption: client mode that is to keep no session makes full handshakes")
def client_mode_without(world):
    with Backend(echo) as backend:
        far, shop_service = shop(world, backend)
        near = free_port()
        out = client_service(world, listen=[f"127.0.0.1:{near}"], connect=[f"127.0.0.1:{far}"], session_lifetime="0s")
        with Keysluice(world, [shop_service, out]) as sluice:
            for _ in range(6):
                call(world, near)
            expect_equal(sluice.service("out")["resumed"], 0, "resumed sessions")
