"""TLS sessions and TLS services on the bus: listed, closed one by one, taken down and brought up, and what fails of them."""

import contextlib
import json
import os
import signal
import socket
import subprocess

from bus.command import Command
from support import processes
from support.backends import Backend, echo
from support.bus import NAME, Bus, CallFailed, Deaf
from support.keysluice import Keysluice, server_service
from support.scenario import Failure, eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import TlsClient, expect_echo
from support.world import free_port

KIND = "dbus-daemon"
FIELDS = ("id", "service", "local", "remote", "backend", "version", "suite", "established", "offload_requested", "offload",
          "device", "reason", "more")
SESSION_CLOSED = (ConnectionError,)


def listed(client, limit=0, **filters):
    """All sessions as dictionaries, and in how many pages they came."""
    sessions, cursor, pages = [], "", 0
    while cursor or not pages:
        rows, cursor, silent = client.manager("ListTlsSessions", "a{sv}su", filters, cursor, limit)
        expect_equal(silent, 0, "processes that do not answer")
        sessions += [dict(zip(FIELDS, row)) for row in rows]
        pages += 1
    return sessions, pages


def dumped(client, **filters):
    descriptor = client.manager("DumpTlsSessions", "a{sv}", filters).take()
    text = os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()
    os.close(descriptor)
    return [json.loads(line) for line in text.splitlines()]


class Shop:
    """Two services of two engines before an echo server: "shop", and "till", whose records stay in userspace."""

    def __init__(self, world, bus, backend, **more):
        self.ports = {"shop": free_port(), "till": free_port()}
        services = [server_service(world, name=name, listen=[f"127.0.0.1:{port}"], connect=[backend.address], **more.get(name, {}))
                    for name, port in self.ports.items()]
        self.world = world
        self.keysluice = Keysluice(world, services, bus=bus.address)

    def connect(self, name, count):
        """Clients that have been served."""
        clients = [TlsClient(self.world, ("127.0.0.1", self.ports[name])) for _ in range(count)]
        for each in clients:
            each.echo(b"hello")
        return clients


@contextlib.contextmanager
def open_shop(world, **more):
    """Yields the bus, a client on it, and the shop."""
    more = {"shop": {"groups": ["front"]}, "till": {"groups": ["front", "back"], "offload": "off"}} | more
    with Bus(world, KIND) as bus, Backend(echo) as backend:
        shop = Shop(world, bus, backend, **more)
        with shop.keysluice:
            bus.await_service()
            yield bus, bus.client(), shop


def expect_row(world, row, name, client, port):
    own = client.socket.getsockname()
    kernel = world.kernel and name == "shop"
    expect_equal((row["service"], row["local"], row["remote"]),
                 (name, f"127.0.0.1:{port}", f"{own[0]}:{own[1]}"), "service and ends")
    expect_equal(row["version"], client.tls.version().removeprefix("TLSv"), "version")
    expect(row["backend"].startswith("127.0.0.1:"), row["backend"])
    if kernel:
        expect_equal((row["offload"], row["device"], row["reason"]), ("software", "lo", "device-lacks-tls"), "what is in force")
        expect(row["suite"].startswith(("AES", "CHACHA20")), row["suite"])
    else:
        expect_equal((row["offload"], row["device"]), ("none", ""), "what is in force")
        expect(row["reason"] and row["suite"].startswith("TLS_"), f"{row['reason']} {row['suite']}")
    expect_equal(row["offload_requested"], "off" if name == "till" else "auto", "what was asked for")


