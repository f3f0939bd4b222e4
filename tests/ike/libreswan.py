"""keysluice with Libreswan: who begins, rekeys from either side, the end from either side."""

import contextlib

from support import checks
from support.libreswan import Libreswan, folder
from support.scenario import Skip, eventually, expect, scenario
from support.sluice import Sluice
from support.tunnel import Tunnel
from ike.basics import both_have_it

SIDES = ("keysluice", "Libreswan")
SMALL = 100_000


@contextlib.contextmanager
def gateways(world, tunnel, initiator, suite, sluice=None):
    if folder() is None:
        raise Skip("no Libreswan is here")
    sluice = dict(sluice or {})
    sluice["connection"] = {"start": "on-load" if initiator == "keysluice" else "manual"} | sluice.get("connection", {})
    ike, esp = suite
    with checks.network(world, swans=()) as place:
        left, right = place.ends
        with Libreswan(world, right, left, tunnel, ike, esp) as peer:
            with Sluice(world, left, right, tunnel, **sluice) as ours:
                yield place, {"keysluice": ours, "Libreswan": peer}


SUITES = {"GCM, X25519": (Tunnel(), ("aes_gcm128-sha2_256-dh31", "aes_gcm128-null")),
          "CBC, SHA-512, ECP-384": (Tunnel(proposal="aes256-sha512-prfsha512-ecp384", esp="aes256-sha512"),
                                    ("aes256-sha2_512-dh20", "aes256-sha2_512"))}


def works(world, initiator, name):
    tunnel, suite = SUITES[name]
    with gateways(world, tunnel, initiator, suite) as (place, both):
        peer = both["Libreswan"]
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, peer, SMALL)
        peer.rekey_child()
        eventually(lambda: both["keysluice"].children() & {each[::-1] for each in peer.children()}, world.patience(20),
                   "both have the new CHILD SA")
        checks.traffic_flows(world, place, tunnel, peer, SMALL)
        before = both["keysluice"].ike_spis()
        peer.rekey_ike()
        eventually(lambda: (now := both["keysluice"].ike_spis()) and not now & before, world.patience(20),
                   "keysluice has the new IKE SA")
        checks.traffic_flows(world, place, tunnel, peer, SMALL)
        both[initiator].down()
        eventually(lambda: not both["keysluice"].children() and not peer.children(), world.patience(20),
                   "no CHILD SA is left")


def keysluice_rekeys(world, what):
    tunnel, suite = SUITES["GCM, X25519"]
    with gateways(world, tunnel, "Libreswan", suite, sluice={what: {"rekey_time": "5s"}}) as (place, both):
        ours, peer = both["keysluice"], both["Libreswan"]
        peer.up()
        both_have_it(world, both)
        for _ in range(3):
            ours.rekey_child() if what == "child" else ours.rekey_ike()
            checks.traffic_flows(world, place, tunnel, peer, SMALL)
        expect(ours.children(), f"{ours} has lost its CHILD SA")


for _initiator in SIDES:
    for _name in SUITES:
        scenario(f"Libreswan: {_initiator} begins, {_name}")(
            lambda world, initiator=_initiator, name=_name: works(world, initiator, name))
for _what in ("child", "connection"):
    scenario(f"Libreswan: keysluice rekeys the {'CHILD' if _what == 'child' else 'IKE'} SA")(
        lambda world, what=_what: keysluice_rekeys(world, what))
