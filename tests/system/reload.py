"""SIGHUP: certificates, keys and whole services change while connections go on, and what is wrong stays as it was."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import time

from support import processes
from support.backends import Backend, echo, greet
from support.keysluice import Keysluice, configuration, server_service
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import TlsClient, expect_echo
from support.tls_flows import Flows, Newcomers
from support.world import free_port

END_OF_RELOAD = re.compile(r"the reload is complete|the configuration stays as it was")


class Here:
    """This network namespace, as an end of tls_flows."""

    class namespace:
        entered = staticmethod(contextlib.nullcontext)


class Crowd(Newcomers):
    PAUSE = 0


class Sluice(Keysluice):
    """A keysluice whose file changes."""

    def __init__(self, world, services, descriptors=None, **daemon):
        super().__init__(world, services, descriptors, **daemon)
        self.daemon = daemon

    def reload(self, services=None, text=None):
        """Returns what the log says of it."""
        if services is not None:
            text = configuration(self.runtime, services, self.daemon)
        if text is not None:
            self.file.write_text(text)
        before = len(self.log())
        ended = len(END_OF_RELOAD.findall(self.log()))
        (control,) = self.control_pids()
        processes.send_signal(control, signal.SIGHUP)
        eventually(lambda: len(END_OF_RELOAD.findall(self.log())) > ended, self.world.patience(60), "the reload ends")
        return self.log()[before:]

    def problems(self):
        return self.complete_status().get("reload_problems", [])

    def restart_control(self, text):
        """Another keysluiced, which begins with another configuration, among the same engines and relays."""
        self.file.write_text(text)
        (control,) = self.control_pids()
        processes.send_signal(control, signal.SIGKILL)
        eventually(lambda: self.control_pids() not in ([], [control]), self.world.patience(20), "keysluiced is back")
        eventually(self._ready, self.world.patience(20), "keysluiced answers again")


class Files:
    """A certificate and its key under names of their own, which are replaced as certbot does it."""

    def __init__(self, world, name="live"):
        self.world = world
        self.certificate, self.key = world.directory / f"{name}.pem", world.directory / f"{name}.key"
        self.use("server")

    def use(self, certificate, key=None):
        self._replace(self.certificate, self.world.certificates.certificate(certificate))
        self._replace(self.key, self.world.certificates.key(key or certificate))

    def _replace(self, file, source):
        fresh = file.with_suffix(".new")
        shutil.copyfile(source, fresh)
        os.replace(fresh, file)

    @property
    def entries(self):
        return {"certificate": self.certificate, "private_key": f"file:{self.key}"}


def local(port):
    return f"127.0.0.1:{port}"


def served(world, port):
    """The name in the certificate that a new client is shown; the client trusts anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with TlsClient(world, ("127.0.0.1", port), context) as client:
        client.echo(b"?")  # or what the server says behind the handshake would be unread, and the end a reset
        shown = ssl.DER_cert_to_PEM_cert(client.tls.getpeercert(binary_form=True))
    for name in ("server", "expired", "impostor", "misnamed"):
        if shown.strip() in world.certificates.certificate(name).read_text():
            return name
    return shown


def all_engines_serve(world, port, name):
    """Several connections: the kernel spreads them over the engines."""
    expect_equal({served(world, port) for _ in range(12)}, {name}, "the certificates that new clients are shown")


def greeting(world, port):
    with TlsClient(world, ("127.0.0.1", port)) as client:
        return client.receive_exactly(1)


def refuses(port):
    return expect_raises(ConnectionError, lambda: socket.create_connection(("127.0.0.1", port), 10), "a connection")