@scenario("TLS sessions: in pages, as a file, by service and group, and as the sockets of ss -e")
def in_pages(world):
    with open_shop(world) as (bus, client, shop):
        clients = {name: shop.connect(name, count) for name, count in (("shop", 5), ("till", 2))}
        sessions, pages = listed(client, limit=2)
        expect_equal((len(sessions), pages), (7, 4), "sessions, and pages of 2")
        expect_equal([row["id"] for row in sessions], sorted({row["id"] for row in sessions}), "the order of their ids")
        by_remote = {row["remote"]: row for row in sessions}
        for name, those in clients.items():
            for each in those:
                expect_row(world, by_remote["{}:{}".format(*each.socket.getsockname())], name, each, shop.ports[name])
            expect_equal(len(listed(client, service=name)[0]), len(those), f"sessions of {name}")
        expect_equal([len(listed(client, group=group)[0]) for group in ("front", "back", "none")], [7, 2, 0], "by group")
        sockets = subprocess.run(["ss", "-tenHO"], capture_output=True, text=True, check=True).stdout
        for row in sessions:
            expect(f"sk:{row['id']:x} " in sockets, f"sk:{row['id']:x} is not in ss -e")

        lines = {line["id"]: line for line in dumped(client)}
        expect_equal(sorted(lines), sorted(f"sk:{row['id']:x}" for row in sessions), "the file's lines")
        command = Command(world, bus)
        for line in command.json("list")["tls_sessions"]:
            other = lines[line["id"]]
            expect(line.pop("age") >= 0 and other.pop("age") >= 0, "age")
            expect_equal(line, other, "the command's document, beside the file's line")
        text = command.run("list", "till")
        expect(text.count("sk:") == 2 and "engine (offload-off)" in text, text)
        for those in clients.values():
            for each in those:
                each.close()
        eventually(lambda: listed(client)[0] == [], world.patience(20), "none is left")


@scenario("TLS sessions: one is closed, is cut off instead of ended, and the others go on")
def one_is_closed(world):
    with open_shop(world) as (bus, client, shop):
        for name in ("shop", "till"):
            first, second = shop.connect(name, 2)
            remote = "{}:{}".format(*first.socket.getsockname())
            session = next(row["id"] for row in listed(client)[0] if row["remote"] == remote)
            client.manager("CloseTlsSession", "ta{sv}", session, {})
            expect_cut_off(first)
            second.echo(b"still here")
            try:
                client.manager("CloseTlsSession", "ta{sv}", session, {})
                raise Failure("it is closed twice")
            except CallFailed as failure:
                expect_equal(failure.name, "NotFound", "the second time")
            remote = "{}:{}".format(*second.socket.getsockname())
            session = next(row["id"] for row in listed(client)[0] if row["remote"] == remote)
            expect("closing" in Command(world, bus).run("down", f"sk:{session:x}"), "by the command")
            expect_cut_off(second)
            shop.keysluice.await_failure("closed-on-request", name, 2)


def expect_cut_off(client):
    try:
        rest = client.receive()
    except SESSION_CLOSED:
        return
    raise Failure(f"the session ended in order, with {len(rest)} bytes")


def expect_refused(world, port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=world.patience(10)).close()
    except ConnectionRefusedError:
        return
    raise Failure(f"somebody listens on port {port}")


@scenario("TLS services: down refuses clients and cuts sessions off, whoever of its processes dies meanwhile; up serves again")
def down_and_up(world):
    with open_shop(world) as (bus, client, shop), bus.events() as events:
        path = next(path for path in client.paths("service") if path.endswith("shop"))
        for down in (lambda: client.call(path, f"{NAME}.TlsService", "Down", "a{sv}", {}),
                     lambda: client.manager("Down", "sa{sv}", "shop", {})):
            standing = shop.connect("shop", 3)
            other, = shop.connect("till", 1)
            expect_equal(down(), 3, "sessions that are closed")
            for each in standing:
                expect_cut_off(each)
            expect_refused(world, shop.ports["shop"])
            await_open(world, client, path, False)
            other.echo(b"the other service goes on")
            replace(shop, "engine")
            replace(shop, "relay")
            expect_refused(world, shop.ports["shop"])
            client.call(path, f"{NAME}.TlsService", "Up", "a{sv}", {})
            await_open(world, client, path, True)
            eventually(lambda: served(world, shop.ports["shop"]), world.patience(20), "the service is served again")
        expect_equal([events.await_kind(kind, 2)["connection"] for kind in ("service-down", "service-up")], ["shop"] * 2, "events")
        told = {event["connection"] for event in events.all() if event["kind"] == "failover"}
        expect_equal(told, {"engine 0", "engine 1", "relay 0", "relay 1"}, "processes whose successors are told")

        standing = shop.connect("shop", 1) + shop.connect("till", 1)
        command = Command(world, bus)
        expect("closing" in command.run("down", "front"), "a group, by the command")
        for each in standing:
            expect_cut_off(each)
        for port in shop.ports.values():
            expect_refused(world, port)
        command.run("up", "front")
        for port in shop.ports.values():
            expect_echo(world, ("127.0.0.1", port))
        expect("(not-in-this-version)" in command.run("rekey", "shop", wanted=1), "the rekeying of a service")


