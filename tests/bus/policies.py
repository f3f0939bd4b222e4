"""Ordered policies of a host: the command beside the bus, and a kernel that holds what was committed."""

import contextlib
import dataclasses
import hashlib
import json
import random
import re
import shutil
import socket
import subprocess
import threading
import time

from bus.command import FAILED, NOT_FOUND, USAGE, Command
from support.bus import KINDS, NAME, ROOT, Bus
from support.keysluice import Keysluice, table
from support.namespaces import Namespace, kernel_has_esp
from support.scenario import Skip, eventually, expect, expect_equal, scenario

INTERFACE = f"{NAME}.Policies"
ICMP = table("[[policy]]", {"name": "icmp", "direction": "both", "protocol": "ipv6-icmp", "disposition": "bypass"})
ALL = table("[[policy]]", {"name": "all", "direction": "both", "disposition": "bypass"})
BACKUP = "fec0::2222:a00:bff:fe3a:127"


def policy(name, **keys):
    return table("[[policy]]", {"name": name} | keys)


def manual(name, direction, spi, protocol, **keys):
    return policy(name, direction=direction, remote=[BACKUP], protocol=protocol, disposition="protect", spi=spi, **keys)


AH = {"ipsec": "ah", "integrity": "hmac-sha1-96", "integrity_key": "BNAAHKEY"}
ESP = {"ipsec": "esp", "confidentiality": "aes-cbc"}
# Policies 1 to 8 of the ClearPath MCP manual, and its TEST_PROTECTFTP.
SEED = "".join([
    policy("ALLOWICMPV6OUT", direction="out", protocol="icmpv6", disposition="bypass"),
    policy("ALLOWICMPV6IN", direction="in", protocol="icmpv6", disposition="bypass"),
    manual("PROTECTBNAOUT", "out", 2001, 123, **AH), manual("PROTECTBNAIN", "in", 2002, 123, **AH),
    manual("PROTECTFTPOUT", "out", 24577, "tcp", remote_ports="20-21", confidentiality_key="PRODUCTIONKEY", **ESP),
    manual("PROTECTFTPIN", "in", 24578, "tcp", remote_ports=[20, 21], confidentiality_key="DRSYSTEMKEY", **ESP),
    policy("BYPASSALLOUT", direction="out", disposition="bypass"),
    policy("BYPASSALLIN", direction="in", disposition="bypass"),
    table("[[policy_test]]", {"name": "TEST_PROTECTFTP", "protocol": "tcp", "direction": "in", "local_port": 500,
                              "local_address": "FEC0::2222:A00:BFF:FE3A:100", "remote_address": BACKUP,
                              "expect": ["bypass BYPASSALLIN", "protect PROTECTFTPIN", "bypass BYPASSALLIN"]})])
QUESTION = {"protocol": "tcp", "direction": "in", "local_address": "FEC0::2222:A00:BFF:FE3A:100", "local_port": "500",
            "remote_address": BACKUP}


class Host:
    """keysluiced with its files in a network namespace, on a bus. `folder`: where they are, where there are two. `more`
    stands in its configuration, too."""

    def __init__(self, world, bus, namespace, folder=".", more=""):
        world = dataclasses.replace(world, directory=world.directory / folder)
        world.directory.mkdir(exist_ok=True)
        self.world, self.bus, self.namespace = world, bus, namespace
        self.command = Command(world, bus)
        self.files = world.directory / "policies.d"
        self.files.mkdir(exist_ok=True)
        self.keys = world.directory / "keys.d"
        self.keys.mkdir(exist_ok=True)
        self.keys.chmod(0o700)
        self.sluice = Keysluice(world, [], bus=bus.address, engines=1, more=more, state_directory=world.directory / "state")

    def write(self, *texts):
        (self.files / "policies.toml").write_text("\n".join(texts))

    def key(self, name, kind, value):
        file = self.keys / f"{name}.key"
        file.write_text(f"keysluice-key 1 {kind}\n{value}\n")
        file.chmod(0o600)

    def run(self, *words, **options):
        return self.command.run("policy", *words, **options)

    def document(self, *words):
        return json.loads(self.run(*words, "--json"))

    def call(self, method, signature, *arguments):
        """The document that busctl gets."""
        done = subprocess.run(["busctl", f"--address={self.bus.address}", "--json=short", "call", NAME, ROOT, INTERFACE,
                               method, *([signature] if signature else []), *arguments],
                              capture_output=True, text=True, timeout=self.world.patience(60), check=False)
        expect_equal(done.returncode, 0, f"{method} by busctl: {done.stderr}")
        return json.loads(json.loads(done.stdout)["data"][0])

    def entries(self):
        """The kernel's, by what `ip` says of each."""
        lines = self.namespace.run("ip xfrm policy").replace("\n\t", " ").splitlines()
        return sorted(" ".join(each.split()) for each in lines if "socket" not in each)

    def pid(self):
        return self.sluice.control_pids()[0]


