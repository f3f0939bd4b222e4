"""keysluice, the command, beside the service that it asks: what it says, what it does, and what it ends with."""

import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess

from bus.basics import connected, gateways
from support import processes
from support.bus import KINDS, Bus, Polkit
from support.keysluice import Keysluice, server_service
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.world import free_port

DONE, FAILED, USAGE, NOT_FOUND, NOT_RUNNING, NOT_PERMITTED = range(6)
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
KIND = "dbus-daemon"


class Command:
    def __init__(self, world, bus):
        self.world, self.bus = world, bus
        self.program = world.programs / "keysluice"

    def run(self, *words, wanted=DONE, **options):
        """What it writes to standard output, and to standard error where it does not succeed."""
        done = subprocess.run([self.program, f"--bus={self.bus.address}", *words],
                              capture_output=True, text=True, timeout=self.world.patience(60), **options)
        expect_equal(done.returncode, wanted, f"exit status of {words}, which said {done.stdout!r} {done.stderr!r}")
        if "--json" not in words:
            expect_equal(bool(done.stderr), wanted != DONE, f"{words} complains: {done.stderr!r}")
        return done.stdout if wanted == DONE or "--json" in words else done.stderr

    def json(self, *words, wanted=DONE):
        document = json.loads(self.run(*words, "--json", wanted=wanted))
        expect_equal(document.pop("version"), 1, "version of the schema")
        return document


for kind in KINDS:

    @scenario(f"command: {kind}: status, list and show, as text and as JSON, are what the service says of itself")
    def looks(world, kind=kind):
        with connected(world, kind) as (bus, client, ours):
            command = Command(world, bus)
            said = command.run("status")
            expect("IKE   runs: 1 connection, 1 of 1 IKE SA established, 1 CHILD SA" in said, said)
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
            expect("(ike-not-running)" in command.run("list", "--counters", wanted=NOT_RUNNING), "counters of no kernel")
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
            expect("IKE   no connections\nTLS   runs: 1 service, " in command.run("status"), "status")


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
    with open("/dev/full", "wb") as full:
        done = subprocess.run([command.program, "--help"], stdout=full, stderr=subprocess.PIPE)
    expect_equal((done.returncode, bool(done.stderr)), (FAILED, True), "what is said when nothing can be written")


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


class Monitor:
    """`with Monitor(command) as monitor:` a keysluice monitor that has begun to listen."""

    def __init__(self, command, *words):
        self.command, self.words = command, words
        self.file = command.world.directory / f"monitor{''.join(words)}.out"

    def __enter__(self):
        with open(self.file, "wb") as output:
            self.process = processes.start(
                [self.command.world.programs / "keysluice", "monitor", "--bus", self.command.bus.address, *self.words],
                self.file.with_suffix(".log"), stdout=output)
        eventually(self.lines, self.command.world.patience(10), "the monitor says whether the service runs")
        return self

    def __exit__(self, *_):
        processes.stop(self.process, 5)

    def lines(self):
        whole, _, _ = self.file.read_text().rpartition("\n")  # behind it: what is about to be written
        return whole.splitlines()

    def await_line(self, *parts):
        """A whole line that has all of these."""
        def found():
            return [line for line in self.lines() if all(part in line for part in parts)]
        return eventually(found, self.command.world.patience(10), f"a line with {parts}")[-1]


