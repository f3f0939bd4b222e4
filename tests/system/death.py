"""Processes of keysluice die, by force and in order; connections and clients do not."""

import os
import signal
import socket
import threading
import time

from support import processes
from support.backends import Backend, echo
from support.ends import Errand, finish
from support.keysluice import Keysluice, configuration, server_service
from support.processes import descendants, is_alive, name_of, raise_descriptor_limit, send_signal
from support.scenario import Failure, Skip, eventually, expect, expect_equal, scenario
from support.tls_client import REFUSED, TlsClient, client_context, expect_echo
from support.world import free_port

BLOCK = 4096


class Load:
    """Connections that echo without a pause, a thread each, until finish(); any hitch is a failure."""

    def __init__(self, world, address, count):
        self.world = world
        self.over = threading.Event()
        self.rounds = [0] * count
        context = client_context(world)
        self.clients = [TlsClient(world, address, context) for _ in range(count)]
        self.errands = [Errand(f"connection {number} under load", self._echo, number) for number in range(count)]

    def _echo(self, number):
        while not self.over.is_set():
            self.clients[number].echo(os.urandom(BLOCK))
            self.rounds[number] += 1
        self.clients[number].close()

    def await_progress(self, rounds=2):
        """Every single connection echoes some more."""
        goal = [done + rounds for done in self.rounds]

        def progressed():
            for errand in self.errands:
                if errand.error:
                    raise errand.error
            return all(done >= wanted for done, wanted in zip(self.rounds, goal))

        eventually(progressed, self.world.patience(60), "every connection under load goes on")

    def finish(self):
        self.over.set()
        finish(self.errands, self.world.patience(60))


def echo_service(world, backend):
    """The port and the service; a handshake may take as long as this machine is slow."""
    port = free_port()
    return port, server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address],
                                handshake_timeout=f"{int(world.patience(30))}s")


def await_new_client(world, port):
    """Tries until a new client is served, and returns how long that took."""
    begin = time.monotonic()

    def served():
        try:
            expect_echo(world, ("127.0.0.1", port))
            return True
        except (*REFUSED, Failure):
            return False

    eventually(served, world.patience(20), "a new client is served")
    return time.monotonic() - begin


@scenario("death: connections in the kernel do not notice that an engine is killed")
def engine_killed(world):
    if not world.kernel:
        raise Skip("this kernel has no kTLS: a connection in the userspace record layer lives in its engine")
    count = world.choose(50, 200)
    raise_descriptor_limit(4096)
    with Backend(echo) as backend:
        port, service = echo_service(world, backend)
        with Keysluice(world, [service], engines=2) as sluice:
            load = Load(world, ("127.0.0.1", port), count)
            load.await_progress()
            expect_equal(sluice.service()["active"], {"kernel": count, "userspace": 0}, "who carries the connections")
            victims = sluice.pids("engine")
            for pid in victims:
                send_signal(pid, signal.SIGKILL)
            took = await_new_client(world, port)
            world.note(f"a new engine served after {took:.2f} s")
            load.await_progress()
            load.finish()
            expect(not set(victims) & set(sluice.pids("engine")), "status shows other engines than the killed ones")
        expect_equal(sum(talk.ended == "reset" for talk in backend.talks), 0, "backend connections that were reset")


@scenario("death: nobody waiting in the listen queue of a killed engine is refused")
def queue_survives(world):
    count = 200
    raise_descriptor_limit(4096)
    with Backend(echo) as backend:
        port, service = echo_service(world, backend)
        with Keysluice(world, [service], engines=2) as sluice:
            engines = sluice.pids("engine")
            for pid in engines:
                send_signal(pid, signal.SIGSTOP)
            clients = waiting_clients(world, port, count)
            send_signal(engines[0], signal.SIGKILL)
            for pid in engines[1:]:
                send_signal(pid, signal.SIGCONT)
            finish(clients, world.patience(60))
        expect_equal(len(backend.talks), count, "clients that reached the backend")


def waiting_clients(world, port, count):
    """Each has its TCP connection, has said hello, and waits in a thread to be served with an echo."""
    connected = threading.Semaphore(0)
    context = client_context(world)

    class Waiting(TlsClient):
        def _fill(self):
            connected.release()
            super()._fill()

    def wait_and_echo():
        with Waiting(world, ("127.0.0.1", port), context) as client:
            client.echo(b"still here")

    clients = [Errand(f"waiting client {number}", wait_and_echo) for number in range(count)]
    for _ in range(count):
        expect(connected.acquire(timeout=world.patience(30)), "all clients are connected and wait")
    return clients


@scenario("death: an engine that is replaced in order drains first")
def engine_drains(world):
    count = world.choose(10, 50)
    with Backend(echo) as backend:
        port, service = echo_service(world, backend)
        with Keysluice(world, [service], engines=1) as sluice:
            load = Load(world, ("127.0.0.1", port), count)
            load.await_progress()
            [old] = sluice.pids("engine")
            send_signal(old, signal.SIGTERM)
            eventually(lambda: set(sluice.pids("engine")) - {old}, world.patience(20), "a successor is there")
            await_new_client(world, port)
            load.await_progress()
            load.finish()
            eventually(lambda: not is_alive(old), world.patience(20), "the old engine ends once it has drained")
        expect_equal(sum(talk.ended == "reset" for talk in backend.talks), 0, "backend connections that were reset")