@contextlib.contextmanager
def host(world, kind):
    namespace, other = Namespace("host"), Namespace("other")
    namespace.ip(f"link add wire type veth peer name wire netns {other.path}")
    for place, address in ((namespace, "10.0.0.1"), (other, "10.0.0.2")):
        place.ip(f"address add {address}/24 dev wire", "link set wire up")
    with Bus(world, kind) as bus:
        ours = Host(world, bus, namespace)
        ours.other = other
        with namespace.entered(), ours.sluice:
            bus.await_service()
            yield ours


for kind in KINDS:

    @scenario(f"policies: {kind}: each verb says the same by command and by bus, the manual's example what the manual says")
    def same(world, kind=kind):
        with host(world, kind) as ours:
            ours.write(SEED)
            ours.key("BNAAHKEY", "hmac-sha1", "0b" * 20)
            ours.key("PRODUCTIONKEY", "aes-128", "01" * 16)
            ours.key("DRSYSTEMKEY", "aes-256", "02" * 32)
            for words, call in (
                    (("show", "--candidate"), ("Show", "s", "candidate")), (("diff",), ("Diff", "")),
                    (("commit",), ("Diff", "")), (("show",), ("Show", "s", "committed")), (("verify",), ("Verify", "")),
                    (("keys",), ("ListKeys", "")), (("commit",), ("Commit", "a{sv}", "0")),
                    (("disable",), ("Disable", "a{sv}", "0"))):
                by_bus = ours.call(*call) if words != ("commit",) or call[0] == "Diff" else None
                by_command = ours.document(*words)
                expect_equal(by_command, by_bus or ours.call(*call), f"{words} by command, beside {call[0]}")
            question = [text for pair in QUESTION.items() for text in pair]
            asked = [f"--{key.replace('_', '-')}={value}" for key, value in QUESTION.items()]
            for which in ("candidate", "committed"):
                by_bus = ours.call("Test", "sa{ss}", which, str(len(QUESTION)), *question)
                expect_equal(ours.document("test", f"--{which}", *asked), by_bus, f"test of the {which} set")
            expect_equal([(each["remote_port"], each["result"], each["first_match"], each["matching_bypass"],
                           each["matching_discard"], each["matching_protect"]) for each in by_bus["pieces"]],
                         [("1-19", "bypass", "BYPASSALLIN", ["BYPASSALLIN"], [], []),
                          ("20-21", "protect", "PROTECTFTPIN", ["BYPASSALLIN"], [], ["PROTECTFTPIN"]),
                          ("22-65535", "bypass", "BYPASSALLIN", ["BYPASSALLIN"], [], [])], "the manual's three pieces")
            text = ours.run("test", *asked, f"--output={world.directory}/answer")
            expect_equal(text, "", "what is written to a file and to standard output")
            answer = (world.directory / "answer").read_text()
            for line in ("Remote Port = 20 - 21", "Test Result = PROTECT", "Matching Discard Policies = None",
                         "Local IP Address = FEC0::2222:A00:BFF:FE3A:100", "Local Port or ICMP Type/Code = 500"):
                expect(line in answer, f"{line!r} in {answer}")
            secret = {"0b" * 20, "01" * 16, "02" * 32}
            said = ours.run("show") + ours.run("keys") + ours.run("export") + ours.sluice.log()
            expect(not any(each in said for each in secret), "no key in anything that is said")


