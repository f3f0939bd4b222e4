"""Limits of bytes and packets: a soft one is a rekeying of which no packet notices anything, a hard one the kernel's own end."""

import os
import signal

from support import checks, processes
from support.scenario import eventually, expect, expect_equal, scenario
from support.traffic import scatter, streams, transfer
from support.tunnel import Tunnel
from ike.basics import SIDES, both_have_it, gateways

PACKETS = 1000  # the fewest that keysluice takes; it begins up to a tenth earlier


def rekeyed_after_packets(world, initiator):
    count = world.choose(2, 10)
    with gateways(world, Tunnel(), initiator, sluice={"child": {"rekey_packets": PACKETS}}) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        ike = swan.ike_spis()
        with streams(world, place, ours.tunnel):
            for _ in range(count):
                before = ours.children()
                eventually(lambda: (now := ours.children()) and not now & before, world.patience(60),
                           f"{ours} has a new CHILD SA after {PACKETS} packets")
        both_have_it(world, both)
        expect_equal(swan.ike_spis(), ike, "the IKE SA, which nobody rekeyed")
        expect("sa-expired" not in ours.log(), "a CHILD SA came to its hard limit")
        world.note(f"{count} rekeys")


for _side in SIDES:
    scenario(f"limits: rekeyed after packets, {_side} had begun")(lambda world, side=_side: rekeyed_after_packets(world, side))


@scenario("limits: rekeyed after bytes")
def rekeyed_after_bytes(world):
    tunnel, limit = Tunnel(), 4_000_000
    with gateways(world, tunnel, sluice={"child": {"rekey_bytes": limit}}) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        before = ours.children()
        transfer(world, place, tunnel, limit + limit // 4)
        eventually(lambda: (now := ours.children()) and not now & before, world.patience(20), f"{ours} has a new CHILD SA")
        both_have_it(world, both)
        expect("sa-expired" not in ours.log(), "a CHILD SA came to its hard limit")


@scenario("limits: the kernel deletes what nobody rekeyed, and it is made again")
def dead_mans_switch(world):
    """keysluiced is held while packets come: nobody hears that the soft limit is there."""
    tunnel = Tunnel()
    with gateways(world, tunnel, sluice={"child": {"rekey_packets": PACKETS}}) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        for counter in ("XfrmInNoStates", "XfrmInStateExpired", "XfrmOutNoStates", "XfrmOutStateExpired"):
            place.forgive(counter)
        swan.up()
        both_have_it(world, both)
        before = ours.children()
        ((_, outbound),) = before
        family = processes.descendants(ours.process.pid)
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            scatter(place.left, *tunnel.hosts(place), 2 * PACKETS + 500)
            eventually(lambda: f"{outbound:08x}" not in place.left.namespace.run("ip xfrm state"), world.patience(20),
                       "the kernel deletes the outbound SA at its hard limit")
        finally:
            for pid in family:
                os.kill(pid, signal.SIGCONT)
        ours.await_log("sa-expired")
        eventually(lambda: (now := ours.children()) and not now & before, world.patience(20), f"{ours} has a new CHILD SA")
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, 100_000)
