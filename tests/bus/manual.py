"""The examples of org.keysluice1(5) and keysluice-policy(7): what a shell can run is taken out of the pages and run."""

import re
import subprocess

from bus.basics import gateways
from bus.policies import THERE, Host, carry, pair, protected_packets
from support.bus import SOURCES, Bus
from support.keysluice import Keysluice, server_service, table
from support.scenario import expect, expect_equal, scenario
from support.world import free_port

# What Up begins is there a moment later.
AWAIT = "until busctl tree --list org.keysluice1 | grep -q /ikesa/; do sleep 0.1; done"


def examples(page):
    """For each pair of .nf and .fi its lines, as a reader sees them."""
    blocks = re.findall(r"^\.nf\n(.*?)^\.fi\n", (SOURCES / "man" / page).read_text(), re.MULTILINE | re.DOTALL)
    return [[line.replace("\\-", "-").replace("\\e", "\\") for line in block.splitlines() if not line.startswith(".")]
            for block in blocks]


def run(world, function, lines):
    """In one shell, which ends with the first line that fails. `function` leads a program to where the test wants it."""
    done = subprocess.run(["bash", "-o", "pipefail", "-c", "\n".join(["set -ex", function, *lines])], capture_output=True,
                          text=True, timeout=world.patience(60), cwd=world.directory, check=False)
    expect_equal(done.returncode, 0, f"exit status of the examples: {done.stderr[-1000:]}")
    return done.stdout


def busctl(bus):
    return f'busctl() {{ command busctl "--address={bus.address}" "$@"; }}'


def keysluice(host):
    """Keys are where this host's are, and nobody types a passphrase."""
    key = f'{host.command.program} "$@" --folder {host.keys}'
    return f"""keysluice() {{ case "$1 $2" in
        "key import" | "key export") {key} --passphrase-file passphrase ;;
        "key "*) {key} ;;
        *) {host.command.program} --bus={host.bus.address} "$@" ;;
        esac }}"""


@scenario("manual: the examples of org.keysluice1(5) do what they are there for")
def page(world):
    lines = [line for block in examples("org.keysluice1.5") for line in block]
    expect(len(lines) > 10, f"examples are missing: {lines}")
    monitor, = (line for line in lines if line.endswith(" monitor"))
    service = [line for line in lines if "/service/" in line]
    rest = []
    for line in lines:
        if line not in (monitor, *service):
            rest += [line, AWAIT] if " Up " in line else [line]
    (world.directory / "branch7.toml").write_text(
        table("[[ike.connection]]", {"name": "branch7", "remote": "192.0.2.77", "local_id": "here", "auth": "psk",
                                     "psk": f"file:{world.directory}/branch7.psk"})
        + table("[[ike.connection.child]]", {"name": "net"}))
    (world.directory / "branch7.psk").write_text("a secret of branch 7\n")
    (world.directory / "branch7.psk").chmod(0o600)
    with gateways(world, "dbus-daemon", name="hq") as (bus, _, _):
        said = run(world, busctl(bus), rest)
        expect("/org/keysluice1/connection/hq" in said and '"established"' in said, said)
        listens = subprocess.run(["bash", "-c", monitor.replace("busctl", f"timeout 1 busctl --address={bus.address}")],
                                 capture_output=True, text=True, timeout=world.patience(30), check=False)
        expect_equal(listens.returncode, 124, f"exit status of the monitor, which goes on: {listens.stderr}")
    with Bus(world, "dbus-daemon", "other") as bus:
        shop = server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=["127.0.0.1:1"])
        with Keysluice(world, [shop], bus=bus.address):
            bus.await_service()
            expect(run(world, busctl(bus), service).startswith("a{st}u "), "counters")


@scenario("manual: the two hosts of keysluice-policy(7), from the keys on")
def hosts(world):
    make, take, enforce = examples("keysluice-policy.7")[:3]
    passphrase = world.directory / "passphrase"
    with pair(world) as (ours, there), Bus(world, "dbus-daemon", "theirs") as bus:
        passphrase.write_text("open sesame")
        passphrase.chmod(0o600)
        theirs = Host(world, bus, there, "their-files")
        with there.entered(), theirs.sluice:
            bus.await_service()
            tested = run(world, keysluice(ours), make)
            expect("Test Result = PROTECT" in tested, tested)
            carry(world, ours, there, THERE[4], 873)
            run(world, keysluice(theirs), take)
            run(world, keysluice(ours), enforce)
            carry(world, ours, there, THERE[4], 873)
            counted = protected_packets(ours.namespace)
            expect(counted[0x6001] > 0 and counted[0x6002] > 0, f"the SAs have carried packets: {counted}")
            for each in (ours, theirs):
                each.run("disable")
            carry(world, ours, there, THERE[4], 873)
            expect_equal((ours.entries(), protected_packets(ours.namespace)), ([], {}), "what is left")