class Apart:
    """keysluice as a service manager starts it: four processes that are not each other's children."""

    def __init__(self, world, service):
        self.world, self.runtime = world, world.directory / "run"
        self.runtime.mkdir()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(self.runtime / "notify"))
        self.manager.settimeout(world.patience(20))
        file = world.directory / "keysluice.toml"
        file.write_text(configuration(self.runtime, [service], {"engines": 1}))
        self.processes = [self._start("keysluice-keeper", "--runtime-directory", self.runtime),
                          self._start("keysluiced", "--config", file),
                          self._start("keysluice-relay", "--runtime-directory", self.runtime, "--index", "0")]

    def _start(self, program, *arguments, **more):
        return processes.start([self.world.programs / program, *arguments], self.world.directory / f"{program}.log", **more)

    def start_engine(self):
        """Returns when it has said that it is ready."""
        environment = os.environ | {"NOTIFY_SOCKET": str(self.runtime / "notify")}
        engine = self._start("keysluice-engine", "--runtime-directory", self.runtime, "--index", "0", env=environment)
        self.processes.append(engine)
        while b"READY=1" not in self.manager.recv(4096):
            pass
        return engine

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in self.processes:
            processes.stop(each, self.world.patience(15))
        self.manager.close()


@scenario("death: below a service manager, an engine's child drains, and the successor starts at once")
def child_drains(world):
    processes.adopt_orphans()
    with Backend(echo) as backend:
        port, service = echo_service(world, backend)
        with Apart(world, service | {"offload": "off"}) as sluice:
            first = sluice.start_engine()
            with TlsClient(world, ("127.0.0.1", port)) as client:
                client.echo(b"before")
                first.terminate()
                expect_equal(first.wait(world.patience(20)), 0, "exit status of the engine")
                (child,) = [pid for pid in descendants(os.getpid()) if name_of(pid) == "keysluice-engin"]
                client.echo(b"without a successor")
                sluice.start_engine()
                expect_echo(world, ("127.0.0.1", port))
                client.echo(b"beside it")
            eventually(lambda: not is_alive(child), world.patience(20), "the child ends with its last connection")


def recovery(world, find):
    """kill -9 of one process: the service is there again for new clients. `find` lists the processes of a kind."""
    with Backend(echo) as backend:
        port, service = echo_service(world, backend)
        with Keysluice(world, [service], engines=2) as sluice:
            expect_echo(world, ("127.0.0.1", port))
            victim = find(sluice)[0]
            send_signal(victim, signal.SIGKILL)
            eventually(lambda: not is_alive(victim), world.patience(10), "the killed process is gone")
            took = await_new_client(world, port)
            world.note(f"served again after {took:.2f} s")

            def replaced():
                try:
                    return len(find(sluice)) > 0 and victim not in find(sluice) and sluice.pids("engine")
                except (OSError, ValueError):
                    return False

            eventually(replaced, world.patience(20), "another process took its place, and status.sock answers")
            for _ in range(8):
                expect_echo(world, ("127.0.0.1", port))


@scenario("death: the service recovers from kill -9 of an engine")
def killed_engine(world):
    recovery(world, lambda sluice: sluice.pids("engine"))


@scenario("death: the service recovers from kill -9 of a relay")
def killed_relay(world):
    recovery(world, lambda sluice: sluice.pids("relay"))


@scenario("death: the service recovers from kill -9 of keysluiced")
def killed_control(world):
    recovery(world, Keysluice.control_pids)


@scenario("death: kill -9 of the keeper, the parent, ends all of it, and it can be started again")
def killed_keeper(world):
    with Backend(echo) as backend:
        port, service = echo_service(world, backend)
        for _ in range(2):
            with Keysluice(world, [service], engines=2) as sluice:
                expect_echo(world, ("127.0.0.1", port))
                family = descendants(sluice.process.pid)
                expect_equal(name_of(sluice.process.pid), "keysluice-keepe", "the name of the foreground process")
                send_signal(sluice.process.pid, signal.SIGKILL)
                for pid in family:
                    eventually(lambda: not is_alive(pid), world.patience(15),
                               f"process {pid} ({name_of(pid)}) is gone")


@scenario("death: SIGTERM ends everything, and the port is free again")
def orderly_end(world):
    with Backend(echo) as backend:
        port, service = echo_service(world, backend)
        for _ in range(2):
            with Keysluice(world, [service], engines=2) as sluice:
                expect_echo(world, ("127.0.0.1", port))
                family = [each["pid"] for each in sluice.status()["processes"]]
                expect_equal(sluice.stop(), 0, "exit status after SIGTERM")
                for pid in family:
                    eventually(lambda: not is_alive(pid), world.patience(10), f"process {pid} is gone")