@scenario("policies: what is committed is in the kernel while it is enforced, and packets meet it")
def enforced(world):
    with host(world, "dbus-daemon") as ours:
        def received(port):
            with ours.other.entered():
                receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            receiver.bind(("10.0.0.2", port))
            receiver.settimeout(world.patience(20))
            return receiver

        def send():
            """What becomes of a packet to port 53: what is sent behind it overtakes nothing."""
            with received(53) as first, received(54) as second, ours.namespace.entered():
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    with contextlib.suppress(PermissionError):
                        sender.sendto(b"?", ("10.0.0.2", 53))
                    sender.sendto(b"!", ("10.0.0.2", 54))
                second.recv(1)
                first.setblocking(False)
                try:
                    return "sent" if first.recv(1) == b"?" else "?"
                except BlockingIOError:
                    return "discarded"

        def traces():
            """Tables of nftables, and how many SAs."""
            return (ours.namespace.run("nft list tables").splitlines(),
                    ours.namespace.run("ip xfrm state").count("dst ::1"))
        ours.write(ICMP, policy("nodns", direction="both", remote="10.0.0.2", protocol="udp", remote_ports=53,
                                disposition="discard"), ALL)
        expect("policy enable" in ours.run("commit"), "a commit says that nothing is enforced")
        expect("not enforced" in ours.run("verify"), "and so does who verifies it")
        expect_equal((ours.entries(), send()), ([], "sent"), "before it is enforced")
        ours.run("enable")
        expect_equal((len(ours.entries()), send()), (10, "discarded"), "while it is enforced")
        eventually(lambda: traces() == (["table inet keysluice"], 1 if kernel_has_esp() else 0), world.patience(20),
                   "what counts discards is in the kernel")
        expect(ours.document("show")["policies"][3]["used_at"] > 0, "that it was used is shown")

        def discarded():
            return ours.document("show")["policies"][2]["discarded"]
        eventually(lambda: discarded() == 0, world.patience(20), "what comes in is counted")
        with ours.other.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("10.0.0.2", 53))
            for _ in range(500):
                sender.sendto(b"?", ("10.0.0.1", 4000))
        eventually(lambda: discarded() == 500, world.patience(20), "500 packets that came in are counted")
        eventually(lambda: "policy nodns has discarded what came in: udp" in ours.sluice.log(), world.patience(20),
                   "the first one is told")
        expect_equal(ours.sluice.log().count("has discarded what came in"), 1, "lines about them")
        verified = ours.document("verify")
        expect_equal((verified["holds"], verified["enforced"]), (True, True), "the kernel holds it")
        lines = ours.namespace.run("ip -s xfrm policy").replace("\n\t", " ").splitlines()
        index = next(re.search(r"index (\d+)", line)[1] for line in lines if "dst 10.0.0.2/32" in line and "dport 53" in line)
        ours.namespace.ip(f"xfrm policy delete index {index} dir out")
        differs = ours.call("Verify", "")
        expect_equal((differs["holds"], len(differs["missing"])), (False, 1), "what is missing after a deletion")
        before = ours.pid()
        subprocess.run(["kill", "-9", str(before)], check=True)
        eventually(lambda: set(ours.sluice.control_pids()) - {before}, world.patience(20), "a successor")
        ours.bus.await_service()
        eventually(lambda: len(ours.entries()) == 10, world.patience(20), "the successor puts back what is missing")
        expect_equal(send(), "discarded", "after that")
        ours.run("disable")
        expect_equal((ours.entries(), send()), ([], "sent"), "when it is not enforced any more")
        eventually(lambda: traces() == ([], 0), world.patience(20), "nothing is left of what counted discards")
        ours.run("enable")
        expect_equal((len(ours.entries()), send()), (10, "discarded"), "when it is enforced again")
        eventually(lambda: discarded() == 0, world.patience(20), "it is counted from the beginning")