@scenario("reload: a renewed certificate is for new connections, and the old ones go on")
def renewed_certificate(world):
    port, files = free_port(), Files(world)
    with Backend(echo) as backend:
        service = server_service(world, listen=[local(port)], connect=[backend.address], **files.entries)
        with Sluice(world, [service]) as sluice, \
                Flows(world, Here, ("127.0.0.1", port), world.certificates.ca, 6) as flows:
            all_engines_serve(world, port, "server")
            for name in ("misnamed", "impostor", "server"):
                files.use(name)
                sluice.reload()
                all_engines_serve(world, port, name)
                marks = flows.marks()
                eventually(lambda: not flows.behind(marks), world.patience(30), "the old connections go on")
            flows.finish()
            eventually(lambda: not flows.spoilt(), world.patience(30), "every byte has come back")
            expect_equal(flows.ended(), {}, "connections that ended")
            expect_equal(sluice.failures(""), 0, "failures")


@scenario("reload: services are added, changed and removed, and their connections go on")
def services_come_and_go(world):
    ports = [free_port() for _ in range(4)]
    with Backend(greet(b"a")) as a, Backend(greet(b"b")) as b:
        def service(name, port, backend, **more):
            return server_service(world, name, listen=[local(port)], connect=[backend.address], **more)

        with Sluice(world, [service("first", ports[0], a), service("second", ports[1], a)]) as sluice, \
                TlsClient(world, ("127.0.0.1", ports[0])) as one, TlsClient(world, ("127.0.0.1", ports[1])) as two:
            for client in (one, two):
                expect_equal(client.receive_exactly(1), b"a", "the greeting")
            # In another order, with another target; one at another address; and a new one.
            sluice.reload([service("third", ports[2], b), service("second", ports[3], a), service("first", ports[0], b)])
            expect_equal([greeting(world, port) for port in (ports[2], ports[3], ports[0])], [b"b", b"a", b"b"],
                         "the greetings after the reload")
            refuses(ports[1])
            for client in (one, two):
                client.echo(b"still here")
            expect_equal([sluice.active(name) for name in ("first", "second", "third")], [1, 1, 0], "connections")
            # Two go, and one of their addresses goes to another.
            sluice.reload([service("fourth", ports[0], a)])
            expect_equal(greeting(world, ports[0]), b"a", "the greeting of the heir")
            for port in ports[1:]:
                refuses(port)
            for client in (one, two):
                client.echo(b"and here")
            expect_equal([sluice.active(name) for name in ("first", "second", "fourth")], [1, 1, 0], "connections")
            one.close()
            two.close()
            eventually(lambda: len(sluice.complete_status()["services"]) == 1, world.patience(60),
                       "removed services are forgotten after their last connection")
            expect_equal(greeting(world, ports[0]), b"a", "the greeting at last")


@scenario("reload: no process mixes services up when keysluiced, and then relays, begin anew with another file")
def restart_with_another_file(world):
    ports = [free_port() for _ in range(2)]
    with Backend(greet(b"a")) as a, Backend(greet(b"b")) as b:
        gone = server_service(world, "gone", listen=[local(ports[0])], connect=[a.address])
        stays = server_service(world, "stays", listen=[local(ports[1])], connect=[b.address])
        with Sluice(world, [gone, stays]) as sluice, TlsClient(world, ("127.0.0.1", ports[0])) as one, \
                TlsClient(world, ("127.0.0.1", ports[1])) as two:
            for client in (one, two):
                client.receive_exactly(1)
            sluice.restart_control(configuration(sluice.runtime, [stays], {}))
            eventually(lambda: (len(sluice.pids("engine")), len(sluice.pids("relay"))) == (2, 2), world.patience(20),
                       "engines and relays are back")
            sluice.complete_status()  # who answers has heard what was said before
            refuses(ports[0])
            eventually(lambda: sluice.active("stays") == 1, world.patience(20), "one connection is of the service")
            expect_equal(sluice.active("(removed)"), 1, "connections of what was removed")
            if sluice.status()["kernel"]["ktls"]:
                for relay in sluice.pids("relay"):
                    processes.send_signal(relay, signal.SIGKILL)
            for client in (one, two):
                client.echo(b"still here")
            expect_equal(greeting(world, ports[1]), b"b", "the greeting of a new connection")


