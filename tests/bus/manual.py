"""The examples of org.keysluice1(5): each line of its text that a shell can run is taken out of the page and run."""

import re
import subprocess

from bus.basics import gateways
from support.bus import SOURCES, Bus
from support.keysluice import Keysluice, server_service, table
from support.scenario import expect, expect_equal, scenario
from support.world import free_port

PAGE = SOURCES / "man" / "org.keysluice1.5"
# What Up begins is there a moment later.
AWAIT = "until busctl tree --list org.keysluice1 | grep -q /ikesa/; do sleep 0.1; done"


def examples():
    """The lines between .nf and .fi, as a reader sees them."""
    blocks = re.findall(r"^\.nf\n(.*?)^\.fi\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line.replace("\\-", "-").replace("\\e", "\\") for block in blocks for line in block.splitlines()
            if not line.startswith(".")]


def run(world, bus, lines):
    """In one shell, which ends with the first line that fails. busctl asks this bus."""
    script = ["set -ex", f'busctl() {{ command busctl "--address={bus.address}" "$@"; }}', *lines]
    done = subprocess.run(["bash", "-o", "pipefail", "-c", "\n".join(script)], capture_output=True, text=True,
                          timeout=world.patience(60), cwd=world.directory, check=False)
    expect_equal(done.returncode, 0, f"exit status of the examples: {done.stderr[-1000:]}")
    return done.stdout


@scenario("manual: the examples of org.keysluice1(5) do what they are there for")
def page(world):
    lines = examples()
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
        said = run(world, bus, rest)
        expect("/org/keysluice1/connection/hq" in said and '"established"' in said, said)
        listens = subprocess.run(["bash", "-c", monitor.replace("busctl", f"timeout 1 busctl --address={bus.address}")],
                                 capture_output=True, text=True, timeout=world.patience(30), check=False)
        expect_equal(listens.returncode, 124, f"exit status of the monitor, which goes on: {listens.stderr}")
    with Bus(world, "dbus-daemon", "other") as bus:
        shop = server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=["127.0.0.1:1"])
        with Keysluice(world, [shop], bus=bus.address):
            bus.await_service()
            expect(run(world, bus, service).startswith("a{st}u "), "counters")
