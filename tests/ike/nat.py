"""A NAT between the gateways: ESP in UDP, for whoever is behind it."""

import re

from support import checks
from support.scenario import eventually, expect, expect_equal, scenario
from support.traffic import scatter, streams
from support.tunnel import Tunnel
from ike.basics import SIDES, both_have_it, gateways

WHERE = {"keysluice": "left", "strongSwan": "right"}


def behind(world, inside):
    """Whoever is behind the NAT begins: nobody else can."""
    tunnel = Tunnel()
    short = {"rekey_time": "5s"}
    with gateways(world, tunnel, inside, WHERE[inside], sluice={"connection": short, "child": short}) as (place, both):
        swan = both["strongSwan"]
        both[inside].up()
        both_have_it(world, both)
        (sa,) = swan.sas()
        expect_equal((sa.get("nat-local", "no"), sa.get("nat-remote", "no")),
                     ("yes", "no") if inside == "strongSwan" else ("no", "yes"), "where strongSwan sees the NAT")
        expect_equal(swan.child_sas()[0].get("encap"), "yes", "ESP is in UDP")
        checks.traffic_flows(world, place, tunnel, swan, 100_000)  # well within rekey_time
        with streams(world, place, tunnel):
            for each in both.values():
                each.rekey_child()
                each.rekey_ike()
        both[inside].down()
        checks.closed(world, *both.values())


def transport(world, inside):
    """Each end has the addresses that it sees in its selectors (RFC 7296 section 2.23.1)."""
    tunnel = Tunnel(mode="transport")
    with gateways(world, tunnel, inside, WHERE[inside]) as (place, both):
        swan = both["strongSwan"]
        both[inside].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, 100_000, WHERE[inside])
        swan.rekey_child()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, 100_000, WHERE[inside])


def remapped(world, address):
    """The NAT forgets whom it knew, and gives out other ports, or other addresses too. strongSwan, which is behind it, does
    not know; its next packet tells keysluice where it is now."""
    tunnel = Tunnel()
    without = {"connection": {"mobike": "no"}}
    with gateways(world, tunnel, "strongSwan", "right", sluice={"connection": {"remote": "any"}}, swan=without) as (
            place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, 100_000)
        before = ours.children()
        if address:
            # Packets that are on their way while the SA moves belong to nobody.
            place.forgive("XfrmInTmplMismatch")
            place.forgive("XfrmInNoStates")
            place.left.namespace.ip(f"route replace {place.right.network[4]} via {address}")
        place.remap(address)
        scatter(place.right, *reversed(tunnel.hosts(place)), 1)
        where = "dport 62[0-9][0-9][0-9] "
        eventually(lambda: re.search(where, place.left.namespace.run("ip xfrm state")), world.patience(20),
                   "keysluice's outbound SA goes to the NAT's other port")
        both_have_it(world, both)
        expect(ours.children() == before, f"the CHILD SA was {before}, is {ours.children()}")
        expect(not address or address in ours.sas()[0]["remote"], "keysluice does not know the NAT's other address")
        checks.traffic_flows(world, place, tunnel, swan)


scenario("nat: its ports change")(lambda world: remapped(world, None))
scenario("nat: its address changes")(lambda world: remapped(world, "192.0.2.99"))

for _inside in SIDES:
    scenario(f"nat: {_inside} behind it, transport")(lambda world, inside=_inside: transport(world, inside))
    scenario(f"nat: {_inside} behind it, rekeys from either side")(lambda world, inside=_inside: behind(world, inside))