BAD_FILES = {"no certificate at all": (lambda files: files.certificate.write_text("nonsense"), "certificate"),
             "a certificate that is missing": (lambda files: files.certificate.unlink(), "certificate"),
             "a key of another certificate": (lambda files: files.use("server", "client"), "private-key-mismatch"),
             "half a key": (lambda files: files.key.write_text(files.key.read_text()[:80]), "private-key")}


@scenario("reload: a file that can't be loaded leaves the old one serving, and the reason is told")
def bad_files(world):
    ports, files, other = [free_port(), free_port()], Files(world), Files(world, "other")
    with Backend(echo) as backend:
        services = [server_service(world, "shop", listen=[local(ports[0])], connect=[backend.address], **files.entries),
                    server_service(world, "till", listen=[local(ports[1])], connect=[backend.address], **other.entries)]
        with Sluice(world, services) as sluice, TlsClient(world, ("127.0.0.1", ports[0])) as client:
            client.echo(b"before")
            for what, (spoil, reason) in BAD_FILES.items():
                files.use("server")
                spoil(files)
                other.use("misnamed")
                said = sluice.reload()
                expect(re.search(rf"keysluice\.toml:\d+:\d+: service shop stays as it was: .*\({reason}", said),
                       f"{what}: the log gives a reason that begins with {reason}, not: {said}")
                (problem,) = sluice.problems()
                expect(problem["reason"].startswith(reason) and "keysluice.toml:" in problem["where"],
                       f"{what}: the status says {problem}")
                all_engines_serve(world, ports[0], "server")
                all_engines_serve(world, ports[1], "misnamed")
                client.echo(b"still here")
                other.use("server")
            files.use("misnamed")
            sluice.reload()
            expect_equal(sluice.problems(), [], "problems once all is well")
            all_engines_serve(world, ports[0], "misnamed")
            client.echo(b"at last")


@scenario("reload: with a mistake in the file everything stays as it was")
def mistake(world):
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[local(port)], connect=[backend.address])
        with Sluice(world, [service]) as sluice, TlsClient(world, ("127.0.0.1", port)) as client:
            good = sluice.file.read_text()
            for text, reason in ((good + "\n[[tls.service", "syntax"), (good.replace("connect", "conect"), "unknown-key")):
                said = sluice.reload(text=text)
                expect("stays as it was" in said and reason in said, f"the log: {said}")
                expect(sluice.problems(), "the status tells it")
                expect_echo(world, ("127.0.0.1", port))
                client.echo(b"still here")
            sluice.reload(text=good)
            expect_equal(sluice.problems(), [], "problems once all is well")


@scenario("reload: an address that another process has; the service stays as it was, and so does who gives way to it")
def address_in_use(world):
    ports = [free_port() for _ in range(2)]
    with Backend(greet(b"a")) as a, Backend(greet(b"b")) as b, \
            socket.create_server(("127.0.0.1", 0)) as occupied:
        taken = occupied.getsockname()[1]

        def service(name, port, backend):
            return server_service(world, name, listen=[local(port)], connect=[backend.address])

        with Sluice(world, [service("first", ports[0], a), service("second", ports[1], a)]) as sluice:
            said = sluice.reload([service("first", taken, b), service("second", ports[1], b)])
            expect("address-in-use" in said, f"the log: {said}")
            expect_equal([greeting(world, port) for port in ports], [b"a", b"b"], "the greetings")
            # The new one's file can't be loaded, so the old one keeps the address.
            broken = service("heir", ports[0], b) | {"certificate": "/nonexistent/certificate.pem"}
            said = sluice.reload([broken, service("second", ports[1], a)])
            expect("address-still-needed" in said, f"the log: {said}")
            expect_equal([greeting(world, port) for port in ports], [b"a", b"a"], "the greetings")
            occupied.close()
            sluice.reload([service("first", taken, b), service("second", ports[1], a)])
            expect_equal(greeting(world, taken), b"b", "the greeting at the address that became free")
            refuses(ports[0])
            # From one address to all of them, on the same port.
            everywhere = service("first", taken, a) | {"listen": [f"0.0.0.0:{taken}"]}
            sluice.reload([everywhere, service("second", ports[1], a)])
            expect_equal(sluice.problems(), [], "problems")
            expect_equal(greeting(world, taken), b"a", "the greeting at all addresses")