@scenario("policies: one changed policy of many touches its own entries alone")
def little(world):
    with host(world, "dbus-daemon") as ours:
        def hosts(disposition):
            return [policy(f"h{i}", direction="out", remote=f"10.1.{i // 250}.{i % 250}",
                           disposition=disposition if i == 77 else "bypass") for i in range(300)]
        ours.write(ICMP, *hosts("bypass"), ALL)
        ours.run("commit")
        ours.run("enable")
        before = ours.entries()
        ours.write(ICMP, *hosts("discard"), ALL)
        kernel = ours.document("commit")["kernel"]
        expect_equal([len(kernel[each]) for each in ("missing", "different", "surplus")], [0, 1, 0], "what changes")
        after = ours.entries()
        expect_equal(len(set(after) - set(before)), 1, "entries that are other ones")
        ours.write(ICMP, *hosts("discard")[:150], policy("new", direction="out", remote="10.9.9.9", disposition="discard"),
                   *hosts("discard")[150:], ALL)
        ours.run("commit")
        expect_equal(len(set(ours.entries()) - set(after)), 1, "entries that are other ones when one comes between")


@scenario("policies: a commit that nobody confirms is taken back, also when keysluiced is killed meanwhile")
def unconfirmed(world):
    with host(world, "dbus-daemon") as ours:
        ours.write(ICMP, ALL)
        ours.run("commit")
        ours.run("enable")
        before = ours.entries()
        ours.write(ICMP, policy("no", direction="in", remote="10.0.0.0/8", disposition="discard"), ALL)
        with ours.bus.events() as events:
            ours.run("commit", "--confirm-within=2s")
            eventually(lambda: ours.entries() == before, world.patience(20), "the set before holds again")
            events.await_kind("policies-committed")
            events.await_kind("policies-returned")
        ours.run("confirm", wanted=FAILED)
        ours.run("commit", "--confirm-within=3s")
        subprocess.run(["kill", "-9", str(ours.pid())], check=True)
        eventually(lambda: ours.entries() == before, world.patience(30), "the set before holds again after a kill")
        ours.bus.await_service()
        ours.run("commit", "--confirm-within=1h")
        expect_equal(len(ours.entries()), len(before) + 1, "entries of the set that is to be confirmed")
        ours.run("confirm")
        expect_equal(len(ours.entries()), len(before) + 1, "entries of the confirmed set")