for kind in KINDS:

    @scenario(f"command: {kind}: up, rekey and down, by name, group and SPI, each followed on the time line")
    def wishes(world, kind=kind):
        with gateways(world, kind) as (bus, ours, _):
            command = Command(world, bus)
            with Monitor(command) as monitor, Monitor(command, "--json") as documents:
                expect_equal(monitor.lines(), ["-- keysluiced runs"], "the first line")
                expect_equal(command.json("up", "branch", "--child", "net"), {"connections": 1}, "up by group")
                monitor.await_line(" child-established peer/net ")
                spi = command.json("list")["ike_sas"][0]["spi_initiator"]
                child = command.json("list")["ike_sas"][0]["children"][0]["spi_in"]
                expect(f"IKE {spi}" in monitor.await_line(" ike-established   peer "), "the SPI in its line")

                expect("1 IKE SA being rekeyed" in command.run("rekey", child), "a rekeying by the SPI of a CHILD SA")
                monitor.await_line(" child-rekeyed     peer/net ")
                expect_equal(command.json("rekey", f"0x{spi}"), {"ike_sas": 1}, "a rekeying by the SPI of an IKE SA")
                monitor.await_line(" ike-rekeyed ")
                expect_equal(command.json("rekey", "peer", "--child=net"), {"ike_sas": 1}, "a rekeying by names")
                expect("(not-found)" in command.run("rekey", "peer", "--child=nope", wanted=NOT_FOUND), "no such child")

                now, = [sa for sa in command.json("list")["ike_sas"] if sa["state"] == "established"]
                refusal = command.run("down", now["children"][0]["spi_in"], wanted=USAGE)
                expect(now["spi_initiator"] in refusal, f"the IKE SA's SPI in {refusal}")
                expect_equal(command.json("down", now["spi_initiator"]), {"closed": 1}, "down by SPI")
                monitor.await_line(" ike-closed        peer ")
                documents.await_line('"ike-closed"')
                for verb in ("up", "down", "rekey"):
                    expect("(not-found)" in command.run(verb, "0123456789abcdef", wanted=NOT_FOUND), verb)
                expect_equal(command.json("down", "peer"), {"closed": 0}, "nothing is left to be closed")

                events = [json.loads(line) for line in documents.lines()]
                expect_equal(events[0], {"version": 1, "running": True}, "the first document")
                kinds = [each["event"]["kind"] for each in events[1:]]
                expect_equal(kinds, [line.split()[2] for line in monitor.lines()[1:]], "kinds as JSON and as text")
                for each in (monitor, documents):
                    each.process.send_signal(signal.SIGINT)
                    expect_equal(each.process.wait(world.patience(10)), 0, "exit status of a monitor that is interrupted")


for kind in KINDS:

    @scenario(f"command: {kind}: the monitor tells a failure with its reason, outlives the service and says so, but not the bus")
    def outlives(world, kind=kind):
        with gateways(world, kind, remote_id="somebody.else") as (bus, ours, _):
            command = Command(world, bus)
            with Monitor(command) as monitor:
                command.run("up", "peer")
                expect("somebody.else" in monitor.await_line(" failed            peer ", "(auth-refused)"), "the sentence")
                ours.replace()
                monitor.await_line("-- keysluiced is back")
                expect_equal([line for line in monitor.lines() if line.startswith("--")],
                             ["-- keysluiced runs", "-- keysluiced has gone; waiting for it", "-- keysluiced is back"],
                             "what it says of the service")
                before = len(monitor.lines())
                command.run("up", "peer")
                eventually(lambda: [line for line in monitor.lines()[before:] if " failed " in line], world.patience(10),
                           "the next failure is told")
                expect(not [line for line in monitor.lines() if "not told" in line], "events are said to be missing")
                bus.stop()
                expect_equal(monitor.process.wait(world.patience(10)), NOT_RUNNING, "exit status when the bus goes")


@scenario("command: the monitor waits for a service that does not run yet, and status does not start it")
def waits(world):
    with Bus(world, KIND) as bus:
        command = Command(world, bus)
        with Monitor(command) as monitor:
            expect_equal(monitor.lines(), ["-- keysluiced does not run; waiting for it"], "the first line")
            service = server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=["127.0.0.1:1"])
            with Keysluice(world, [service], bus=bus.address):
                monitor.await_line("-- keysluiced is back")


@scenario("command: a reload prints every mistake on a line of its own")
def reload(world):
    with gateways(world, KIND) as (bus, ours, _):
        command = Command(world, bus)
        good = dict(ours.connection)
        ours.connection |= {"liveness": "for ever", "strat": "manual"}
        ours.configure()
        lines = command.run("reload", wanted=FAILED).splitlines()
        expect(len(lines) == 2 and all(line.startswith(f"keysluice: {ours.file}:") for line in lines), f"{lines}")
        expect("(bad-duration)" in lines[0] + lines[1] and "(unknown-key)" in lines[0] + lines[1], f"{lines}")
        ours.connection = good
        ours.configure()
        expect_equal(command.json("reload"), {"connections": 1}, "connections after a reload")