@scenario("reload: no new connection is refused or lost while services are reloaded")
def crowd(world):
    port, files = free_port(), Files(world)
    with Backend(echo) as a, Backend(echo) as b:
        with Sluice(world, [server_service(world, listen=[local(port)], connect=[a.address], **files.entries)]) as sluice:
            with Crowd(world, Here, ("127.0.0.1", port), world.certificates.ca) as one, \
                    Crowd(world, Here, ("127.0.0.1", port), world.certificates.ca) as two:
                for turn in range(world.choose(10, 100)):
                    backend = (a, b)[turn % 2]
                    os.utime(files.certificate)
                    sluice.reload([server_service(world, listen=[local(port)], connect=[backend.address],
                                                  **files.entries)])
                    for each in (one, two):
                        each.check(f"reload {turn}", 0)
                served = one.served + two.served
            world.note(f"{served} connections came during the reloads")
            expect(served > 10, "connections came during the reloads")
            # The visitors hang up without a word.
            failed = {reason for reason in sluice.service()["failed"] if reason != "truncated"}
            expect_equal(failed, set(), "failures")


SERVICES = 500


def memory_by_process(sluice):
    memory = {}
    for pid in processes.descendants(sluice.process.pid):
        memory[f"{processes.name_of(pid)} {pid}"] = processes.memory_kib(pid)
    return memory


@scenario("reload: many reloads of many certificates leave memory and descriptors as they were")
def many_reloads(world):
    rounds = world.choose(100, 1000)
    files = []
    services = []
    with Backend(echo) as backend:
        for number in range(SERVICES):
            each = Files(world, f"c{number}")
            files.append(each)
            services.append(server_service(world, f"s{number}", listen=[f"unix:{world.directory}/{number}"],
                                           connect=[backend.address], **each.entries))
        with Sluice(world, services, descriptors=8192) as sluice:
            def reload_some(turn):
                # Each has a turn in fifty; one service goes, or comes back.
                for each in files[turn % 50::50]:
                    each.use(("misnamed", "server")[turn // 50 % 2])
                part = services[:-1] if turn % 2 else services
                begin = time.monotonic()
                sluice.reload(part)
                return time.monotonic() - begin

            # All at once, when old and new are there side by side, is as much as the heaps will ever hold.
            for each in files:
                each.use("misnamed")
            sluice.reload()
            for turn in range(10):
                reload_some(turn)
            before = (memory_by_process(sluice), sluice.descriptors_open())
            slowest = max(reload_some(turn) for turn in range(rounds))
            after = (memory_by_process(sluice), sluice.descriptors_open())
            grown = {name: after[0].get(name, 0) - size for name, size in before[0].items()}
            world.note(f"{sum(before[0].values())} KiB, then {sum(after[0].values())} KiB; a reload took {slowest:.2f} s "
                       f"at most")
            expect(sum(grown.values()) < 6144, f"processes have grown by so many KiB: {grown}")
            expect(abs(after[1] - before[1]) <= 4, f"descriptors: {before[1]}, then {after[1]}")
            for each in files:
                each.use("server")
            sluice.reload()
            expect_echo(world, world.directory / "0")
            expect_equal(sluice.problems(), [], "problems")


@scenario("reload: log_level takes effect at once in keysluiced, and the log says where it does not")
def log_level(world):
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=[backend.address])
        with Sluice(world, [service]) as sluice:
            sluice.daemon["log_level"] = "debug"
            expect("log_level" in sluice.reload([service]), "the log says who does not obey it yet")
            (engine, *_) = sluice.pids("engine")
            processes.send_signal(engine, signal.SIGKILL)
            eventually(lambda: re.search(r"keysluiced: debug: engine \d left", sluice.log()), world.patience(20),
                       "keysluiced logs what is for debugging")