def await_open(world, client, path, wanted):
    eventually(lambda: client.property(path, "TlsService", "Open") == wanted, world.patience(10), f"Open is {wanted}")


def served(world, port):
    try:
        expect_echo(world, ("127.0.0.1", port))
        return True
    except OSError:
        return False


def replace(shop, kind):
    """Kills all processes of a kind, and waits for their successors."""
    old = shop.keysluice.pids(kind)
    for pid in old:
        processes.send_signal(pid, signal.SIGKILL)
    eventually(lambda: len(set(shop.keysluice.pids(kind)) - set(old)) == len(old), shop.world.patience(20), f"another {kind}")


@scenario("TLS services: a failed handshake is told with its reason and its peer, a flood of them with the first ones")
def failures(world):
    with open_shop(world) as (bus, client, shop), bus.events() as events:
        def fail():
            with socket.create_connection(("127.0.0.1", shop.ports["shop"])) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
                return "{}:{}".format(*plain.getsockname())

        peer = fail()
        told = events.await_kind("tls-failed")
        expect_equal((told["connection"], told["peer"], told["reason"]), ("shop", peer, "plain-http"), "the event")
        expect(told["sentence"], "a sentence")
        for _ in range(200):
            fail()
        shop.keysluice.await_failure("plain-http", count=201)
        expect(events.kinds().count("tls-failed") < 201 or not world.kernel, "a flood is told whole")


@scenario("TLS sessions: a process that does not answer is counted, and callers with hundreds of questions take nobody's place")
def silent(world):
    with open_shop(world) as (bus, client, shop):
        shop.connect("till", 1)
        stopped = shop.keysluice.pids("engine")[0]
        deaf = [Deaf(bus) for _ in range(4)]
        processes.send_signal(stopped, signal.SIGSTOP)
        for each in deaf:
            each.ask(f"{NAME}.Manager", "ListTlsSessions", 300, "a{sv}su", {}, "", 0)
        for _ in range(20):
            client.manager("ListSas", "a{sv}su", {}, "", 0)  # Busy would be raised
        expect_equal(client.manager("ListTlsSessions", "a{sv}su", {}, "", 0)[2], 1, "processes that do not answer")
        processes.send_signal(stopped, signal.SIGCONT)
        eventually(lambda: client.manager("ListTlsSessions", "a{sv}su", {}, "", 0)[2] == 0, world.patience(20), "all answer again")


@scenario("TLS services: added, changed and removed by Reload, and so are their objects; their sessions go on")
def reloaded(world):
    with open_shop(world) as (bus, client, shop), bus.events() as events:
        (standing,) = shop.connect("till", 1)
        file, before = shop.keysluice.file, shop.keysluice.file.read_text()
        head, one, two = before.split("[[tls.service]]")
        port = free_port()
        file.write_text(head + "[[tls.service]]" + one.replace('"front"', '"other"') + "[[tls.service]]" +
                        one.replace('"shop"', '"kiosk"').replace(f":{shop.ports['shop']}", f":{port}"))
        client.manager("Reload", "a{sv}", {})
        expect_echo(world, ("127.0.0.1", port))

        def names():
            return sorted(path.rsplit("/", 1)[1] for path in client.paths("service"))

        eventually(lambda: names() == ["kiosk", "shop"], world.patience(5), "other objects")
        path = next(path for path in client.paths("service") if path.endswith("shop"))
        expect_equal(list(client.property(path, "TlsService", "Groups")), ["other"], "groups of the one that has changed")
        told = {events.await_kind(f"service-{what}", 1)["connection"] for what in ("added", "changed", "removed")}
        expect_equal(told, {"kiosk", "shop", "till"}, "services in events")
        standing.echo(b"of a service that is gone")
        expect_equal([row["service"] for row in listed(client, service="till")[0]], ["till"], "sessions of what is gone")

        file.write_text(before.replace(str(world.certificates.key("server")), str(world.certificates.key("client"))))
        wrong = expect_raises(CallFailed, lambda: client.manager("Reload", "a{sv}", {}), "a reload with another key")
        expect_equal(wrong.name, "InvalidConfiguration", "error")
        expect("service shop stays as it was" in wrong.text and "(private-key-mismatch)" in wrong.text, wrong.text)
        expect_echo(world, ("127.0.0.1", shop.ports["shop"]))
