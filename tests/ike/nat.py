"""A NAT between the gateways: ESP in UDP, for whoever is behind it."""

from support import checks
from support.scenario import expect_equal, scenario
from support.traffic import streams
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
        checks.traffic_flows(world, place, tunnel, swan)
        with streams(world, place, tunnel):
            for each in both.values():
                each.rekey_child()
                each.rekey_ike()
        both[inside].down()
        checks.closed(world, *both.values())


for _inside in SIDES:
    scenario(f"nat: {_inside} behind it, rekeys from either side")(lambda world, inside=_inside: behind(world, inside))
