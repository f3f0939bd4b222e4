"""`keysluice list` beside `swanctl --list-sas` of the strongSwan at the other end: one form, and the same SAs seen from
the two ends."""

import os
import re
import subprocess

from support import checks
from support.bus import Bus
from support.scenario import expect, expect_equal, scenario
from support.screen import Screen
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways

# What both print. An IKE SA's line, its ends, its algorithms, its times; a CHILD SA's line, times, SPIs, selectors.
LISTING = re.compile(r"""
    ^(?P<name>[^:\s]+):\ (\#\d+,\ )?(?P<state>\w+),\ IKEv2,\ (?P<spi_i>[0-9a-f]{16})_i(?P<mine_i>\*?)\ (?P<spi_r>[0-9a-f]{16})_r(?P<mine_r>\*?)\n
    \ \ local\ \ '(?P<local_id>[^']*)'\ @\ (?P<local>\S+\[\d+\])\n
    \ \ remote\ '(?P<remote_id>[^']*)'\ @\ (?P<remote>\S+\[\d+\])\n
    \ \ (?P<suite>[A-Z0-9_/-]+)\n
    \ \ established\ \d+s\ ago(,\ rekeying\ in\ \d+s)?(,\ expires\ in\ \d+s)?\n
    \ \ (?P<child>[^:\s]+):\ (\#\d+,\ )?(reqid\ \d+,\ )?(?P<child_state>\w+),\ (?P<mode>\w+),\ (?P<esp>ESP:[A-Z0-9_/-]+)(,\ offload:\ (?P<offload>.*))?\n
    (\ \ \ \ installed\ \d+s\ ago(,\ rekeying\ in\ \d+s)?(,\ expires\ in\ \d+s)?\n)
    \ \ \ \ in\ \ (?P<spi_in>[0-9a-f]{8}),\ +\d+\ bytes,\ +(?P<in>\d+)\ packets,\ +\d+s\ ago\n
    \ \ \ \ out\ (?P<spi_out>[0-9a-f]{8}),\ +\d+\ bytes,\ +(?P<out>\d+)\ packets,\ +\d+s\ ago\n
    \ \ \ \ local\ \ (?P<local_ts>.+)\n
    \ \ \ \ remote\ (?P<remote_ts>.+)\n$""", re.VERBOSE | re.MULTILINE)
MIRRORED = (("mine_i", "mine_r"), ("local_id", "remote_id"), ("local", "remote"), ("spi_in", "spi_out"),
            ("local_ts", "remote_ts"))


def read(text):
    found = LISTING.fullmatch(text)
    expect(found is not None, f"one IKE SA with one CHILD SA, in swanctl's form: {text}")
    return found.groupdict()


def as_peer_sees(fields):
    other = dict(fields)
    for here, there in MIRRORED:
        other[here], other[there] = fields[there], fields[here]
    return other


@scenario("command: keysluice list and the peer's swanctl --list-sas say the same, field by field")
def lists(world):
    tunnel = Tunnel()
    with Bus(world, "dbus-daemon") as bus:
        with gateways(world, tunnel, sluice={"daemon": {"bus": bus.address}}) as (place, both):
            bus.await_service()
            ours, swan, client = both["keysluice"], both["strongSwan"], bus.client()

            def keysluice(*words):
                return subprocess.run([world.programs / "keysluice", f"--bus={bus.address}", *words], check=True,
                                      capture_output=True, text=True, timeout=world.patience(60)).stdout

            def counted():
                """Packets that came and went, as the service says itself."""
                child, = client.manager("GetSaCounters", "t", client.list_sas()[0][0][0])
                return child[2][0], child[3][0]

            keysluice("up", "peer")
            both_have_it(world, both)
            checks.traffic_flows(world, place, tunnel, swan, 100_000)
            before = counted()
            mine = read(keysluice("list", "--counters"))
            expect(all(first <= int(mine[way]) <= last for way, first, last in zip(("in", "out"), before, counted())),
                   f"packets, after {before}: {mine}")
            theirs = read(subprocess.run(["swanctl", "--list-sas", f"--uri=unix://{swan.socket}"], check=True,
                                         capture_output=True, text=True, timeout=world.patience(60)).stdout)
            for each in (mine, theirs):  # what passes through SAs the two kernels count in different pieces
                expect(int(each.pop("in")) > 1 and int(each.pop("out")) > 1, f"packets: {each}")
            offload = mine.pop("offload")
            expect(offload.startswith("sw ("), f"offload, which swanctl does not have: {offload}")
            theirs.pop("offload")
            for fields in (mine, theirs):
                fields.pop("name")  # of either end's own configuration
            expect_equal(mine, as_peer_sees(theirs), "the SAs, from this end and from the other")
            expect_equal({(int(mine["spi_in"], 16), int(mine["spi_out"], 16))}, ours.children(), "SPIs of the status")


@scenario("command: top draws the bytes of ESP, metrics count the CHILD SA, and explain says who does its ESP")
def figures(world):
    tunnel = Tunnel()
    with Bus(world, "dbus-daemon") as bus:
        with gateways(world, tunnel, sluice={"daemon": {"bus": bus.address}}) as (place, both):
            bus.await_service()

            def keysluice(*words):
                return subprocess.run([world.programs / "keysluice", f"--bus={bus.address}", *words], check=True,
                                      capture_output=True, text=True, timeout=world.patience(60)).stdout

            keysluice("up", "peer")
            both_have_it(world, both)
            screen = Screen(world, bus)
            screen.shows_like(r"peer +IKE: 1 up, 1 CHILD SAs +0 B/s")
            checks.traffic_flows(world, place, tunnel, both["strongSwan"], 1_000_000)
            screen.shows_like(r"peer +IKE: 1 up, 1 CHILD SAs +[1-9][0-9.]*[kM]? B/s [▁▂▃▄▅▆▇]*█")
            os.write(screen.ours, b"q")
            screen.ends()
            expect('keysluice_child_sas{offload="none",device=""} 1\n' in keysluice("metrics"), "metrics")
            expect(": the kernel does ESP\n  because: offload = \"auto\", and " in keysluice("explain", "peer"),
                   "the explanation")