@scenario("command: an unprivileged user looks, and is refused what he may not do")
def unprivileged(world):
    with connected(world, KIND) as (bus, _, _):
        # What is below a folder of root's alone, somebody else can't start.
        program = shutil.copy(world.programs / "keysluice", world.directory / "keysluice")
        command = Command(world, bus)
        command.program = program
        for path in (world.directory, world.directory.parent):
            path.chmod(0o755)
        expect("ESTABLISHED" in command.run("list", **NOBODY), "the list")
        for words in (("up", "peer"), ("down", "peer"), ("rekey", "peer"), ("reload",)):
            expect("(not-permitted)" in command.run(*words, wanted=NOT_PERMITTED, **NOBODY), f"{words}")
        with Polkit(bus, "// no rule of ours"):
            expect("(password-needed)" in command.run("reload", wanted=NOT_PERMITTED, **NOBODY), "without --interactive")
            command.run("reload", "--interactive", wanted=NOT_PERMITTED, **NOBODY)  # no agent asks for it


@scenario("command: numbers and counters; --watch does it again")
def numbers(world):
    with connected(world, KIND) as (bus, _, _):
        command = Command(world, bus)
        expect_equal(command.json("stats")["numbers"]["established"], 1, "IKE SAs that are established")
        expect("IKE SAs, established" in command.run("stats"), "as text")
        with subprocess.Popen([world.programs / "keysluice", "--bus", bus.address, "status", "--json", "--watch=0.1"],
                              stdout=subprocess.PIPE, text=True) as watching:
            documents = [json.loads(watching.stdout.readline()) for _ in range(3)]
            watching.terminate()
        expect_equal([each["version"] for each in documents], [1, 1, 1], "documents")


COMPLETE_IN_BASH = """PATH="$1:$PATH"; shift; source <(keysluice completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keysluice; printf '%s\n' "${COMPREPLY[@]}" """


@scenario("command: what shells complete: commands, options, and names from the bus")
def completion(world):
    with connected(world, KIND) as (bus, client, _):
        environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        spi = f"{client.list_sas()[0][0][0]:016x}"

        def in_bash(*words):
            done = subprocess.run(["bash", "-c", COMPLETE_IN_BASH, "bash", str(world.programs), "keysluice", *words],
                                  env=environment, capture_output=True, text=True, timeout=world.patience(20), check=True)
            expect_equal(done.stderr, "", f"complaints of bash about {words}")
            return sorted(done.stdout.split())

        expect_equal(in_bash("st"), ["stats", "status"], "commands")
        expect_equal(in_bash("--bus", "system", "sh"), ["show"], "a command behind an option's value")
        expect_equal(in_bash("up", ""), ["branch", "peer", "test"], "connections and groups")
        expect_equal(in_bash("down", ""), sorted([spi, "branch", "peer", "test"]), "and SPIs")
        expect_equal(in_bash("rekey", "peer", "--child", ""), ["net"], "children")
        expect_equal(in_bash("list", "--ch"), ["--child"], "options of a command")
        expect_equal(in_bash("--wa"), ["--watch"], "options of all")
        expect_equal(in_bash("status", ""), [], "status takes no argument")
        expect_equal(in_bash("doctor", "--config", "/etc/host"), sorted(map(str, pathlib.Path("/etc").glob("host*"))), "files")
        if not shutil.which("fish") or not shutil.which("zsh"):
            raise Skip("fish or zsh is not installed; bash completes")
        folder = world.directory / "completions"
        folder.mkdir()
        for shell in ("fish", "zsh"):
            script = subprocess.run([world.programs / "keysluice", "completion", shell], capture_output=True, check=True)
            (folder / ("_keysluice" if shell == "zsh" else "keysluice.fish")).write_bytes(script.stdout)
        path = {"PATH": f"{world.programs}:{os.environ['PATH']}", "HOME": str(world.directory)}

        def in_fish(text):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {folder}/keysluice.fish; complete -C '{text}'"],
                                  env=environment | path, capture_output=True, text=True, timeout=world.patience(20),
                                  check=True)
            expect_equal(done.stderr, "", f"complaints of fish about {text}")
            return sorted(line.split("\t")[0] for line in done.stdout.splitlines())

        expect_equal([each for each in in_fish("keysluice st") if each.startswith("st")], ["stats", "status"],
                     "commands in fish")
        expect_equal(in_fish("keysluice up "), ["branch", "peer", "test"], "connections and groups in fish")
        expect_equal(in_fish("keysluice rekey --child "), ["net"], "children in fish")
        # fish 4 also shows what has the letters inside.
        expect_equal([each for each in in_fish("keysluice list --ch") if each.startswith("--ch")], ["--child"],
                     "options in fish")
        done = subprocess.run(["zsh", "-n", folder / "_keysluice"], capture_output=True, text=True)
        expect_equal((done.returncode, done.stderr), (0, ""), "what zsh thinks of its script")
