"""New keys under a steady stream of packets each way, of which not one is lost or comes twice."""

import time

from support import checks
from support.scenario import eventually, expect_equal, scenario
from support.traffic import streams
from support.tunnel import Tunnel
from ike.basics import SIDES, both_have_it, gateways

SHORT = "5s"  # the shortest rekey_time that keysluice takes
KINDS = {"CHILD SA": ("child",), "IKE SA": ("connection",)}


def settles(world, both, ends):
    """One CHILD SA is left, of two SAs in the kernel of each of the ends, once those that linger are gone."""
    both_have_it(world, both)
    for end in ends:
        eventually(lambda end=end: end.namespace.run("ip xfrm state").count("spi") == 2, world.patience(20),
                   f"the kernel on the {end.name} has two SAs left")


def strongswan_rekeys(world, initiator, group):
    tunnel = Tunnel(esp="aes128gcm16" + group)
    count = world.choose(20, 1000)
    with gateways(world, tunnel, initiator) as (place, both):
        both[initiator].up()
        both_have_it(world, both)
        before = both["strongSwan"].ike_spis()
        with streams(world, place, tunnel):
            for _ in range(count):
                both["strongSwan"].rekey_child()
        expect_equal(both["strongSwan"].ike_spis(), before, "the IKE SA, which nobody rekeyed")
        settles(world, both, place.ends)
        world.note(f"{count} rekeys")


def over(group):
    """A tunnel whose IKE SA and rekeyed CHILD SAs get their keys over this group."""
    return Tunnel(proposal=f"aes128gcm16-prfsha256-{group}", esp=f"aes128gcm16-{group}")


def strongswan_rekeys_ike(world, initiator, tunnel):
    """The IKE SA, and after each time the CHILD SA that it took over."""
    with gateways(world, tunnel, initiator) as (place, both):
        swan = both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        with streams(world, place, swan.tunnel):
            for _ in range(world.choose(5, 50)):
                swan.rekey_ike()
                both_have_it(world, both)
                swan.rekey_child()
        # strongSwan forgets, also with another strongSwan, an inbound SA that lingers while its IKE SA is rekeyed.
        settles(world, both, [place.left])
        expect_equal(len(both["keysluice"].sas()), 1, "IKE SAs that keysluice has")


def keysluice_rekeys(world, initiator, what, group):
    """`what`: the tables whose rekey_time is short."""
    short = {"rekey_time": SHORT}
    sluice = {table: short for table in what}
    count = world.choose(3, 100)
    with gateways(world, over(group), initiator, sluice=sluice) as (place, both):
        ours = both["keysluice"]
        both[initiator].up()
        both_have_it(world, both)
        with streams(world, place, ours.tunnel):
            for _ in range(count):
                ours.rekey_child() if "child" in what else ours.rekey_ike()
        eventually(lambda: both["strongSwan"].children(), world.patience(20), "strongSwan has a CHILD SA")
        world.note(f"{count} rekeys")


def both_rekey(world, group):
    """Again and again both sides begin at the same time, IKE and CHILD SA: whatever collides, no packet does."""
    swan = {"connection": {"rekey_time": "5", "rand_time": "1", "over_time": "60"},
            "child": {"rekey_time": "4", "rand_time": "1", "life_time": "60"}}
    sluice = {"connection": {"rekey_time": SHORT}, "child": {"rekey_time": SHORT}}
    with gateways(world, over(group), sluice=sluice, swan=swan) as (place, both):
        both["strongSwan"].up()
        both_have_it(world, both)
        with streams(world, place, both["strongSwan"].tunnel):
            time.sleep(world.choose(20, 120))
        both_have_it(world, both)


def register():
    for initiator in SIDES:
        for group in ("", "-x25519"):
            scenario(f"rekeying: strongSwan the CHILD SA, {initiator} had begun, {'with' if group else 'without'} PFS")(
                lambda world, initiator=initiator, group=group: strongswan_rekeys(world, initiator, group))
        scenario(f"rekeying: strongSwan the IKE SA, {initiator} had begun")(
            lambda world, initiator=initiator: strongswan_rekeys_ike(world, initiator, Tunnel()))
        for words, what in KINDS.items():
            scenario(f"rekeying: keysluice the {words}, {initiator} had begun")(
                lambda world, initiator=initiator, what=what: keysluice_rekeys(world, initiator, what, "x25519"))
    scenario("rekeying: both at the same time")(lambda world: both_rekey(world, "x25519"))
    # In a group whose exchange is computed by a thread.
    scenario("rekeying: strongSwan the IKE SA, modp4096")(
        lambda world: strongswan_rekeys_ike(world, "strongSwan", over("modp4096")))
    for words, what in KINDS.items():
        scenario(f"rekeying: keysluice the {words}, modp4096")(
            lambda world, what=what: keysluice_rekeys(world, "keysluice", what, "modp4096"))
    scenario("rekeying: both at the same time, modp4096")(lambda world: both_rekey(world, "modp4096"))


register()