class Stream:
    """Numbered packets to port 60, which passes by every set, and to 61, which none lets pass.

    What has not arrived yet is little: no queue overflows, however slowly somebody takes from it. They may overtake each
    other, as the kernel takes what comes on each CPU by itself, and a thread moves between CPUs."""

    AHEAD = 32

    def __init__(self, world, source, destination, address="10.0.0.2"):
        self.world, self.source, self.destination, self.address = world, source, destination, address
        self.sent, self.arrived, self.stopping, self.refused = 0, [], False, None

    def __enter__(self):
        with self.destination.entered():
            self.receivers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        with self.source.entered():
            self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for receiver, port in zip(self.receivers, (60, 61)):
            receiver.bind((self.address, port))
            receiver.settimeout(self.world.patience(10))
        self.threads = [threading.Thread(target=each) for each in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()
        return self

    def _receive(self):
        with contextlib.suppress(TimeoutError):
            while (packet := self.receivers[0].recv(64)) != b"end":
                self.arrived.append(int(packet))

    def _send(self):
        try:
            while not self.stopping:
                if self.sent - len(self.arrived) < self.AHEAD:
                    self.sender.sendto(str(self.sent).encode(), (self.address, 60))
                    self.sent += 1
                    with contextlib.suppress(PermissionError):
                        self.sender.sendto(b"?", (self.address, 61))
                time.sleep(self.world.patience(0.0002))  # where all is slow, others want the processor, too
            patience = time.monotonic() + self.world.patience(10)
            while len(self.arrived) < self.sent and time.monotonic() < patience:
                time.sleep(0.01)
            self.sender.sendto(b"end", (self.address, 60))
        except OSError as error:
            self.refused = error

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def check(self, discards=True):
        lost = sorted(set(range(self.sent)) - set(self.arrived))
        expect_equal((self.refused, lost, len(self.arrived)), (None, [], self.sent),
                     "what was refused, which packets are lost, and how many have arrived")
        if not discards:
            return
        self.receivers[1].setblocking(False)
        try:
            leaked = self.receivers[1].recv(64)
            expect(False, f"{leaked} has arrived where every set discards")
        except BlockingIOError:
            pass


@scenario("policies: while commits load and keysluiced is killed in the middle, what both sets agree on holds")
def agreed(world):
    rounds = 8
    with host(world, "dbus-daemon") as ours:
        fillers = [policy(f"f{i}", direction="out", remote=f"10.0.{i % 250}.0/24", protocol="udp",
                          remote_ports=[f"{100 + i}-{300 + 2 * i}"], disposition="discard" if i % 2 else "bypass")
                   for i in range(150)]
        no = {"direction": "out", "protocol": "udp", "disposition": "discard"}
        sets = [[ICMP, policy("no", remote_ports=61, **no), *fillers, ALL],
                [ICMP, *reversed(fillers), policy("yes", direction="out", protocol="udp", remote_ports="58-60", disposition="bypass"),
                 policy("no", remote_ports="50-70", **no), ALL]]
        ours.write(*sets[0])
        ours.run("commit")
        ours.run("enable")
        with Stream(world, ours.namespace, ours.other) as stream:
            for number in range(1, rounds + 1):
                ours.write(*sets[number % 2])
                commit = subprocess.Popen([ours.command.program, f"--bus={ours.bus.address}", "policy", "commit"],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if number % 2:
                    commit.wait(timeout=world.patience(60))
                    expect_equal(commit.returncode, 0, "exit status of a commit")
                    continue
                time.sleep(random.random() / 10)
                before = set(ours.sluice.control_pids())
                for pid in before:
                    subprocess.run(["kill", "-9", str(pid)], check=False)
                commit.wait(timeout=world.patience(60))
                eventually(lambda: set(ours.sluice.control_pids()) - before, world.patience(30), "a successor")
                ours.bus.await_service()
        stream.check()
        expect(stream.sent > 100, f"only {stream.sent} packets were sent")
        expect_equal(ours.document("verify")["holds"], True, "the kernel holds what was committed in the end")


@scenario("policies: edited by command, comments stay; what is wrong is refused with its place")
def edited(world):
    with host(world, "dbus-daemon") as ours:
        ours.write("# everything passes", ALL)
        place = world.directory / "elsewhere.toml"
        (ours.files / "policies.toml").rename(place).chmod(0o640)
        (ours.files / "policies.toml").symlink_to(place)
        ours.run("add", "web", "direction=in", "protocol=tcp", "local_ports=80,443", "disposition=bypass", "--before=all")
        ours.run("clone", "web", "mail", "--before=web")
        ours.run("modify", "mail", "local_ports=25")
        ours.run("move", "web", "--before=mail")
        expect_equal([each["name"] for each in ours.document("show", "--candidate")["policies"]],
                     ["web", "mail", "all", "all"], "the order")
        ours.run("delete", "web")
        expect("# everything passes" in (ours.files / "policies.toml").read_text(), "the comment is still there")
        expect((ours.files / "policies.toml").is_symlink(), "the link is still there")
        expect_equal(place.stat().st_mode & 0o777, 0o640, "the file's rights")
        expect("policy-not-found" in ours.run("delete", "web", wanted=NOT_FOUND), "the reason code")
        expect("KEY=VALUE" in ours.run("add", "x", wanted=USAGE), "what add wants")
        written = (ours.files / "policies.toml").read_text()
        expect("(bad-request)" in ours.run("modify", "mail", "x\n[daemon]\nengines=7", wanted=FAILED), "a key that is none")
        expect_equal((ours.files / "policies.toml").read_text(), written, "the file after that")
        wrong = ours.run("modify", "mail", "local_ports=99999", wanted=FAILED)
        expect("policies.toml:" in wrong and "(bad-port-range)" in wrong, wrong)
        ours.write(policy("no", direction="both", disposition="discard"))
        expect("(locked-out)" in ours.run("commit", wanted=FAILED), "a set that locks out neighbour discovery")
        ours.run("enable", wanted=FAILED)


# --- manual keys; where the kernel has ESP and AH ---

SHA1, SHA256, AES, GCM = "0b" * 20, "0c" * 32, "01" * 16, "02" * 20
THERE = {4: "192.0.2.2", 6: "fd00:5::2"}
HERE = {4: "192.0.2.1", 6: "fd00:5::1"}
AUTH = f"auth-trunc hmac(sha1) 0x{SHA1} 96"
AUTH256 = f"auth-trunc hmac(sha256) 0x{SHA256} 128"
NULL = 'enc ecb(cipher_null) ""'
# By port: what a policy says, and what `ip xfrm state` has to be told on the other side.
WAYS = {
    1001: ({"ipsec": "ah", "integrity": "hmac-sha1-96", "integrity_key": "sha1"}, "ah", AUTH),
    1002: ({"ipsec": "esp", "integrity": "hmac-sha-256-128", "integrity_key": "sha256", "confidentiality": "aes-cbc",
            "confidentiality_key": "aes"}, "esp", f"enc cbc(aes) 0x{AES} {AUTH256}"),
    1003: ({"ipsec": "esp", "confidentiality": "aes-gcm", "confidentiality_key": "gcm"}, "esp",
           f"aead rfc4106(gcm(aes)) 0x{GCM} 128"),
    1004: ({"ipsec": "esp", "integrity": "hmac-sha1-96", "integrity_key": "sha1"}, "esp", f"{NULL} {AUTH}"),
}
FTP = {"ipsec": "esp", "confidentiality": "aes-cbc", "confidentiality_key": "aes"}


def spi(family, port, direction):
    return family * 100000 + port * 10 + (1 if direction == "in" else 2)


def our_policies():
    for family, there in THERE.items():
        for port, (protection, _, _) in WAYS.items():
            yield policy(f"p{port}.{family}", direction="both", remote=there, protocol="tcp", remote_ports=port,
                         disposition="protect", spi_in=spi(family, port, "in"), spi_out=spi(family, port, "out"),
                         **protection)
        # Policies 5 and 6 of the manual, with the ports that this host's other one chooses for passive data.
        yield policy(f"ftp.{family}", direction="both", remote=there, protocol="tcp", remote_ports=["21", "40000-40003"],
                     disposition="protect", spi_in=spi(family, 21, "in"), spi_out=spi(family, 21, "out"), **FTP)


def their_side(place):
    """By hand, with `ip xfrm`: ours turned round."""
    lines = []
    for family, there in THERE.items():
        here = HERE[family]
        rows = [(port, protocol, algorithms, [(port, 16)]) for port, (_, protocol, algorithms) in WAYS.items()]
        rows.append((21, "esp", f"enc cbc(aes) 0x{AES}", [(21, 16), (40000, 14)]))
        for port, protocol, algorithms, _ in rows:
            for source, destination, direction in ((here, there, "out"), (there, here, "in")):
                lines.append(f"xfrm state add src {source} dst {destination} proto {protocol} "
                             f"spi {spi(family, port, direction)} mode transport reqid {port} {algorithms}")
    place.ip(*lines)
    for family, there in THERE.items():
        here = HERE[family]
        for port in [*WAYS, 21, 40000, 40001, 40002, 40003]:
            number, protocol = (21, "esp") if port not in WAYS else (port, WAYS[port][1])
            template = f"tmpl proto {protocol} mode transport reqid {number}"
            place.ip(f"xfrm policy add src {there} dst {here} proto tcp sport {port} dir out {template}",
                     f"xfrm policy add src {here} dst {there} proto tcp dport {port} dir in {template}")


class Listener:
    """Takes one stream at an address of the other side, and says its hash."""

    def __init__(self, place, address, port):
        with place.entered():
            self.socket = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.answer = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        stream, _ = self.socket.accept()
        digest = hashlib.sha256()
        while data := stream.recv(1 << 16):
            digest.update(data)
        stream.sendall(digest.digest())
        stream.close()


def carry(world, ours, there, address, port, size=100_000):
    """A payload to the other side; its hash comes back on the same connection."""
    Listener(there, address, port)
    data = random.randbytes(size)
    with ours.namespace.entered():
        stream = socket.create_connection((address, port), timeout=world.patience(20))
    with stream:
        stream.settimeout(world.patience(60))
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        expect_equal(stream.recv(64), hashlib.sha256(data).digest(), f"hash of what went to {address} port {port}")


@contextlib.contextmanager
def pair(world, more=""):
    """Ours on a bus, and a namespace at the other end of a wire."""
    if not kernel_has_esp():
        raise Skip("this kernel has no ESP")
    here, there = Namespace("here"), Namespace("there")
    here.ip(f"link add wire type veth peer name wire netns {there.path}")
    for place, addresses in ((here, HERE), (there, THERE)):
        place.switch(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0)
        place.ip(f"address add {addresses[4]}/24 dev wire", f"address add {addresses[6]}/64 dev wire nodad", "link set wire up")
    with Bus(world, "dbus-daemon") as bus:
        ours = Host(world, bus, here, more=more)
        for name, kind, value in (("sha1", "hmac-sha1", SHA1), ("sha256", "hmac-sha-256", SHA256), ("aes", "aes-128", AES),
                                  ("gcm", "aes-gcm-128", GCM)):
            ours.key(name, kind, value)
        with here.entered(), ours.sluice:
            bus.await_service()
            yield ours, there


def protected(place, unit):
    """By SPI, what the kernel has counted: "bytes" or "packets"."""
    text = place.run("ip -s xfrm state")
    counted = re.finditer(r"spi 0x([0-9a-f]+).*?lifetime current:\s+(?P<bytes>\d+)\(bytes\), (?P<packets>\d+)\(packets\)",
                          text, re.S)
    return {int(found[1], 16): int(found[unit]) for found in counted}


def protected_packets(place):
    return protected(place, "packets")


@scenario("policies: manual keys: AH and ESP against `ip xfrm` by hand, IPv4 and IPv6, FTP's two connections, the rest in clear")
def by_hand(world):
    with pair(world) as (ours, there):
        their_side(there)
        ours.write(ICMP, *our_policies(), ALL)
        ours.run("commit")
        ours.run("enable")
        expect_equal(ours.document("verify")["holds"], True, "the kernel holds it")
        for family, address in THERE.items():
            for port in [*WAYS, 21, 40001]:
                before = protected_packets(ours.namespace)
                carry(world, ours, there, address, port)
                after = protected_packets(ours.namespace)
                number = port if port in WAYS else 21
                for direction in ("in", "out"):
                    one = spi(family, number, direction)
                    expect(after[one] > before.get(one, 0), f"port {port}: SA {one} has carried nothing {direction}")
            before = protected_packets(ours.namespace)
            carry(world, ours, there, address, 8080)
            expect_equal(protected_packets(ours.namespace), before, "packets of SAs while something passes in the clear")
        statistics = ours.namespace.xfrm_statistics()
        expect_equal({name: count for name, count in statistics.items() if count}, {}, "errors of XFRM")


@scenario("policies: manual keys: SAs follow the addresses, a key is replaced, and what is not protected does not pass")
def following(world):
    with pair(world) as (ours, there):
        their_side(there)
        ours.write(ICMP, *our_policies(), ALL)
        ours.run("commit")
        ours.run("enable")

        def arrivals():
            return {line.split()[3] for line in ours.namespace.run("ip xfrm state").splitlines() if line.startswith("src 192.0.2.2")}
        expect_equal(arrivals(), {HERE[4]}, "addresses that packets may come to")
        ours.namespace.ip("address add 192.0.2.77/24 dev wire")
        eventually(lambda: arrivals() == {HERE[4], "192.0.2.77"}, world.patience(20), "an SA for the new address")
        ours.namespace.ip("address delete 192.0.2.77/24 dev wire")
        eventually(lambda: arrivals() == {HERE[4]}, world.patience(20), "no SA for the address that has gone")

        ours.key("sha1", "hmac-sha1", "0d" * 20)
        ours.run("renew-key", "sha1")
        lines = []
        for address, other, direction in ((HERE[4], THERE[4], "out"), (THERE[4], HERE[4], "in")):
            one = spi(4, 1001, direction)
            lines += [f"xfrm state delete src {address} dst {other} proto ah spi {one}",
                      f"xfrm state add src {address} dst {other} proto ah spi {one} mode transport reqid 1001 "
                      f"auth-trunc hmac(sha1) 0x{'0d' * 20} 96"]
        there.ip(*lines)
        carry(world, ours, there, THERE[4], 1001)

        there.run("ip xfrm policy flush")
        there.run("ip xfrm state flush")
        with there.entered(), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.bind((THERE[4], 1001))
            stream.settimeout(1)
            try:
                stream.connect((HERE[4], 1))
                expect(False, "a connection in the clear got an answer, where the policy protects")
            except TimeoutError:
                pass


@scenario("policies: manual keys: exported on one host and imported on the other, and traffic flows")
def exchanged(world):
    with pair(world) as (ours, there), Bus(world, "dbus-daemon", "theirs") as bus:
        theirs = Host(world, bus, there, "their-files")
        for file in ours.keys.iterdir():
            shutil.copy(file, theirs.keys)  # keeps the mode
        ours.write(ICMP, *our_policies(), ALL)
        ours.run("commit")
        ours.run("enable")
        ours.run("export", f"--output={world.directory}/policies.toml")
        with there.entered(), theirs.sluice:
            bus.await_service()
            theirs.run("import", f"{world.directory}/policies.toml", "--name=here")
            theirs.run("commit")
            theirs.run("enable")
            for family, address in THERE.items():
                for port in [*WAYS, 21]:
                    before = protected_packets(there)
                    carry(world, ours, there, address, port, 10_000)
                    one = spi(family, port, "out")
                    expect(protected_packets(there)[one] > before.get(one, 0), f"port {port}: SA {one} has carried nothing")


@scenario("policies: manual keys: two hosts change a key, one after the other, and no packet is lost")
def replaced(world):
    with pair(world) as (ours, there), Bus(world, "dbus-daemon", "theirs") as bus:
        theirs = Host(world, bus, there, "their-files")
        ours.key("fresh", "hmac-sha1", "0e" * 20)
        for file in ours.keys.iterdir():
            shutil.copy(file, theirs.keys)
        protection = {"ipsec": "ah", "integrity": "hmac-sha1-96", "integrity_key_in": "sha1", "integrity_key_out": "sha1"}
        ours.write(ICMP, policy("udp", direction="both", remote=THERE[4], protocol="udp", disposition="protect", spi_in=400,
                                spi_out=300, **protection), ALL)
        theirs.write(ICMP, policy("udp", direction="both", remote=HERE[4], protocol="udp", disposition="protect", spi_in=300,
                                  spi_out=400, **protection), ALL)
        with there.entered(), theirs.sluice:
            bus.await_service()
            for each in (ours, theirs):
                each.run("commit")
                each.run("enable")
            # Emulation takes half a minute to load nftables for the first time, and who asks meanwhile waits for it.
            for place in (ours.namespace, there):
                eventually(lambda: "inet keysluice" in place.run("nft list tables"), world.patience(20), "discards are counted")
            steps = [("also_spi={in}", "also_integrity_key=fresh"), ("spi_out={out}", "integrity_key_out=fresh"),
                     ("spi_in={in}", "integrity_key_in=fresh", "also_spi=", "also_integrity_key=")]
            with Stream(world, ours.namespace, there, THERE[4]) as out, Stream(world, there, ours.namespace, HERE[4]) as back:
                for step in steps:
                    for each, numbers in ((ours, {"in": 401, "out": 301}), (theirs, {"in": 301, "out": 401})):
                        each.run("modify", "udp", *(word.format(**numbers) for word in step))
                        each.run("commit")
            out.check(discards=False)
            back.check(discards=False)
            eventually(lambda: {line.split()[3] for line in ours.namespace.run("ip xfrm state").splitlines() if "proto ah" in line}
                       == {f"0x{number:08x}" for number in (301, 401)}, world.patience(20), "only the new SPIs are left")
            errors = {name: count for place in (ours.namespace, there) for name, count in place.xfrm_statistics().items() if count}
            expect_equal(errors, {}, "errors of XFRM")
