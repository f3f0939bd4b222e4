"""keysluice, the command, beside the service that it asks: what it says, what it does, and what it ends with."""

import json
import os
import pty
import subprocess

from bus.basics import connected
from support.bus import Bus
from support.keysluice import Keysluice, server_service
from support.scenario import expect, expect_equal, scenario
from support.world import free_port

DONE, FAILED, USAGE, NOT_FOUND, NOT_RUNNING, NOT_PERMITTED = range(6)
KIND = "dbus-daemon"


class Command:
    def __init__(self, world, bus):
        self.world, self.bus = world, bus

    def run(self, *words, wanted=DONE, **options):
        """What it writes to standard output, and to standard error where it does not succeed."""
        done = subprocess.run([self.world.programs / "keysluice", f"--bus={self.bus.address}", *words],
                              capture_output=True, text=True, timeout=self.world.patience(60), **options)
        expect_equal(done.returncode, wanted, f"exit status of {words}, which said {done.stdout!r} {done.stderr!r}")
        if "--json" not in words:
            expect_equal(bool(done.stderr), wanted != DONE, f"{words} complains: {done.stderr!r}")
        return done.stdout if wanted == DONE or "--json" in words else done.stderr

    def json(self, *words, wanted=DONE):
        document = json.loads(self.run(*words, "--json", wanted=wanted))
        expect_equal(document.pop("version"), 1, "version of the schema")
        return document


@scenario("command: status, list and show, as text and as JSON, are what the service says of itself")
def looks(world):
    with connected(world, KIND) as (bus, client, ours):
        command = Command(world, bus)
        said = command.run("status")
        expect("IKE   runs: 1 connections, 1 of 1 IKE SAs established, 1 CHILD SAs" in said, said)
        expect("--null-kernel" in said, said)
        expect_equal(command.json("status")["numbers"]["offload"], {"none": 1}, "offload of CHILD SAs")

        row, = client.list_sas()[0]
        spi, peer_spi = f"{row[0]:016x}", f"{row[1]:016x}"
        listed = command.run("list")
        expect(listed.startswith(f"peer: ESTABLISHED, IKEv2, {spi}_i* {peer_spi}_r\n"), listed)
        expect("  net: INSTALLED, TUNNEL, ESP:AES_GCM_16-" in listed, listed)
        sas = command.json("list")["ike_sas"]
        dumped = client.dump()[0]
        for sa in sas + dumped:
            for timed in (sa, *sa["children"]):
                timed.pop("rekey_in"), timed.pop("age", None)
        expect_equal(sas, dumped, "IKE SAs as JSON, beside DumpSas")

        child = f"{row[12][0][3]:08x}"
        for name in ("peer", "branch", spi, f"0x{peer_spi}", child):
            expect_equal(command.json("list", name)["ike_sas"][0]["spi_initiator"], spi, f"the IKE SA called {name}")
        expect("by psk" in command.run("show", "peer"), "show says how it proves itself")
        expect_equal(command.json("show", spi)["connections"], [], "connections called by an SPI")
        for name in ("nobody", "0123456789abcdef"):
            expect("(not-found)" in command.run("show", name, wanted=NOT_FOUND), "the reason code")
        expect_equal(command.json("list", "nobody", wanted=NOT_FOUND)["error"]["reason"], "not-found", "as JSON")


@scenario("command: TLS services and their counters")
def tls(world):
    port = free_port()
    with Bus(world, KIND) as bus:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=["127.0.0.1:1"])
        with Keysluice(world, [service], bus=bus.address):
            bus.await_service()
            command = Command(world, bus)
            expect("shop: TLS server" in command.run("list", "--tls"), "the service is listed")
            expect_equal(command.run("list", "--ike"), "", "IKE SAs")
            expect_equal(command.json("show", "shop")["tls_services"][0]["listen"], [f"127.0.0.1:{port}"], "listen")
            expect("IKE   no connections\nTLS   runs: 1 services" in command.run("status"), "status")


@scenario("command: nobody answers, on a bus and without one; nonsense; help")
def nobody(world):
    with Bus(world, KIND) as bus:
        command = Command(world, bus)
        expect("(service-not-running)" in command.run("status", wanted=NOT_RUNNING), "the reason code")
        expect_equal(command.json("list", wanted=NOT_RUNNING)["error"]["reason"], "service-not-running", "as JSON")
        expect_equal(bus.has_service(), False, "the question starts the service")
    expect("(bus-unreachable)" in command.run("status", wanted=NOT_RUNNING), "the reason code")
    expect("did you mean" in command.run("stauts", wanted=USAGE), "a suggestion")
    expect("usage: keysluice list" in command.run("list", "--help"), "help")
    expect(command.run("--version").startswith("keysluice "), "version")


@scenario("command: colours on a terminal, without NO_COLOR, and nowhere else")
def colours(world):
    def on_terminal(bus, **environment):
        ours, theirs = pty.openpty()
        subprocess.run([world.programs / "keysluice", f"--bus={bus.address}", "list"], stdout=theirs,
                       env=os.environ | {"TERM": "xterm"} | environment, timeout=world.patience(60), check=True)
        os.close(theirs)
        text = os.read(ours, 1 << 16).decode()
        os.close(ours)
        return text

    with connected(world, KIND) as (bus, _, _):
        expect("\x1b[32mESTABLISHED\x1b[0m" in on_terminal(bus), "colours on a terminal")
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            expect("\x1b" not in on_terminal(bus, **environment), f"colours with {environment}")
        expect("\x1b" in on_terminal(bus, NO_COLOR=""), "an empty NO_COLOR is none")
        expect("\x1b" not in Command(world, bus).run("list"), "colours in a pipe")
