"""What monitoring systems and administrators get: metrics, explanations, and the doctor's findings on a host that is broken."""

import json
import os
import signal
import socket
import subprocess

from bus.basics import connected
from bus.command import FAILED, NOT_FOUND, USAGE, Command
from support.bus import Bus
from support.keysluice import Keysluice, configuration, server_service, table
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.screen import Screen
from support.world import free_port

KIND = "dbus-daemon"


def parsed(text):
    """{(sample, labels…): value}, by the reference parser."""
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError:
        raise Skip("python3-prometheus-client is not installed") from None
    families = list(text_string_to_metric_families(text))
    expect(all(family.name.startswith("keysluice_") and family.documentation for family in families), text)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples}


def served(runtime):
    """Everything that metrics.sock says."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(runtime / "metrics.sock"))
        text = b""
        while part := client.recv(1 << 16):
            text += part
    return text.decode()


@scenario("metrics: IKE SAs and CHILD SAs, by the command and over the socket, as a parser of OpenMetrics reads them")
def of_ike(world):
    with connected(world, KIND) as (bus, _, ours):
        socket_path = ours.runtime / "metrics.sock"
        expect_equal(socket_path.stat().st_mode & 0o777, 0o666, "mode of metrics.sock")
        for text in (Command(world, bus).run("metrics"), served(ours.runtime)):
            samples = parsed(text)
            expect_equal(samples["keysluice_ike_sas", ("state", "established")], 1, "IKE SAs")
            expect_equal(samples["keysluice_child_sas", ("device", ""), ("offload", "none")], 1, "CHILD SAs")
        expect_equal(Command(world, bus).json("metrics")["ike_sas"], {"established": 1}, "as JSON")


@scenario("metrics: TLS services, with what has failed and why")
def of_tls(world):
    port = free_port()
    with Bus(world, KIND) as bus:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=["127.0.0.1:1"])
        with Keysluice(world, [service], bus=bus.address) as keysluice:
            bus.await_service()
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            failed = ("keysluice_tls_failed_total", ("reason", "plain-http"), ("service", "shop"))
            accepted = ("keysluice_tls_accepted_total", ("service", "shop"))
            for text in (lambda: Command(world, bus).run("metrics"), lambda: served(keysluice.runtime)):
                samples = eventually(lambda: (found := parsed(text())).get(failed) and found, world.patience(20),
                                     "the failure is counted")
                expect_equal(samples[failed], 1, "failures")
                expect_equal(samples[accepted], 1, "connections")
                expect_equal(samples["keysluice_processes_silent",], 0, "processes that do not answer")
            said = Command(world, bus).run("explain", "shop")
            expect("1 connections have failed so far" in said and "https://" in said, said)


@scenario("explain: a connection, a CHILD SA, a reason code, and what does not exist")
def explains(world):
    with connected(world, KIND) as (bus, client, _):
        command = Command(world, bus)
        child = f"{client.list_sas()[0][0][12][0][3]:08x}"
        for name in ("peer", child):
            about = command.json("explain", name)["explanations"]
            expect_equal([each["is"] for each in about], ["the IKE SA is established", "nobody does ESP"], name)
            expect_equal(about[1]["about"], f"peer/net {child}", "the CHILD SA")
        expect("Look at the routes" in command.run("explain", "no-route"), "a reason code")
        command.run("explain", "nonsense", wanted=NOT_FOUND)


BROKEN = {"secret": "wrong", "certificate": "wrong", "port": "wrong", "device-esp": "wrong"}


def broken_host(world, port):
    """A configuration whose port somebody has, and whose files are expired, missing and open to all."""
    folder = world.directory
    for each in (folder.parent, folder):  # for somebody else
        each.chmod(0o755)
    key, psk, certificate = folder / "open.key", folder / "hq.psk", folder / "missing.pem"
    for secret, mode in ((key, 0o644), (psk, 0o600)):
        secret.write_text("x\n")
        secret.chmod(mode)
    service = table("[[tls.service]]", {"name": "shop", "listen": ["127.0.0.1:9"], "connect": ["127.0.0.1:1"],
                                        "certificate": str(certificate), "private_key": f"file:{key}"})
    connection = table("[[ike.connection]]", {"name": "hq", "local": "192.0.2.1", "remote": "198.51.100.7",
                                              "auth": "psk", "psk": f"file:{psk}"})
    child = table("[[ike.connection.child]]", {"name": "net", "local_ts": ["10.1.0.0/16"], "remote_ts": ["10.2.0.0/16"],
                                               "offload": "packet"})
    file = folder / "broken.toml"
    file.write_text("\n".join([service, table("[ike]", {"port": port}), connection, child]))
    return file


@scenario("doctor: each thing that is wrong, for root and for somebody else, without a service and without a bus")
def doctor(world):
    def ask(*words, prefix=()):
        done = subprocess.run([*prefix, world.programs / "keysluice", "doctor", *words], capture_output=True, text=True,
                              timeout=world.patience(60), check=False)
        expect_equal((done.returncode, done.stderr), (FAILED, ""), f"what {words} ends with: {done.stdout}")
        return done.stdout

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        file = broken_host(world, port)
        document = json.loads(ask("--config", file, "--json"))
        expect_equal((document["version"], document["verdict"]), (1, "wrong"), "the document")
        found = {each["name"]: each for each in reversed(document["findings"])}
        for name, verdict in BROKEN.items():
            expect_equal(found[name]["verdict"], verdict, f"{name}: {found[name]}")
            expect(found[name]["remedy"], f"{name} has no remedy")
        expect(found["port"]["found"].startswith(f"UDP port {port} is taken by "), found["port"])
        expect(f"(process {os.getpid()})" in found["port"]["found"], found["port"])
        expect_equal(found["port"]["reason"], "ike-bind-failed", "reason code")
        expect("ok       configuration: it has no mistake" in ask("--config", file), "the configuration")

        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                  "--bounding-set=-all")
        said = ask("--config", file, prefix=nobody)
        expect(f"unknown  port: UDP port {port} is taken, and only root can see by whom" in said, said)
        expect("/open.key can be read by every user" in said, said)
    expect("(unknown-key)" in ask("--config", mistaken(world)), "a mistake in the configuration")


def mistaken(world):
    file = world.directory / "mistaken.toml"
    file.write_text(configuration(world.directory, [], {}) + "\n[ike]\nprot = 500\n")
    return file


@scenario("top: a screen with rates, keys, another size, and a terminal that is as it was however it ends")
def top(world):
    port = free_port()
    with Bus(world, KIND) as bus:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=["127.0.0.1:1"])
        with Keysluice(world, [service], bus=bus.address):
            bus.await_service()
            screen = Screen(world, bus)
            screen.shows("shop                 TLS: 0 kernel, 0 userspace")
            expect(screen.text.startswith("\x1b[?1049h"), "the other screen comes first")
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            screen.shows("█")
            screen.resize(20, 60)
            os.kill(screen.process.pid, signal.SIGWINCH)
            screen.shows("…")
            screen.resize(20, 100)
            os.write(screen.ours, b"s")
            screen.shows("by name")
            os.write(screen.ours, b"q")
            screen.ends()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                screen = Screen(world, bus)
                screen.shows("shop")
                screen.process.send_signal(number)
                screen.ends()
            command = Command(world, bus)
            expect("stats --watch" in command.run("top", wanted=USAGE, stdin=subprocess.DEVNULL), "without a terminal")
            expect_equal(command.json("top", wanted=USAGE)["error"]["reason"], "bad-argument", "as JSON")


@scenario("top: connections stand beside services, also where no kernel counts their bytes")
def top_of_ike(world):
    with connected(world, KIND) as (bus, _, _):
        screen = Screen(world, bus)
        screen.shows("peer                 IKE: 1 up, 1 CHILD SAs")
        os.write(screen.ours, b"q")
        screen.ends()
